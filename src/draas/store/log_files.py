"""LogFiles: every attempt's output in segment files with an index. One thread writes, one reads; docs/internals/logs.md."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from draas.model.allocation import AllocationId
from draas.model.policy import Policy
from draas.store.log_reader import Cursor, LogReader
from draas.store.log_writer import LogWriter
from draas.store.logs import Line, Query
from draas.store.sql_failures import explain
from draas.wire.link import LogChunk

T = TypeVar("T")


class LogFiles:
    """Implements draas.store.logs.LogStore in `folder`. Raises StoreFailure where the folder cannot be used."""

    def __init__(self, folder: Path, cap_bytes: int = Policy().log_cap_bytes) -> None:
        """`cap_bytes`: what an agent may send of one output, give or take; more is dropped."""
        try:
            self._writer = LogWriter(folder, cap_bytes)
            self._reader = LogReader(folder)
        except (OSError, sqlite3.Error) as error:
            raise explain(error, folder / "index.db") from error
        self._writing = ThreadPoolExecutor(1, "logs-write")
        self._reading = ThreadPoolExecutor(1, "logs-read")
        self._news: dict[AllocationId, asyncio.Future[bool]] = {}  # for followers; True: it was dropped

    async def append(self, chunks: Sequence[LogChunk]) -> Mapping[AllocationId, int]:
        """See LogStore.append."""
        ends = await self._write(lambda: self._writer.append(chunks))
        self._tell(ends)
        return ends

    async def ends(self, allocations: Sequence[AllocationId]) -> Mapping[AllocationId, int]:
        """See LogStore.ends."""
        return await self._write(lambda: self._writer.ends(allocations)) if allocations else {}

    async def closed(self, allocation: AllocationId) -> bool:
        """See LogStore.closed."""
        return await self._read(lambda: self._reader.closed(allocation))

    async def close_output(self, allocation: AllocationId) -> None:
        """See LogStore.close_output."""
        await self._write(lambda: self._writer.close_output(allocation))
        self._tell([allocation])

    async def read(self, allocation: AllocationId, query: Query, follow: bool = False) -> AsyncIterator[list[Line]]:
        """See LogStore.read."""
        cursor = Cursor.of(query)
        while True:
            news = self._next_news(allocation) if follow else None
            step = await self._read(lambda: self._reader.step(allocation, cursor, follow))
            if step.lines:
                yield step.lines
            if cursor.left == 0 or (not step.more and (step.closed or not follow)):
                return
            if not step.more and news is not None:
                await asyncio.wait({news})
                if news.result():
                    return

    async def drop(self, allocations: Sequence[AllocationId]) -> None:
        """See LogStore.drop."""
        await self._write(lambda: self._writer.drop(allocations))
        self._tell(allocations, dropped=True)

    async def expire(self, closed_before: float, limit: int) -> int:
        """Delete the output of at most `limit` attempts closed before then (Unix seconds); reading them says so afterwards."""
        return await self._write(lambda: self._writer.expire(closed_before, limit))

    async def close(self) -> None:
        """Wait for what is under way."""
        await self._write(self._writer.close)
        await self._read(self._reader.close)
        self._writing.shutdown()
        self._reading.shutdown()

    def _next_news(self, allocation: AllocationId) -> asyncio.Future[bool]:
        news = self._news.get(allocation)
        if news is None:
            news = self._news[allocation] = asyncio.get_running_loop().create_future()
        return news

    def _tell(self, allocations: Iterable[AllocationId], *, dropped: bool = False) -> None:
        for id in allocations:
            news = self._news.pop(id, None)
            if news is not None and not news.done():
                news.set_result(dropped)

    async def _write(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writing, work)

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reading, work)
