"""ControlGroup: one part of a test machine's processes, whatever version of control groups the host has.

Sources: the kernel's Documentation/admin-guide/cgroup-v1/{freezer-subsystem,memory}.rst and cgroup-v2.rst.
"""

import os
import shlex
import signal
from pathlib import Path

from draas.agent.runtimes.docker.usage import ROOT, folders
from draas.agent.runtimes.process.cgroup_files import parse_value
from draas.lib import clock

CONTROLLERS_V1 = ("cpu", "cpuacct", "memory", "devices", "freezer", "blkio", "pids")
CONTROLLERS_V2 = ("cpu", "memory", "pids", "io", "cpuset")
CPU_PERIOD_US = 100_000
USUAL_SHARES_V1, USUAL_WEIGHT_V2 = 1024, 100
GONE_TIMEOUT_S = 15.0


class ControlGroup:
    """The group `name` (such as "/rack/m1"). It holds other groups; processes are put into its part "system"."""

    def __init__(self, name: str, root: Path = ROOT) -> None:
        self.name = name
        self._root = root
        self.v2 = (root / "cgroup.controllers").is_file()

    def make(self) -> None:
        """Have it there. Raises OSError where control groups cannot be used."""
        for folder in self._leaves():
            folder.mkdir(parents=True, exist_ok=True)
        if self.v2:
            here = self._root / self.name.lstrip("/")
            for folder in [*reversed(here.parents), here]:
                if folder.is_relative_to(self._root):
                    _hand_down(folder)

    def _leaves(self) -> list[Path]:
        below = f"{self.name.lstrip('/')}/system"
        if self.v2:
            return [self._root / below]
        return [self._root / one / below for one in CONTROLLERS_V1 if (self._root / one).is_dir()]

    def enter_script(self) -> str:
        """Shell commands that move the shell itself in; what it starts is in from its first instruction."""
        return "; ".join(f"echo $$ > {shlex.quote(str(folder / 'cgroup.procs'))}" for folder in self._leaves())

    def freeze(self, frozen: bool) -> None:
        """Stop every process in it, containers too, or let all go on. Raises TimeoutError where one does not stop."""
        here = self.name.lstrip("/")
        if self.v2:
            (self._root / here / "cgroup.freeze").write_text("1" if frozen else "0")
            return
        state = self._root / "freezer" / here / "freezer.state"
        wanted = "FROZEN" if frozen else "THAWED"
        deadline = clock.monotonic() + GONE_TIMEOUT_S
        while state.write_text(wanted) and state.read_text().strip() != wanted:
            if clock.monotonic() > deadline:
                raise TimeoutError(f"{self.name} is {state.read_text().strip()}, not {wanted}")
            clock.pause(0.02)

    def limit(self, *, memory_bytes: int | None, cpus: float | None) -> None:
        """Bound all of it together; None lifts the bound."""
        quota = int(cpus * CPU_PERIOD_US) if cpus is not None else None
        here = self.name.lstrip("/")
        if self.v2:
            (self._root / here / "memory.max").write_text("max" if memory_bytes is None else str(memory_bytes))
            (self._root / here / "cpu.max").write_text(f"{'max' if quota is None else quota} {CPU_PERIOD_US}")
            return
        memory = -1 if memory_bytes is None else memory_bytes
        (self._root / "memory" / here / "memory.limit_in_bytes").write_text(str(memory))
        (self._root / "cpu" / here / "cpu.cfs_quota_us").write_text(str(-1 if quota is None else quota))

    def weigh(self, times: int) -> None:
        """Have so many times the CPU time of a usual group where it is scarce."""
        here = self.name.lstrip("/")
        if self.v2:
            (self._root / here / "cpu.weight").write_text(str(USUAL_WEIGHT_V2 * times))
        else:
            (self._root / "cpu" / here / "cpu.shares").write_text(str(USUAL_SHARES_V1 * times))

    def idle(self) -> None:
        """Have only what nobody else wants (Linux 5.15)."""
        (self._root / ("" if self.v2 else "cpu") / self.name.lstrip("/") / "cpu.idle").write_text("1")

    @property
    def cpu_s(self) -> float:
        """CPU time that all of it has had."""
        here = self.name.lstrip("/")
        if self.v2:
            return (parse_value((self._root / here / "cpu.stat").read_text(), "usage_usec") or 0) / 1e6
        return int((self._root / "cpuacct" / here / "cpuacct.usage").read_text()) / 1e9

    def pids(self) -> set[int]:
        """Every process in it and below it."""
        found: set[int] = set()
        for folder in folders(self.name, self._root):
            for path in folder.rglob("cgroup.procs"):
                try:
                    found.update(int(word) for word in path.read_text().split())
                except OSError:  # removed meanwhile
                    continue
        return found - {0}

    def kill(self) -> None:
        """KILL until nothing is in it. Raises TimeoutError naming what does not go."""
        self._thaw_all()
        deadline = clock.monotonic() + GONE_TIMEOUT_S
        while pids := self.pids():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if clock.monotonic() > deadline:
                raise TimeoutError(f"{self.name}: processes {sorted(pids)} do not end, even by SIGKILL")
            clock.pause(0.02)

    def _thaw_all(self) -> None:
        """Version 1: a frozen process dies only when it goes on, and each group below may be frozen by itself."""
        for state in (self._root / "freezer" / self.name.lstrip("/")).rglob("freezer.state"):
            state.write_text("THAWED")

    def remove(self) -> None:
        """Remove it with all that is below; nothing may run in it. Raises OSError."""
        for folder in list(folders(self.name, self._root)):
            for path, _, _ in os.walk(folder, topdown=False):
                _remove_folder(Path(path))


def _hand_down(folder: Path) -> None:
    """Version 2: let the groups in `folder` have controllers; not every kernel has each."""
    for controller in CONTROLLERS_V2:
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            continue


def _remove_folder(folder: Path) -> None:
    deadline = clock.monotonic() + GONE_TIMEOUT_S
    while True:
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:  # the kernel lets go of a dead process some milliseconds later
            if clock.monotonic() > deadline:
                raise
            clock.pause(0.02)
