"""Which processes belong to a job where no cgroup says so: read from /proc."""

import os
from collections.abc import Iterator

MARKER = b"DRAAS_ALLOCATION="  # in the environment of every job's processes


def children(pid: int) -> list[int]:
    """The living children of a single-threaded process; empty where it is gone or the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """Children, their children and so on, parents first."""
    found: list[int] = []
    front = children(pid)
    while front:
        found += front
        front = [child for parent in front for child in children(parent)]
    return found


def marked(pid: int) -> str | None:
    """The allocation that the environment of `pid` names, if any."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return None
    return next((os.fsdecode(word[len(MARKER) :]) for word in words if word.startswith(MARKER)), None)


def session(pid: int) -> int:
    """The session of `pid`, which is its leader's number; 0 where it is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def all_pids() -> Iterator[int]:
    """Every process of the machine."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit())
