"""What is written to BuildKit's control group for the builds under way. Pure.

Source: the kernel's Documentation/admin-guide/cgroup-v1 (cpusets.rst) and cgroup-v2.rst; cpu.idle: scheduler/sched-design-CFS.rst.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from draas.agent.runtimes.process.cgroup_files import Limits, Setting, quota_v1, quota_v2, settings_v1, settings_v2

NAME = "buildkit"  # what it calls the group that all its steps are in
PIDS_PER_BUILD = 8192  # compilers on many cores stay far below; a fork bomb does not
# Beside an app of 1024 shares a build gets next to nothing while the app has something to do, and all that it leaves.
SHARES_V1, WEIGHT_V2, BLKIO_V1, IO_V2 = 16, 1, 10, 10
USUAL_SHARES_V1, USUAL_WEIGHT_V2, USUAL_BLKIO_V1, USUAL_IO_V2 = 1024, 100, 500, 100
NO_LIMITS = Limits(memory_bytes=0, cpu_millis=0, pids_max=0)


def render_settings(limits: Limits, version: str, *, kept_off: bool) -> list[Setting]:
    """What is written for builds that may use `limits` together; with NO_LIMITS all is as the kernel made it. Pure.

    `kept_off`: the group's CPUs leave one to what runs beside it. It is then not idle: the kernel takes a CPU on which nothing but idle
    groups runs for a free one, and wakes the ingress and the apps up there instead of on the one that is left to them.

    cpu.idle comes before the weight when builds end, and after it when they begin: an idle group has no other weight.
    """
    running = limits != NO_LIMITS
    v1 = version == "v1"
    controller = "cpu" if v1 else ""
    idle = Setting(controller, "cpu.idle", "1" if running and not kept_off else "0", optional=True)
    if v1:
        shares = Setting("cpu", "cpu.shares", str(SHARES_V1 if running else USUAL_SHARES_V1), optional=True)
        block = str(BLKIO_V1 if running else USUAL_BLKIO_V1)
        weights = [
            Setting("blkio", "blkio.bfq.weight", str(BLKIO_V1 if running else 100), optional=True),
            Setting("blkio", "blkio.weight", block, optional=True),
        ]
        first = [*settings_v1(limits), quota_v1(limits.cpu_millis)]
    else:
        shares = Setting("", "cpu.weight", str(WEIGHT_V2 if running else USUAL_WEIGHT_V2), optional=True)
        weight = str(IO_V2 if running else USUAL_IO_V2)
        weights = [
            Setting("", "io.bfq.weight", weight, optional=True),
            Setting("", "io.weight", f"default {weight}", optional=True),
        ]
        # One step out of memory must not end the steps of all other builds.
        first = [one for one in settings_v2(limits) if one.name != "memory.oom.group"] + [quota_v2(limits.cpu_millis)]
    return [*first, *([shares, idle] if running and not kept_off else [idle, shares]), *weights]


def parse_cpus(text: str) -> frozenset[int]:
    """The CPUs in the kernel's words for them, such as "0-3,8". Pure."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1) if first else ())
    return frozenset(found)


def cpus_setting(cpus: Collection[int], version: str) -> Setting:
    """The CPUs of the group. Pure. A kernel may be without cpusets, and it refuses fewer than a step of somebody else's build has."""
    value = ",".join(map(str, sorted(cpus)))
    return Setting("cpuset" if version == "v1" else "", "cpuset.cpus", value, optional=True)


def cpus_for_builds(cpus: Collection[int]) -> frozenset[int]:
    """Of the machine's CPUs those on which builds run: all but the first; the only one of a machine that has one. Pure."""
    return frozenset(sorted(cpus)[1:] or cpus)


def without_needless_quota(limits: Limits, cores: int) -> Limits:
    """`limits` of a group that is held to `cores` CPUs, without a quota that allows as much. Pure.

    A quota stops a step in the middle of its period and lets it all loose at the next one's begin, for which the ingress then waits.
    """
    return replace(limits, cpu_millis=0) if limits.cpu_millis >= cores * 1000 else limits


def leave_a_core(limits: Limits, cores: int) -> Limits:
    """`limits`, but that one of the machine's cores is left to what runs on it. Pure. A machine with one core has none to leave."""
    most = (cores - 1) * 1000
    if limits == NO_LIMITS or cores < 2 or 0 < limits.cpu_millis <= most:
        return limits
    return replace(limits, cpu_millis=most)


def find_folders(parent: str, mounts: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The version, and where each controller ("" in v2) has BuildKit's group; no folders where there are no control groups. Pure."""
    if all(controller in mounts for controller in ("memory", "cpu", "pids")):
        return "v1", {controller: f"{mount}{parent}/{NAME}" for controller, mount in mounts.items() if controller}
    return ("v2", {"": f"{mounts['']}{parent}/{NAME}"}) if "" in mounts else ("", {})


def add_limits(each: list[Limits]) -> Limits:
    """What they may use together; no limit for one is none for all."""
    if not each:
        return NO_LIMITS

    def total(values: list[int]) -> int:
        return sum(values) if all(values) else 0

    return Limits(
        memory_bytes=total([one.memory_bytes for one in each]),
        cpu_millis=total([one.cpu_millis for one in each]),
        pids_max=total([one.pids_max for one in each]),
    )
