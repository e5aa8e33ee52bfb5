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


def read_live(group: str, root: Path = ROOT) -> tuple[float, int] | None:
    """(CPU seconds so far, memory in bytes now) of what runs in `group`; files that can be read again at any time do not count as memory."""
    cpu_s = read_usage(group, root).cpu_s
    for folder in folders(group, root):
        if (memory := _number(folder / "memory.usage_in_bytes")) is not None:
            cache = _number(folder / "memory.stat", "total_inactive_file")
        elif (memory := _number(folder / "memory.current")) is not None:
            cache = _number(folder / "memory.stat", "inactive_file")
        else:
            continue
        return (cpu_s, max(memory - (cache or 0), 0)) if cpu_s is not None else None
    return None


def is_frozen(group: str, root: Path = ROOT) -> bool | None:
    """Whether what is in `group` is paused; None where that cannot be seen."""
    seen = False
    for folder in folders(group, root):  # where both versions are mounted, only one of them is the engine's
        for name, frozen in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1")):
            try:
                state = (folder / name).read_text().strip()
            except OSError:
                continue
            if state == frozen:
                return True
            seen = True
    return False if seen else None


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
