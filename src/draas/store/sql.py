"""SqlStore: durable state in SQLite. One thread writes, another reads, so that no list delays a commit."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from draas.lib import clock
from draas.model.job import Job, JobId
from draas.store.folder_lock import FolderLock
from draas.store.sql_failures import explain
from draas.store.sql_reader import SqlReader
from draas.store.sql_writer import SqlWriter
from draas.store.sqlite import EXPECTED
from draas.store.store import Answer, JobFilter, NumberedEvent, Page, Snapshot, Write

FILE = "draas.db"
T = TypeVar("T")


class SqlStore:
    """Implements draas.store.store.Store in `folder`, which it holds alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writing = ThreadPoolExecutor(1, "store-write")
        self._reading = ThreadPoolExecutor(1, "store-read")
        self._writer = SqlWriter(folder / FILE, clock.now)
        self._reader: SqlReader | None = None
        self._lock: FolderLock | None = None

    async def open(self) -> Snapshot:
        """See Store.open. Raises StoreFailure also where another controller uses the folder."""
        snapshot = await _run(self._writing, self._open)
        self._reader = await _run(self._reading, lambda: SqlReader(self._folder / FILE))
        return snapshot

    def _open(self) -> Snapshot:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = FolderLock(self._folder)
        except OSError as error:
            raise explain(error, self._folder / FILE) from error
        try:
            return self._writer.open()
        except BaseException as error:
            self._release()
            if isinstance(error, EXPECTED):
                raise explain(error, self._folder / FILE) from error
            raise

    async def commit(self, write: Write) -> int:
        """See Store.commit."""
        return await _run(self._writing, lambda: self._writer.commit(write))

    async def job(self, id: JobId) -> Job | None:
        return (await self.jobs([id])).get(id)

    async def jobs(self, ids: Sequence[JobId]) -> dict[JobId, Job]:
        """See Store.jobs."""
        return await self._read(lambda reader: reader.jobs(ids)) if ids else {}

    async def list_jobs(self, match: JobFilter, below: int | None, limit: int) -> Page:
        """See Store.list_jobs."""
        return await self._read(lambda reader: reader.list_jobs(match, below, limit))

    async def events(self, after: int, limit: int, project: str | None = None) -> list[NumberedEvent]:
        """See Store.events."""
        return await self._read(lambda reader: reader.events(after, limit, project))

    async def answer(self, key: str) -> Answer | None:
        """See Store.answer."""
        return await self._read(lambda reader: reader.answer(key))

    async def expired_jobs(self, finished_before: float, limit: int) -> list[JobId]:
        """See Store.expired_jobs."""
        return await self._read(lambda reader: reader.expired_jobs(finished_before, limit))

    async def close(self) -> None:
        """Wait for what is under way, and let go of the folder."""
        if self._reader is not None:
            await _run(self._reading, self._reader.close)
            self._reader = None
            await _run(self._writing, self._writer.close)
        self._release()
        self._writing.shutdown()
        self._reading.shutdown()

    async def _read(self, ask: Callable[[SqlReader], T]) -> T:
        reader = self._reader
        assert reader is not None, "the store is not open"
        return await _run(self._reading, lambda: ask(reader))

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


async def _run(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """`work` in `thread`. A caller that is cancelled does not undo what has begun."""
    return await asyncio.get_running_loop().run_in_executor(thread, work)
