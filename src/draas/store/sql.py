"""SqlStore: the Store in an SQLite file. One thread commits, another one reads; the event loop waits for neither."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from draas.lib import clock
from draas.lib.folder_lock import FolderHeld, FolderLock
from draas.model.job import Job, JobId
from draas.model.sample import Point
from draas.store.sql_failures import explain
from draas.store.sql_reader import SqlReader
from draas.store.sql_writer import SqlWriter
from draas.store.store import (
    ANSWERS_KEPT_S,
    EVENTS_KEPT_S,
    Answer,
    JobFilter,
    NumberedEvent,
    Page,
    Snapshot,
    StoredSample,
    StoreFailure,
    Write,
)

P = ParamSpec("P")
T = TypeVar("T")


class SqlStore:
    """Implements draas.store.store.Store. `data_dir`/lock keeps others away, `data_dir`/draas.db is for its owner's eyes only.

    `now` gives Unix seconds, by which old answers, tokens and events are forgotten.
    """

    def __init__(
        self, data_dir: Path, now: Callable[[], float] = clock.now, events_kept_s: float = EVENTS_KEPT_S
    ) -> None:
        self._path = data_dir / "draas.db"
        self._now = now
        self._lock: FolderLock | None = None
        self._writer = SqlWriter(self._path, now, events_kept_s)
        self._reader = SqlReader(self._path)
        self._threads: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None  # the writer's and the reader's

    async def open(self) -> Snapshot:
        """See Store.open. What failed can be tried again."""
        self._threads = ThreadPoolExecutor(1, "store-write"), ThreadPoolExecutor(1, "store-read")
        try:
            snapshot = await self._write(self._open)
            await self._read(self._reader.open)
        except BaseException:
            await self.close()
            raise
        return snapshot

    def _open(self) -> Snapshot:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = FolderLock(self._path.parent)
        except FolderHeld as held:
            raise StoreFailure(
                f"another controller (process {held.holder}) uses {self._path.parent}: "
                "stop it, or choose another --data-dir"
            ) from None
        except OSError as error:
            raise explain(error, self._path) from error
        return self._writer.open()

    async def commit(self, write: Write) -> int:
        """See Store.commit."""
        return await self._write(self._writer.commit, write)

    async def job(self, id: JobId) -> Job | None:
        """See Store.job."""
        return (await self.jobs([id])).get(id)

    async def jobs(self, ids: Sequence[JobId]) -> dict[JobId, Job]:
        """See Store.jobs."""
        return await self._read(self._reader.jobs, ids)

    async def list_jobs(self, match: JobFilter, below: int | None, limit: int) -> Page:
        """See Store.list_jobs."""
        return await self._read(self._reader.list_jobs, match, below, limit)

    async def events(self, after: int, limit: int, project: str | None = None) -> list[NumberedEvent]:
        """See Store.events."""
        return await self._read(self._reader.events, after, limit, project)

    async def answer(self, key: str) -> Answer | None:
        """See Store.answer."""
        return await self._read(self._reader.answer, key, self._now() - ANSWERS_KEPT_S)

    async def expired_jobs(self, finished_before: float, limit: int) -> list[JobId]:
        """See Store.expired_jobs."""
        return await self._read(self._reader.expired_jobs, finished_before, limit)

    async def keep_samples(self, samples: Sequence[StoredSample], kept_from: Mapping[int, float]) -> None:
        """See Store.keep_samples."""
        await self._write(self._writer.keep_samples, samples, kept_from)

    async def forget_samples(self, series: str, since: Mapping[int, float]) -> None:
        """See Store.forget_samples."""
        await self._write(self._writer.forget_samples, series, since)

    async def samples(self, series: str, step_s: int, since: float, until: float) -> list[Point]:
        """See Store.samples."""
        return await self._read(self._reader.samples, series, step_s, since, until)

    async def all_samples(self, step_s: int, since: float, until: float) -> list[StoredSample]:
        """See Store.all_samples."""
        return await self._read(self._reader.all_samples, step_s, since, until)

    async def last_sample_at(self, step_s: int) -> int | None:
        """See Store.last_sample_at."""
        return await self._read(self._reader.last_sample_at, step_s)

    async def close(self) -> None:
        """Let what is under way end, and release file and folder. Closing twice is fine."""
        if self._threads is None:
            return
        await self._read(self._reader.close)
        await self._write(self._close_writer)
        for thread in self._threads:
            thread.shutdown(wait=False)
        self._threads = None

    def _close_writer(self) -> None:
        try:
            self._writer.close()
        finally:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    async def _write(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._in_thread(0, partial(work, *args, **kwargs))

    async def _read(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._in_thread(1, partial(work, *args, **kwargs))

    async def _in_thread(self, number: int, work: Callable[[], T]) -> T:
        if self._threads is None:
            raise StoreFailure(f"the database {self._path} is closed: open it first")
        return await asyncio.get_running_loop().run_in_executor(self._threads[number], work)
