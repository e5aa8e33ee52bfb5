"""LogFiles: every attempt's output in segment files with an index. One thread writes, one reads, one searches; docs/internals/logs.md."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from draas.model.allocation import AllocationId
from draas.model.policy import Policy
from draas.store.log_reader import Cursor, LogReader
from draas.store.log_tail import LogTail
from draas.store.log_writer import LogWriter
from draas.store.logs import Line, Query
from draas.store.sql_failures import explain
from draas.wire.link import UNWANTED, LogChunk

T = TypeVar("T")
DROPPED_KNOWN = (
    10_000  # an agent hears of it within seconds; after a restart the link itself knows that the job is gone
)
SEARCH_BYTES = 512 * 1024  # looked at in one turn: a segment, so that searches take turns


class LogFiles:
    """Implements draas.store.logs.LogStore in `folder`. Raises StoreFailure where the folder cannot be used."""

    def __init__(self, folder: Path, cap_bytes: int = Policy().log_cap_bytes) -> None:
        """`cap_bytes`: what an agent may send of one output, give or take; more is dropped."""
        try:
            self._writer = LogWriter(folder, cap_bytes)
            self._reader = LogReader(folder)
            self._searcher = LogReader(folder, scan_bytes=SEARCH_BYTES)
        except (OSError, sqlite3.Error) as error:
            raise explain(error, folder / "index.db") from error
        self._writing = ThreadPoolExecutor(1, "logs-write")
        self._reading = ThreadPoolExecutor(1, "logs-read")
        # RE2 needs minutes for what some expressions ask of a large output: only other searches may have to wait for that.
        self._searching = ThreadPoolExecutor(1, "logs-search")
        self._to_close: deque[AllocationId] = deque()
        self._dropped: dict[AllocationId, None] = {}  # in order; agents that still send them are told to stop
        self._tails: dict[AllocationId, set[LogTail]] = {}  # of each follower

    async def append(self, chunks: Sequence[LogChunk]) -> Mapping[AllocationId, int]:
        """See LogStore.append."""
        unwanted = {chunk.allocation: UNWANTED for chunk in chunks if chunk.allocation in self._dropped}
        wanted = [chunk for chunk in chunks if chunk.allocation not in unwanted]
        ends, new = await self._write(lambda: self._writer.append(wanted)) if wanted else ({}, [])
        for piece in new:
            for tail in self._tails.get(piece.allocation, ()):
                tail.add(piece.offset, piece.records)
        self._end_tails({chunk.allocation for chunk in wanted if chunk.last})
        return {**ends, **unwanted}

    async def ends(self, allocations: Sequence[AllocationId]) -> Mapping[AllocationId, int]:
        """See LogStore.ends."""
        return await self._write(lambda: self._writer.ends(allocations)) if allocations else {}

    async def closed(self, allocation: AllocationId) -> bool:
        """See LogStore.closed."""
        return await self._read(lambda: self._reader.closed(allocation))

    async def close_output(self, allocation: AllocationId) -> None:
        """See LogStore.close_output."""
        self._to_close.append(allocation)
        await self._write(self._close_waiting)
        self._end_tails([allocation])

    def _close_waiting(self) -> None:
        """One transaction for all that came together: a machine that is lost takes many outputs with it."""
        ids = [self._to_close.popleft() for _ in range(len(self._to_close))]
        try:
            if ids:
                self._writer.close_outputs(ids)
        except BaseException:
            self._to_close.extend(ids)  # the others that wait for it try again
            raise

    async def read(self, allocation: AllocationId, query: Query, follow: bool = False) -> AsyncIterator[list[Line]]:
        """See LogStore.read."""
        cursor = Cursor.of(query)
        # A search may take minutes: what is searched is the searcher's, and it alone counts to a limit.
        lives = query.grep is None and query.limit is None
        with self._tail(allocation, follow) as tail:
            while allocation not in self._dropped:
                if query.grep is None:
                    step = await self._read(lambda: self._reader.step(allocation, cursor, follow))
                else:
                    step = await self._search(lambda: self._searcher.step(allocation, cursor, follow))
                if step.lines:
                    yield step.lines
                if cursor.left == 0 or (not step.more and (step.closed or not follow)):
                    return
                while not step.more and (
                    new := await tail.after(cursor.offset if lives and cursor.offset is not None else -1)
                ):
                    if lines := cursor.pass_over(*new):
                        yield lines

    async def drop(self, allocations: Sequence[AllocationId]) -> None:
        """See LogStore.drop."""
        for id in allocations:
            self._dropped[id] = None
        while len(self._dropped) > DROPPED_KNOWN:
            del self._dropped[next(iter(self._dropped))]
        await self._write(lambda: self._writer.drop(allocations))
        self._end_tails(allocations)

    async def expire(self, closed_before: float, limit: int) -> int:
        """Delete the output of at most `limit` attempts closed before then (Unix seconds); reading them says so afterwards."""
        return await self._write(lambda: self._writer.expire(closed_before, limit))

    async def close(self) -> None:
        """Wait for what is under way."""
        await self._write(self._writer.close)
        await self._read(self._reader.close)
        await self._search(self._searcher.close)
        self._writing.shutdown()
        self._reading.shutdown()
        self._searching.shutdown()

    @contextmanager
    def _tail(self, allocation: AllocationId, follow: bool) -> Iterator[LogTail]:
        tail = LogTail()
        if not follow:
            yield tail
            return
        tails = self._tails.setdefault(allocation, set())
        tails.add(tail)
        try:
            yield tail
        finally:
            tails.remove(tail)
            if not tails:
                del self._tails[allocation]

    def _end_tails(self, allocations: Iterable[AllocationId]) -> None:
        """Followers of these, which were closed or dropped, look at the store."""
        for id in allocations:
            for tail in self._tails.get(id, ()):
                tail.end()

    async def _write(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writing, work)

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reading, work)

    async def _search(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._searching, work)
