"""The control group in which the engine's BuildKit runs its steps, and its limits: BuildKit itself knows none.

All builds of an engine share this one group, so its limits are the sum of what those under way may use. Each holds a lock on a file
that says its own; a killed one lets go of it by itself, and the next one to come or go counts anew.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from draas.agent.runtimes.build.group_settings import (
    NO_LIMITS,
    add_limits,
    cpus_for_builds,
    cpus_setting,
    find_folders,
    leave_a_core,
    parse_cpus,
    render_settings,
    without_needless_quota,
)
from draas.agent.runtimes.process.cgroup_files import Limits, Setting, parse_mounts, parse_value

MOUNTS = Path("/proc/self/mounts")
LOCK = ".lock"
DISPENSABLE = ("blkio", "cpuset")  # of version 1: builds do without


def read_mounts() -> dict[str, str]:
    """Controllers and where they are mounted; with those that jobs do without."""
    text = MOUNTS.read_text()
    mounts = parse_mounts(text)
    for line in text.splitlines():
        words = line.split()
        if len(words) > 3 and words[2] == "cgroup":
            for controller in set(DISPENSABLE) & set(words[3].split(",")):
                mounts.setdefault(controller, words[1])
    return mounts


class BuildGroup:
    """The group of one engine. `shares` is a folder where the builds of this node say what they may use."""

    def __init__(self, parent: str, shares: Path) -> None:
        self.version, self.folders = find_folders(parent, read_mounts())
        self._shares = shares

    def make(self) -> None:
        """Have the group there. Raises OSError without the rights."""
        for controller, folder in self.folders.items():
            try:
                os.makedirs(folder, exist_ok=True)
            except OSError:
                if controller not in DISPENSABLE:
                    raise
        if self.version == "v2":
            _hand_down(Path(self.folders[""]))
        elif "cpuset" in self.folders:
            with suppress(OSError):
                _inherit_cpus(Path(self.folders["cpuset"]))
        with suppress(OSError):  # kernels before 5.11 count only so what is inside of a group
            self.write(Setting("memory", "memory.use_hierarchy", "1"))

    @contextmanager
    def lent(self, id: str, limits: Limits) -> Iterator[Self]:
        """Within the block the group has room for this build too. Raises OSError."""
        self._shares.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self._shares / LOCK):
            own = os.open(self._shares / id, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(own, fcntl.LOCK_EX)
            os.write(own, f"{limits.memory_bytes} {limits.cpu_millis} {limits.pids_max}".encode())
        try:
            self.make()
            self._settle()
            yield self
        finally:
            (self._shares / id).unlink(missing_ok=True)
            os.close(own)
            self.settle()

    def settle(self) -> None:
        """Let the group have what the builds under way may use together, and no limits where there are none: some may have been killed."""
        with suppress(OSError):
            self._settle()

    def _settle(self) -> None:
        if not self._shares.is_dir():
            return
        with _locked(self._shares / LOCK):
            usable = self.usable_cpus()
            total = leave_a_core(add_limits(list(_running(self._shares))), len(usable))
            kept_off = self._keep_off(total)
            if kept_off:
                total = without_needless_quota(total, len(cpus_for_builds(usable)))
            for setting in render_settings(total, self.version, kept_off=kept_off):
                self.write(setting)

    def _keep_off(self, total: Limits) -> bool:
        """Have builds keep off one of the CPUs, and whether they do; with NO_LIMITS all are theirs."""
        usable = self.usable_cpus()
        keep = total != NO_LIMITS and len(usable) > 1
        cpus = cpus_for_builds(usable) if keep else self._parent_cpus()
        self.write(cpus_setting(cpus, self.version))
        return keep and parse_cpus(self.read("cpuset", "cpuset.cpus")) == cpus

    def usable_cpus(self) -> frozenset[int]:
        """On which CPUs builds and apps may run: those of the engine's group that are the agent's too."""
        own = frozenset(os.sched_getaffinity(0))
        return own & self._parent_cpus() or own

    def _parent_cpus(self) -> frozenset[int]:
        try:
            folder = Path(self.folders["" if self.version == "v2" else "cpuset"]).parent
            name = "cpuset.cpus.effective" if self.version == "v2" else "cpuset.cpus"
            return parse_cpus((folder / name).read_text())
        except (OSError, KeyError):
            return frozenset(os.sched_getaffinity(0))

    def write(self, setting: Setting) -> None:
        """Raises OSError where the kernel refuses what it must not."""
        try:
            descriptor = os.open(f"{self.folders[setting.controller]}/{setting.name}", os.O_WRONLY)
            try:
                os.write(descriptor, setting.value.encode())
            finally:
                os.close(descriptor)
        except (OSError, KeyError):
            if not setting.optional:
                raise

    def read(self, controller: str, name: str) -> str:
        """A file of the group; "" where this kernel does not have it."""
        try:
            return Path(self.folders["" if self.version == "v2" else controller], name).read_text()
        except (OSError, KeyError):
            return ""

    @property
    def cpu_s(self) -> float:
        """CPU time of all steps since the group was made."""
        if self.version == "v2":
            return (parse_value(self.read("", "cpu.stat"), "usage_usec") or 0) / 1e6
        return int(self.read("cpuacct", "cpuacct.usage") or 0) / 1e9


def _running(shares: Path) -> Iterator[Limits]:
    """The builds that live; what dead ones left is removed."""
    for entry in sorted(shares.iterdir()):
        if entry.name == LOCK:
            continue
        with suppress(FileNotFoundError):
            descriptor = os.open(entry, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                entry.unlink()
            except BlockingIOError:
                words = os.read(descriptor, 100).decode().split()
                if len(words) == 3:
                    memory, cpu, pids = map(int, words)
                    yield Limits(memory_bytes=memory, cpu_millis=cpu, pids_max=pids)
            finally:
                os.close(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _inherit_cpus(folder: Path) -> None:
    """Version 1: a fresh group has no CPUs and no memory, and nothing can run in it; have it and those above it get their parent's."""
    for group in [*reversed(folder.parents), folder]:
        for name in ("cpuset.cpus", "cpuset.mems"):
            own, above = group / name, group.parent / name
            if above.exists() and own.exists() and not own.read_text().strip():
                own.write_text(above.read_text())


def _hand_down(folder: Path) -> None:
    """Have the controllers in a group of v2: each of those above must hand them down."""
    for above in reversed(folder.parents):
        control = above / "cgroup.subtree_control"
        if control.exists():
            for controller in ("memory", "cpu", "pids", "io", "cpuset"):
                with suppress(OSError):
                    control.write_text(f"+{controller}")
