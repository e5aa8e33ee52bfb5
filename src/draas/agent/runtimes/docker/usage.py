"""What a container used, read from the kernel after its end, without sampling.

Each job's container lives in a control group inside one of the job's own, which stays when the container is gone. The outer
group's counters cover the inner one from its first to its last instruction, so the shortest job has exact figures.
Source: Linux Documentation/admin-guide/cgroup-v1/memory.rst, cpuacct.rst (hierarchical accounting) and cgroup-v2.rst.
Needs a local engine with the cgroupfs driver and leave to look; else there are no figures.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from draas.model.allocation import AllocationId

ROOT = Path("/sys/fs/cgroup")
_CPU = (("cpuacct.usage", "", 1e9), ("cpu.stat", "usage_usec", 1e6))
_FREEZERS = (("freezer.state", "FROZEN"), ("cgroup.freeze", "1"))


class Usage(NamedTuple):
    """None: not known."""

    peak_memory_bytes: int | None = None
    cpu_s: float | None = None


def parent_from(membership: str, container_id: str) -> str | None:
    """The group in which the engine puts its containers, from /proc/PID/cgroup of one of them; None where it is not one."""
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if path.endswith("/" + container_id) and controllers in ("", "memory"):
            return path.removesuffix("/" + container_id)
    return None


def group_name(parent: str, id: AllocationId) -> str:
    """The control group of an allocation."""
    return f"{parent}/draas-{id}"


def read_usage(group: str, root: Path = ROOT) -> Usage:
    """What ran in `group` used, under version 1 or 2."""
    peak = cpu = None
    for folder in folders(group, root):
        peak = peak or _number(folder / "memory.max_usage_in_bytes") or _number(folder / "memory.peak")
        if (nanoseconds := _number(folder / "cpuacct.usage")) is not None:
            cpu = nanoseconds / 1e9
        elif (microseconds := _number(folder / "cpu.stat", "usage_usec")) is not None:
            cpu = microseconds / 1e6
    return Usage(peak, cpu)


def group_in(membership: str) -> str | None:
    """The control group that a process is in, from its /proc/PID/cgroup; None where it is in none of its own."""
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory") and path != "/":
            return path
    return None


class Gauges(NamedTuple):
    """The files that tell of a group that lives, found once: finding them costs more than reading them. The second word is a field in the file."""

    cpu: tuple[Path, str, float] | None  # and how many of its units are a second
    memory: Path | None
    cache: tuple[Path, str] | None
    freezers: tuple[tuple[Path, str], ...]  # and what each says of what is paused


def find_gauges(group: str, root: Path = ROOT) -> Gauges:
    """Under version 1, 2 or both; where both are mounted only one of them is the engine's."""
    found = list(folders(group, root))
    freezers = [(folder / name, word) for folder in found for name, word in _FREEZERS if (folder / name).exists()]
    cpu = next(
        (
            (folder / name, field, per_s)
            for name, field, per_s in _CPU
            for folder in found
            if _has(folder / name, field)
        ),
        None,
    )
    for folder in found:
        for name, field in (("memory.usage_in_bytes", "total_inactive_file"), ("memory.current", "inactive_file")):
            if (folder / name).exists():
                return Gauges(cpu, folder / name, (folder / "memory.stat", field), tuple(freezers))
    return Gauges(cpu, None, None, tuple(freezers))


def read_live(gauges: Gauges) -> tuple[float, int] | None:
    """(CPU seconds so far, memory in bytes now); files that can be read again at any time do not count as memory. None: not known."""
    if gauges.cpu is None or gauges.memory is None or gauges.cache is None:
        return None
    path, field, per_s = gauges.cpu
    cpu, memory, cache = _number(path, field), _number(gauges.memory), _number(*gauges.cache)
    return (cpu / per_s, max(memory - (cache or 0), 0)) if cpu is not None and memory is not None else None


def is_frozen(gauges: Gauges) -> bool | None:
    """Whether it is paused; None where that cannot be seen."""
    seen = False
    for path, frozen in gauges.freezers:
        try:
            state = path.read_text().strip()
        except OSError:
            continue
        if state == frozen:
            return True
        seen = True
    return False if seen else None


def _has(path: Path, field: str) -> bool:
    return _number(path, field) is not None


def remove_group(group: str, root: Path = ROOT) -> None:
    """Remove `group` and what is left in it; what is in use stays."""
    for folder in folders(group, root):
        for path, _, _ in os.walk(folder, topdown=False):
            try:
                os.rmdir(path)
            except OSError:  # in use still, gone already, or not ours to remove
                continue


def groups_below(parent: str, root: Path = ROOT) -> set[str]:
    """The allocations that have a group there."""
    found: set[str] = set()
    for folder in folders(parent, root):
        found.update(path.name.removeprefix("draas-") for path in folder.glob("draas-*"))
    return found


def folders(group: str, root: Path) -> Iterator[Path]:
    """Where `group` is: one folder under version 2, one for each hierarchy under version 1."""
    below = group.lstrip("/")
    try:
        hierarchies = [root, *(entry for entry in root.iterdir() if entry.is_dir() and not entry.is_symlink())]
    except OSError:
        return
    yield from (folder for hierarchy in hierarchies if (folder := hierarchy / below).is_dir())


def _number(path: Path, field: str = "") -> int | None:
    try:
        text = path.read_text()
    except OSError:
        return None
    if not field:
        return int(text)
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(field + " ")), None)
