"""Room on the disks while a build runs: it may take so much, and never the last of it."""

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from draas.agent.runtimes.build.failure import BuildFailed
from draas.agent.runtimes.build.stopping import Stopping
from draas.model.allocation import Cause
from draas.model.resources import MIB

LEAST_FREE = 0.05  # of a disk; below it programs that have nothing to do with builds begin to fail
LOOK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A file system as it is now."""

    path: str
    device: int
    free_bytes: int
    total_bytes: int


def look(path: str) -> Disk:
    """The disk that `path` is on. Raises OSError."""
    found = os.statvfs(path)
    return Disk(
        path=path,
        device=os.stat(path).st_dev,
        free_bytes=found.f_bavail * found.f_frsize,
        total_bytes=found.f_blocks * found.f_frsize,
    )


def check_room(before: Iterable[Disk], now: Iterable[Disk], limit_bytes: int) -> BuildFailed | None:
    """Why the build must end; what others write meanwhile counts as its own, for nobody can tell it apart. Pure."""
    taken = sum(max(0, old.free_bytes - new.free_bytes) for old, new in zip(before, now, strict=True))
    for disk in now:
        if disk.free_bytes < LEAST_FREE * disk.total_bytes:
            share = 100 * disk.free_bytes / max(disk.total_bytes, 1)
            return BuildFailed(
                Cause.DISK,
                f"only {disk.free_bytes / MIB:.0f} MB ({share:.1f} %) are free on this node at {disk.path}, "
                f"and builds leave {100 * LEAST_FREE:.0f} %: remove images or files there",
            )
    if taken > limit_bytes:
        return BuildFailed(
            Cause.DISK,
            f"the build took {taken / MIB:.0f} MB of disk and may take {limit_bytes / MIB:.0f}: "
            "leave out what is not needed, or allow more (disk_mb)",
        )
    return None


class RoomWatch:
    """Looks each second, in a thread of its own, until `close`."""

    def __init__(self, paths: Iterable[str], limit_bytes: int, stopping: Stopping) -> None:
        disks = {disk.device: disk for disk in map(look, paths)}
        self._before = list(disks.values())
        self._limit_bytes = limit_bytes
        self._stopping = stopping
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="room", daemon=True)

    def start(self) -> None:
        """Raises BuildFailed where there is too little to begin with."""
        if (failure := self._failure()) is not None:
            raise failure
        self._thread.start()

    def _failure(self) -> BuildFailed | None:
        return check_room(self._before, [look(disk.path) for disk in self._before], self._limit_bytes)

    def _run(self) -> None:
        while not self._over.wait(LOOK_S):
            if (failure := self._failure()) is not None:
                self._stopping.stop(failure)
                return

    def close(self) -> None:
        self._over.set()
