"""Control groups as text: which files, which values, what their content means. Pure.

Sources: the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

from dataclasses import dataclass

CONTROLLERS_V1 = ("memory", "cpu", "cpuacct", "pids")
CONTROLLERS_V2 = ("memory", "cpu", "pids")
PERIOD_US = 100_000  # the kernel's default accounting period
MIN_QUOTA_US = 1_000  # the kernel refuses less
NO_LIMIT_V1 = "-1"
NO_LIMIT_V2 = "max"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one job may use; 0 means no limit."""

    memory_bytes: int
    cpu_millis: int
    pids_max: int


@dataclass(frozen=True, slots=True)
class Setting:
    """Write `value` to the file `name` of `controller`'s directory ("" in v2: there is but one)."""

    controller: str
    name: str
    value: str
    optional: bool = False  # not every kernel has the file


def quota_us(cpu_millis: int) -> int:
    """CPU time in each period: thousandths of a core times the period."""
    return max(MIN_QUOTA_US, cpu_millis * PERIOD_US // 1000)


def quota_v1(cpu_millis: int) -> Setting:
    """The CPU quota; 0 lifts it."""
    return Setting("cpu", "cpu.cfs_quota_us", str(quota_us(cpu_millis)) if cpu_millis else NO_LIMIT_V1)


def quota_v2(cpu_millis: int) -> Setting:
    """The CPU quota; 0 lifts it."""
    return Setting("", "cpu.max", f"{quota_us(cpu_millis) if cpu_millis else NO_LIMIT_V2} {PERIOD_US}")


def settings_v1(limits: Limits) -> list[Setting]:
    """Swap is lifted first and lowered last: the kernel refuses a memory limit above that of memory and swap."""
    memory = str(limits.memory_bytes) if limits.memory_bytes else NO_LIMIT_V1
    return [
        Setting("memory", "memory.memsw.limit_in_bytes", NO_LIMIT_V1, optional=True),
        Setting("memory", "memory.limit_in_bytes", memory),
        Setting("memory", "memory.memsw.limit_in_bytes", memory, optional=True),
        Setting("pids", "pids.max", str(limits.pids_max) if limits.pids_max else "max"),
    ]


def settings_v2(limits: Limits) -> list[Setting]:
    """One process out of memory ends the job: half a job is no use to anybody (memory.oom.group)."""
    return [
        Setting("", "memory.max", str(limits.memory_bytes) if limits.memory_bytes else NO_LIMIT_V2),
        Setting("", "memory.swap.max", "0" if limits.memory_bytes else NO_LIMIT_V2, optional=True),
        Setting("", "memory.oom.group", "1", optional=True),
        Setting("", "pids.max", str(limits.pids_max) if limits.pids_max else NO_LIMIT_V2),
    ]


def parse_own(proc_self_cgroup: str) -> dict[str, str]:
    """Controller ("" for v2) to this process's path in its hierarchy, from /proc/self/cgroup."""
    own: dict[str, str] = {}
    for line in proc_self_cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            own[controller] = path
    return own


def parse_mounts(proc_mounts: str) -> dict[str, str]:
    """Controller ("" for v2) to where its hierarchy is mounted, from /proc/self/mounts."""
    mounts: dict[str, str] = {}
    for line in proc_mounts.splitlines():
        words = line.split()
        if len(words) < 4 or words[2] not in ("cgroup", "cgroup2"):
            continue
        if words[2] == "cgroup2":
            mounts.setdefault("", words[1])
            continue
        for option in words[3].split(","):
            if option in CONTROLLERS_V1:
                mounts.setdefault(option, words[1])
    return mounts


def parse_value(text: str, key: str) -> int | None:
    """The number after `key` in a file of "key number" lines (memory.oom_control, memory.events, cpu.stat)."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == key:
            return int(words[1])
    return None
