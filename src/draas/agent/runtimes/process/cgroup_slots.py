"""Prepared control groups, each lent to one job at a time. Making one costs more than starting a process, so they are kept.

A process gets into its group by inheritance: the supervisor steps in, starts it and steps out again, so that no instruction of
the job runs outside, and nothing has to run before it. Stepping (writing "0" to a v1 `tasks` file) takes no global lock. The CPU quota
comes last, when the supervisor is out: within a small one it would be held up itself, and all jobs with it.
"""

import errno
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

from draas.agent.runtimes.process.cgroup_files import (
    CONTROLLERS_V1,
    CONTROLLERS_V2,
    Limits,
    Setting,
    parse_mounts,
    parse_own,
    parse_value,
    quota_v1,
    quota_v2,
    settings_v1,
    settings_v2,
)
from draas.lib import clock

KEPT_SLOTS = 128  # idle groups kept ready; some 20 KB of kernel memory each
LEFTOVER_BYTES = 4 * 1024 * 1024  # charged to an empty group (page cache): more than that would weigh on the next job


class NoCgroups(Exception):
    """Control groups cannot be used here; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a job used. None where the kernel does not tell."""

    peak_memory_bytes: int | None
    cpu_s: float | None
    oom: bool


@dataclass(slots=True, kw_only=True, eq=False)
class Slot:
    """One group (in v1: one in each hierarchy). `dirs` maps controllers to directories ("" for v2)."""

    dirs: dict[str, str]
    fds: dict[str, int] = field(default_factory=dict)
    limits: Limits | None = None
    quota_millis: int = 0
    cpu_before: int = 0
    oom_before: int = 0

    @property
    def v2(self) -> bool:
        return "" in self.dirs

    def read(self, controller: str, name: str) -> str:
        """A file of the group, kept open: "" where this kernel does not have it."""
        path = f"{self.dirs['' if self.v2 else controller]}/{name}"
        fd = self.fds.get(path)
        try:
            if fd is None:
                fd = self.fds[path] = os.open(path, os.O_RDONLY)
            return os.pread(fd, 16384, 0).decode()
        except OSError:
            return ""

    def write(self, setting: Setting) -> None:
        """Raises OSError where the kernel refuses it."""
        path = f"{self.dirs[setting.controller]}/{setting.name}"
        key = f"{path} w"
        try:
            if (fd := self.fds.get(key)) is None:
                fd = self.fds[key] = os.open(path, os.O_WRONLY)
            os.pwrite(fd, setting.value.encode(), 0)
        except OSError:
            if not setting.optional:
                raise

    def set_limits(self, limits: Limits) -> None:
        """Make the group fit the next job, all but its CPU quota. Raises OSError where the kernel refuses."""
        self.set_quota(0)
        if limits != self.limits:
            for setting in settings_v2(limits) if self.v2 else settings_v1(limits):
                self.write(setting)
            self.limits = limits
        if not self.v2:
            self.write(Setting("memory", "memory.max_usage_in_bytes", "0"))
        self.cpu_before = self._cpu()
        self.oom_before = self._ooms()

    def set_quota(self, cpu_millis: int) -> None:
        """Limit its CPU time, or lift the limit (0). Raises OSError where the kernel refuses."""
        if cpu_millis != self.quota_millis:
            self.write(quota_v2(cpu_millis) if self.v2 else quota_v1(cpu_millis))
            self.quota_millis = cpu_millis

    def enter(self) -> None:
        """Move the calling (single-threaded) process in. Raises OSError."""
        for path in dict.fromkeys(self.dirs.values()):
            file = f"{path}/{'cgroup.procs' if self.v2 else 'tasks'}"
            fd = self.fds.get(file)
            if fd is None:
                fd = self.fds[file] = os.open(file, os.O_WRONLY)
            os.write(fd, b"0")

    @property
    def empty(self) -> bool:
        """Whether no process, not even an unreaped one, is in it."""
        return self.read("pids", "pids.current").strip() == "0"

    def pids(self) -> list[int]:
        """The processes in it."""
        path = self.dirs["" if self.v2 else "pids"]
        try:
            return [int(word) for word in Path(path, "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def kill(self) -> None:
        """KILL whatever is in it. To be repeated until it is empty; no new process can be made meanwhile."""
        if self.v2 and os.path.exists(f"{self.dirs['']}/cgroup.kill"):
            _write_file(f"{self.dirs['']}/cgroup.kill", "1")
            return
        self.limits = None
        self.write(Setting("" if self.v2 else "pids", "pids.max", "0"))
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def usage(self) -> Usage:
        """What was used since the limits were set."""
        peak = self.read("memory", "memory.peak" if self.v2 else "memory.max_usage_in_bytes").strip()
        cpu = self._cpu() - self.cpu_before
        return Usage(
            peak_memory_bytes=int(peak) if peak else None,
            cpu_s=cpu / (1e6 if self.v2 else 1e9),
            oom=self._ooms() > self.oom_before,
        )

    def _cpu(self) -> int:
        """Microseconds in v2, nanoseconds in v1."""
        if self.v2:
            return parse_value(self.read("", "cpu.stat"), "usage_usec") or 0
        return int(self.read("cpuacct", "cpuacct.usage") or 0)

    def _ooms(self) -> int:
        text = self.read("memory", "memory.events" if self.v2 else "memory.oom_control")
        return parse_value(text, "oom_kill") or 0

    @property
    def clean(self) -> bool:
        """Whether the next job may have it: v2's peak cannot be reset on most kernels, and left-over memory counts."""
        if self.v2:
            return False
        return int(self.read("memory", "memory.usage_in_bytes") or 0) <= LEFTOVER_BYTES

    def close(self) -> None:
        """Let go of its files."""
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}


class CgroupPool:
    """All groups of one supervisor, below the group it was started in. `version` is "v1" or "v2"."""

    def __init__(self, version: str, bases: dict[str, str], homes: list[str]) -> None:
        self.version = version
        self._bases = bases
        self._home_fds = [os.open(path, os.O_WRONLY) for path in homes]
        self._idle: list[Slot] = []
        self._unremoved: list[Slot] = []  # the kernel still counted a dying process
        self._made = 0

    def lend(self, limits: Limits) -> Slot:
        """A group with these limits and nothing in it. Raises OSError where the kernel refuses."""
        slot = self._idle.pop() if self._idle else self._make()
        try:
            slot.set_limits(limits)
        except OSError:
            self._destroy(slot)
            raise
        return slot

    def leave(self) -> None:
        """Move the calling process back to where it was started."""
        for fd in self._home_fds:
            os.write(fd, b"0")

    def give_back(self, slot: Slot) -> None:
        """Take an empty group back."""
        if len(self._idle) < KEPT_SLOTS and slot.clean:
            self._idle.append(slot)
        else:
            self._destroy(slot)

    def _make(self) -> Slot:
        self._made += 1
        slot = Slot(dirs={controller: f"{base}/{self._made}" for controller, base in self._bases.items()})
        for path in dict.fromkeys(slot.dirs.values()):
            os.mkdir(path)
        return slot

    def _destroy(self, slot: Slot) -> None:
        slot.close()
        again, self._unremoved = [*self._unremoved, slot], []
        for one in again:
            removed = [_removed(path) for path in dict.fromkeys(one.dirs.values())]  # each is tried
            if not all(removed):
                self._unremoved.append(one)

    def close(self) -> None:
        """Remove all groups that are idle, and the directory they were in."""
        for slot in self._idle:
            self._destroy(slot)
        self._idle = []
        for path in dict.fromkeys(self._bases.values()):
            _removed(path)
        for fd in self._home_fds:
            os.close(fd)


def open_pool(name: str) -> CgroupPool:
    """Prepare the groups under `name`, killing what a predecessor of this name left in them. Raises NoCgroups."""
    mounts = parse_mounts(Path("/proc/self/mounts").read_text())
    own = parse_own(Path("/proc/self/cgroup").read_text())
    try:
        if all(controller in mounts for controller in CONTROLLERS_V1):
            homes = {c: _own_dir(mounts[c], own.get(c, "/")) for c in CONTROLLERS_V1}
            bases = {c: f"{home}/{name}" for c, home in homes.items()}
            pool = CgroupPool("v1", bases, [f"{path}/tasks" for path in dict.fromkeys(homes.values())])
        elif "" in mounts:
            home = _own_dir(mounts[""], own.get("", "/"))
            bases = {"": f"{_parent_v2(mounts[''], home)}/{name}"}
            pool = CgroupPool("v2", bases, [f"{home}/cgroup.procs"])
        else:
            raise NoCgroups("no control groups are mounted: mount /sys/fs/cgroup")
        for path in dict.fromkeys(bases.values()):
            _prepare(path)
        if pool.version == "v2":
            _enable_v2(bases[""])
        probe = pool.lend(Limits(memory_bytes=0, cpu_millis=0, pids_max=0))
        try:
            probe.enter()
        finally:
            pool.leave()
        pool.give_back(probe)
    except OSError as error:
        raise NoCgroups(
            f"control groups are not writable ({error.strerror}: {error.filename}): run the agent as root"
        ) from None
    return pool


def _own_dir(mount: str, path: str) -> str:
    """This process's directory; the mount itself where a container shows only its own part."""
    found = f"{mount}{path.rstrip('/')}"
    return found if os.path.isdir(found) else mount


def _parent_v2(mount: str, home: str) -> str:
    """Where groups can be made: the own group if its controllers are handed down, else the top, as container engines do."""
    for parent in (home, mount):
        handed_down = Path(parent, "cgroup.subtree_control").read_text().split()
        if all(controller in handed_down for controller in CONTROLLERS_V2):
            return parent
    _enable_v2(mount)
    return mount


def _enable_v2(path: str) -> None:
    _write_file(f"{path}/cgroup.subtree_control", " ".join(f"+{controller}" for controller in CONTROLLERS_V2))


def _prepare(path: str) -> None:
    os.makedirs(path, exist_ok=True)
    for entry in list(os.scandir(path)):
        if entry.is_dir():
            for word in Path(entry.path, "cgroup.procs").read_text().split():
                os.kill(int(word), signal.SIGKILL)
            _wait_removed(entry.path)


def _wait_removed(path: str) -> None:
    """Remove a group whose processes were just killed; the kernel lets it go some milliseconds later."""
    for _ in range(200):
        if _removed(path):
            return
        clock.pause(0.01)
    raise OSError(errno.EBUSY, "a killed process does not go", path)


def _removed(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _write_file(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)
