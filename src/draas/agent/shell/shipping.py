"""Shipping output: from the runtime to the controller, by offset, without loss or duplicate."""

import asyncio
from collections.abc import Callable

from draas.agent.runtimes.runtime import Runtime
from draas.model.allocation import AllocationId
from draas.wire.link import UNWANTED, LogChunk
from draas.wire.records import payload_bytes

# Sent and not yet durable, per attempt: bounds memory on both sides of the link, and what the lines of another attempt wait behind.
WINDOW_BYTES = 1024 * 1024


class Shipment:
    """One attempt's output on its way. `run` returns when all of it is durable, or nobody wants it."""

    def __init__(self, id: AllocationId, runtime: Runtime, send: Callable[[LogChunk], None]) -> None:
        self._id = id
        self._runtime = runtime
        self._send = send
        self._safe = 0  # durable at the controller
        self._sent = 0
        self._acked = asyncio.Event()
        self._rewind = False
        self._linked = asyncio.Event()
        self._unwanted = False

    @property
    def safe(self) -> int:
        """How much of it is durable."""
        return self._safe

    @property
    def waiting(self) -> int:
        """How much of it has been sent and is not durable yet."""
        return max(self._sent - self._safe, 0)

    def on_link(self, safe: int | None) -> None:
        """The link is up (again); the controller has the first `safe` bytes, if it said so. What was in flight is sent anew."""
        self._safe = max(self._safe, safe or 0)
        self._rewind = True
        self._linked.set()
        self._acked.set()

    def on_unlink(self) -> None:
        """The link is gone: nothing is sent until it is back."""
        self._linked.clear()

    def on_ack(self, end: int) -> None:
        """The controller says how much of it is durable."""
        if end == UNWANTED:
            self._unwanted = True
        elif end < self._safe or end > self._safe:
            self._rewind = self._rewind or end < self._safe
            self._safe = end
        self._acked.set()

    async def run(self) -> None:
        """Ship all of it, from where the controller is, as often as it takes."""
        while not self._unwanted:
            await self._linked.wait()
            self._rewind = False
            end = await self._ship_from(self._safe)
            if end is not None and await self._confirm(end):
                return

    async def _ship_from(self, offset: int) -> int | None:
        """Send what follows `offset`; the offset at the end, or None where it must begin anew."""
        async for records in self._runtime.output(self._id, offset):
            while offset - self._safe >= WINDOW_BYTES and not self._rewind and not self._unwanted:
                self._acked.clear()
                await self._acked.wait()
            if self._rewind or self._unwanted or not self._linked.is_set():
                return None
            self._send(LogChunk(allocation=self._id, offset=offset, records=records))
            offset += payload_bytes(records)
            self._sent = offset
        return None if self._rewind or not self._linked.is_set() else offset

    async def _confirm(self, end: int) -> bool:
        """Say that this was all, and wait until it is durable. False where it must begin anew."""
        self._acked.clear()
        self._send(LogChunk(allocation=self._id, offset=end, records=b"", last=True))
        while True:
            await self._acked.wait()
            self._acked.clear()
            if self._rewind:
                return False
            if self._unwanted or self._safe >= end:
                return True
