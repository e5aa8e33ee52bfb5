"""Supervised tasks: one that dies of an unexpected error takes its owner down, never silently."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

from draas.lib import log


class Tasks:
    """The background tasks of one owner: `async with Tasks("agent") as tasks: tasks.spawn(...)`.

    Leaving the block cancels what still runs. A task that ends with an error sets `failed`, which the owner waits on.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._tasks: set[asyncio.Task[Any]] = set()
        self.failed: asyncio.Future[BaseException] | None = None

    async def __aenter__(self) -> "Tasks":
        self.failed = asyncio.get_running_loop().create_future()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cancel()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start `coroutine` under supervision."""
        task = asyncio.get_running_loop().create_task(coroutine, name=f"{self._owner}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("task died", task=task.get_name(), cause=error)
        if self.failed is not None and not self.failed.done():
            self.failed.set_result(error)

    async def cancel(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
