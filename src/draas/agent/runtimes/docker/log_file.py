"""The file that a local engine writes a container's output to, read while it grows: half of what following costs is the engine's own reading.

Nothing in the path comes from a user: the folder is the engine's answer, the id 64 hexadecimal digits, and no link below the folder is followed.
"""

import asyncio
import math
import os
import re
import stat
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from draas.agent.runtimes.docker.log_entries import LogEntries
from draas.agent.runtimes.docker.log_items import LogItems
from draas.lib import clock
from draas.lib.tasks import Tasks

READ_BYTES = 256 * 1024
FLOW_S = 0.01  # while lines come: long enough that thousands are read at once, a tenth of what a person notices
SWEEP_S = 0.05
BUSY_S = 0.25  # after a line more are likely: sweeps come as often as reads do
# A sweep over very many files comes later, so that all take no more than 1/200 of a core: a look at one costs 0.7 us. The time that a sweep took must
# not say when the next comes: on a busy machine it is mostly waiting for a core, and 10 ms of that would be 2 s in which no line is seen.
SWEEP_FILE_S = 0.00015
_ID = re.compile(r"[0-9a-f]{64}")


def open_log(root: str, id: str) -> int | None:
    """The file descriptor of container `id`'s log under the engine's folder `root`; None where it cannot be read from here."""
    if _ID.fullmatch(id) is None or not root.startswith("/"):
        return None
    folder_flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    with ExitStack() as opened:
        try:
            folder = os.open(root, folder_flags)
            opened.callback(os.close, folder)
            for part in ("containers", id, "local-logs"):
                folder = os.open(part, folder_flags | os.O_NOFOLLOW, dir_fd=folder)
                opened.callback(os.close, folder)
            file = os.open("container.log", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            return None
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    return None


def _size(file: int) -> int:
    return os.lseek(file, 0, os.SEEK_END)


def sweep_pause_s(quiet_s: float, files: int) -> float:
    """How long after a sweep over `files` the next comes, where none of them has grown for `quiet_s`."""
    return max(FLOW_S if quiet_s < BUSY_S else SWEEP_S, SWEEP_FILE_S * files)


@dataclass(eq=False, slots=True)
class _Waiter:
    file: int
    size: int
    changed: asyncio.Event
    until: float
    due: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Growth:
    """Wakes whoever waits for a file to grow: one sweep looks at all of them, so that many quiet containers cost little."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._waiting: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None

    async def beyond(self, file: int, size: int, changed: asyncio.Event, until: float) -> None:
        """Until `file` has other than `size` bytes, or `changed` is set, or it is `until` (monotonic seconds)."""
        waiter = _Waiter(file, size, changed, until)
        self._waiting.add(waiter)
        if self._task is None or self._task.done():
            self._task = self._tasks.spawn(self._sweep(), "log files grow")
        try:
            await waiter.due
        finally:
            self._waiting.discard(waiter)

    async def _sweep(self) -> None:
        moved_at = -math.inf
        while self._waiting:
            now = clock.monotonic()
            for one in self._waiting:
                if _size(one.file) != one.size:
                    moved_at = now
                elif not one.changed.is_set() and now < one.until:
                    continue
                if not one.due.done():
                    one.due.set_result(None)
            await asyncio.sleep(sweep_pause_s(now - moved_at, len(self._waiting)))


@dataclass(slots=True)
class LogFile:
    """One open log, and how far it has been read."""

    file: int
    items: LogItems
    growth: Growth
    _entries: LogEntries = field(init=False)
    _at: int = 0

    def __post_init__(self) -> None:
        self._entries = LogEntries(self.items)

    async def follow(self, changed: asyncio.Event, until: float) -> AsyncIterator[bytes]:
        """Items as they are written, up to the cap, or until there is nothing new and `changed` is set or it is `until`."""
        while not self.items.cut:
            if data := os.pread(self.file, READ_BYTES, self._at):
                self._at += len(data)
                for item in self._entries.feed(data):
                    yield item
                await asyncio.sleep(FLOW_S if len(data) < READ_BYTES else 0)
            elif _size(self.file) < self._at:
                # A replica's engine begins its file anew when it is full.
                self._at, self._entries = 0, LogEntries(self.items)
            elif changed.is_set() or clock.monotonic() >= until:
                return
            else:
                await self.growth.beyond(self.file, self._at, changed, until)

    def rest(self) -> list[bytes]:
        """What a torn entry leaves at the end of a log that nobody writes to any more."""
        return self._entries.finish()
