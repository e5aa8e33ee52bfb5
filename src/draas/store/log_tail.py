"""What was stored last of an output, in memory: a follower that keeps up needs no look at the store. Of the event loop alone."""

import asyncio
from collections import deque

from draas.wire.records import payload_bytes, skip

TAIL_BYTES = 1024 * 1024  # a follower that is further behind reads the store: bounds memory however slow it is


class LogTail:
    """One follower's."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._only_store = False  # knows what is next
        self._changed = asyncio.Event()

    def add(self, offset: int, records: bytes) -> None:
        """These records were stored, at `offset`."""
        if self._only_store:
            return
        self._pieces.append((offset, records))
        self._bytes += len(records)
        if self._bytes > TAIL_BYTES:
            self.end()
        self._changed.set()

    def end(self) -> None:
        """What comes next must be read from the store: it may be that nothing comes any more."""
        self._only_store = True
        self._pieces.clear()
        self._bytes = 0
        self._changed.set()

    async def after(self, offset: int) -> tuple[bytes, int] | None:
        """What follows `offset`, and where that ends, as soon as it is stored; None where that must be read from the store.

        All that was added before is in the store, so that afterwards this begins anew.
        """
        while not self._only_store:
            while self._pieces:
                start, records = self._pieces.popleft()
                self._bytes -= len(records)
                end = start + payload_bytes(records)
                if start > offset:
                    self.end()
                elif end > offset:
                    return skip(records, offset - start) if offset > start else records, end
            if not self._only_store:
                self._changed.clear()
                await self._changed.wait()
        self._only_store = False
        return None
