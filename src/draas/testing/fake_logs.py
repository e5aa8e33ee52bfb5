"""FakeLogs: a LogStore in memory. Lines are cut when they are read, so it holds what was appended and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial

from draas.model.allocation import AllocationId
from draas.store.log_lines import Filter, LineCutter
from draas.store.logs import Line, Query
from draas.wire.link import UNWANTED, LogChunk
from draas.wire.records import Stream, pack, payload_bytes, skip


class FakeLogs:
    """Implements draas.store.logs.LogStore."""

    def __init__(self) -> None:
        self._records: dict[AllocationId, bytes] = {}
        self._closed: set[AllocationId] = set()
        self._dropped: set[AllocationId] = set()
        self._changed = asyncio.Condition()

    async def write(
        self, allocation: AllocationId, data: bytes, stream: Stream = Stream.STDOUT, at: float = 0.0
    ) -> None:
        """Test verb: the attempt wrote `data`."""
        offset = payload_bytes(self._records.get(allocation, b""))
        records = pack(stream, int(at * 1000), data)
        await self.append([LogChunk(allocation=allocation, offset=offset, records=records)])

    async def append(self, chunks: Sequence[LogChunk]) -> Mapping[AllocationId, int]:
        for chunk in chunks:
            held = self._records.get(chunk.allocation, b"")
            end = payload_bytes(held)
            if chunk.offset <= end and chunk.allocation not in self._dropped:
                try:
                    self._records[chunk.allocation] = held + skip(chunk.records, end - chunk.offset)
                except ValueError:
                    continue
                if chunk.last:
                    self._closed.add(chunk.allocation)
        await self._tell()
        ends = await self.ends([chunk.allocation for chunk in chunks])
        return {id: UNWANTED if id in self._dropped else end for id, end in ends.items()}

    async def ends(self, allocations: Sequence[AllocationId]) -> Mapping[AllocationId, int]:
        return {id: payload_bytes(self._records.get(id, b"")) for id in allocations}

    async def closed(self, allocation: AllocationId) -> bool:
        return allocation in self._closed

    async def close_output(self, allocation: AllocationId) -> None:
        self._closed.add(allocation)
        await self._tell()

    async def read(self, allocation: AllocationId, query: Query, follow: bool = False) -> AsyncIterator[list[Line]]:
        wanted, left = Filter(query), query.limit
        after, tail = query.after_line, query.tail
        while allocation not in self._dropped:
            closed, held = allocation in self._closed, self._records.get(allocation, b"")
            cutter = LineCutter()
            lines = [*cutter.feed(held), *(cutter.finish() if closed or not follow else ())]
            matching = wanted.select([line for line in lines if line.number > after])
            if tail is not None:
                matching, tail = matching[len(matching) - tail if tail < len(matching) else 0 :], None
            if left is not None:
                matching = matching[:left]
                left -= len(matching)
            if matching:
                yield matching
            after = max(after, lines[-1].number if lines else 0)
            if closed or not follow or left == 0:
                return
            async with self._changed:
                await self._changed.wait_for(partial(self._is_news, allocation, held))

    def _is_news(self, allocation: AllocationId, held: bytes) -> bool:
        return allocation in self._closed or self._records.get(allocation, b"") != held or allocation in self._dropped

    async def drop(self, allocations: Sequence[AllocationId]) -> None:
        for id in allocations:
            self._records.pop(id, None)
            self._closed.discard(id)
            self._dropped.add(id)
        await self._tell()

    async def close(self) -> None:
        """As a controller's end: at its next start nobody knows any more what was dropped."""
        self._dropped.clear()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
