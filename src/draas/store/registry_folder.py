"""RegistryFolder: the threads that work in the registry's folder, what fails there in words, and freshness, which is files' times."""

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from draas.lib.durable import make_folder
from draas.model.image_name import Repository
from draas.store.blob_failures import told_failures
from draas.store.repository_files import ENTRIES_AT_ONCE, entries_in, repositories_in, touch_file

T = TypeVar("T")
Entry = tuple[str, os.stat_result]
THREADS = 8  # hashing and the disk both work outside the interpreter's lock
SCRATCH = "incoming"


class RegistryFolder:
    """`path` is made where it is not there. Raises StoreFailure where it cannot be used; so does all of it but what threads call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scratch = path / SCRATCH
        with told_failures(path):
            shutil.rmtree(self.scratch, ignore_errors=True)  # of writes that a crash cut off
            make_folder(self.scratch)
        self._threads = ThreadPoolExecutor(THREADS, "blobs")
        self._lock = threading.Lock()  # between seeing how fresh something is and removing it

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, done by a thread."""

        def told() -> T:
            with told_failures(self.path):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._threads, told)

    async def in_repositories(self, kind: str) -> AsyncIterator[tuple[Repository, list[Entry]]]:
        """What each repository has in its folder `kind`, some of it at a time."""
        for repository in await self.run(lambda: repositories_in(self.path)):
            async for entries in self.entries(self.path / "repositories" / repository / kind):
                yield repository, entries

    async def entries(self, folder: Path) -> AsyncIterator[list[Entry]]:
        """What is in `folder`, some of it at a time."""
        entries = entries_in(folder)
        while some := await self.run(partial(_next, entries)):
            yield some

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    # --- in threads ---

    def touch(self, path: Path) -> bool:
        """See touch_file."""
        with self._lock:
            return touch_file(path)

    def make(self, path: Path) -> None:
        """Make an empty file, or make it fresh. Raises OSError."""
        with self._lock:
            path.touch(0o600)

    def drop(self, path: Path, fresh_at: float) -> bool:
        """Remove `path` unless it is fresher; not durably: what a power cut brings back is found again. Raises OSError."""
        with self._lock:
            found = stat_of(path)
            if found is None or found.st_mtime > fresh_at:
                return False
            path.unlink()
        return True


def stat_of(path: Path) -> os.stat_result | None:
    """None where there is none. Raises OSError."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def size_of(path: Path) -> int | None:
    """Bytes; None where there is none. Raises OSError."""
    found = stat_of(path)
    return found.st_size if found is not None else None


def _next(entries: Iterator[Entry]) -> list[Entry]:
    return list(islice(entries, ENTRIES_AT_ONCE))
