"""One job as the supervisor holds it: its process, its pipes, its spool, its lease."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from draas.agent.runtimes.process.cgroup_slots import Slot
from draas.agent.runtimes.process.protocol import Ended, Held
from draas.agent.runtimes.process.spool import SpoolWriter
from draas.wire.records import Stream

READ_BYTES = 64 * 1024  # a pipe's capacity


@dataclass(slots=True, kw_only=True)
class Job:
    """`pid` is None before the start and after the main process was reaped."""

    id: str
    started_at: float
    exclusive: bool
    spool: SpoolWriter | None
    spare_main: bool = False
    pid: int | None = None
    slot: Slot | None = None
    pipes: dict[int, Stream] = field(default_factory=dict)
    status: int | None = None  # as os.wait4 gives it
    cpu_s: float = 0.0
    max_rss_bytes: int = 0
    finished_at: float = 0.0
    until: float | None = None  # monotonic end of the lease
    killing: bool = False
    cause: str = ""  # why it was killed, where that was not asked for
    detail: str = ""
    ended: Ended | None = None
    waiters: list[Callable[[], None]] = field(default_factory=list)  # called when the spool grows or the job ends
    on_end: list[Callable[[], None]] = field(default_factory=list)

    @property
    def spool_bytes(self) -> int:
        return self.ended.spool_bytes if self.ended is not None else self.spool.spool_bytes if self.spool else 0

    def held(self) -> Held:
        """As the agent is told of it."""
        return Held(id=self.id, started_at=self.started_at, exclusive=self.exclusive, ended=self.ended)

    def read_pipe(self, fd: int) -> bool:
        """Take what is there; False at the end of the stream. Raises OSError where the spool cannot be written."""
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return True
        if not data:
            return False
        if self.spool is not None and self.cause != "disk":
            self.spool.append(self.pipes[fd], data)
        return True

    def tell_waiters(self) -> None:
        """Call, once, those who wait for news of the output."""
        waiters, self.waiters = self.waiters, []
        for call in waiters:
            call()
