"""FakeLogs: a LogStore in memory. Lines are cut when they are read, so it holds what was appended and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from draas.model.allocation import AllocationId
from draas.store.grep import compile_grep
from draas.store.logs import Line, Query
from draas.wire.link import LogChunk
from draas.wire.records import Stream, pack, payload_bytes, skip, unpack


class FakeLogs:
    """Implements draas.store.logs.LogStore. Lines of the streams are numbered in the order of their first bytes."""

    def __init__(self) -> None:
        self._records: dict[AllocationId, bytes] = {}
        self._closed: set[AllocationId] = set()
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
            if chunk.offset <= end:
                self._records[chunk.allocation] = held + skip(chunk.records, end - chunk.offset)
                if chunk.last:
                    self._closed.add(chunk.allocation)
        await self._tell()
        return await self.ends([chunk.allocation for chunk in chunks])

    async def ends(self, allocations: Sequence[AllocationId]) -> Mapping[AllocationId, int]:
        return {id: payload_bytes(self._records.get(id, b"")) for id in allocations}

    async def closed(self, allocation: AllocationId) -> bool:
        return allocation in self._closed

    async def close_output(self, allocation: AllocationId) -> None:
        self._closed.add(allocation)
        await self._tell()

    async def read(self, allocation: AllocationId, query: Query, follow: bool = False) -> AsyncIterator[list[Line]]:
        after, first = query.after_line, True
        while True:
            closed, held = allocation in self._closed, self._records.get(allocation, b"")
            lines = [line for line in _lines(held, final=closed or not follow) if line.number > after]
            matching = [line for line in lines if _matches(line, query)]
            if first and query.tail is not None:
                matching = matching[-query.tail :] if query.tail else []
            first = False
            if matching:
                yield matching[: query.limit]
            after = max([after, *(line.number for line in lines)])
            if closed or not follow:
                return
            async with self._changed:
                while allocation not in self._closed and self._records.get(allocation, b"") == held:
                    await self._changed.wait()

    async def drop(self, allocations: Sequence[AllocationId]) -> None:
        for id in allocations:
            self._records.pop(id, None)

    async def close(self) -> None:
        return None

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _lines(records: bytes, *, final: bool) -> list[Line]:
    """Whole lines, and with `final` each stream's unfinished last one, numbered by when they became whole."""
    lines: list[Line] = []
    rest: dict[int, tuple[int, bytes]] = {}
    for record in unpack(records):
        at_ms, before = rest.pop(record.stream, (record.at_ms, b""))
        *whole, last = (before + record.data).split(b"\n")
        for data in whole:
            lines.append(Line(len(lines) + 1, at_ms, Stream(record.stream), data))
            at_ms = record.at_ms
        if last:
            rest[record.stream] = (at_ms, last)
    if final:
        for stream, (at_ms, data) in rest.items():
            lines.append(Line(len(lines) + 1, at_ms, Stream(stream), data, partial=True))
    return lines


def _matches(line: Line, query: Query) -> bool:
    return (
        query.stream in (None, line.stream)
        and (query.since is None or line.at_ms >= query.since * 1000)
        and (query.until is None or line.at_ms < query.until * 1000)
        and (query.grep is None or compile_grep(query.grep)(line.data))
    )
