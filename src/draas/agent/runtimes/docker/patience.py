"""Patience: an engine that restarts is waited for; one that stays away is a failure of the runtime."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from draas.agent.runtimes.docker.api import EngineAway, EngineError
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.lib import clock
from draas.model.allocation import Cause

PATIENCE_S = 30.0  # a restart of the engine takes seconds, with many containers some more
PAUSE_S = 0.25

T = TypeVar("T")


class Patience:
    """`await patience(work)` repeats `work`, which must be safe to repeat, while the engine is away."""

    def __init__(self, address: str, limit_s: float = PATIENCE_S) -> None:
        self._address = address
        self._limit_s = limit_s

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T:
        """Raises RuntimeFailure(RUNTIME) where the engine stays away or refuses what it should not."""
        deadline = clock.monotonic() + self._limit_s
        while True:
            try:
                return await work()
            except EngineAway as away:
                if clock.monotonic() >= deadline:
                    detail = f"Docker Engine does not answer: {away.detail}; is dockerd running on the node?"
                    raise RuntimeFailure(Cause.RUNTIME, detail) from away
            except EngineError as error:
                raise RuntimeFailure(Cause.RUNTIME, f"Docker Engine refused: {error.message}") from error
            await asyncio.sleep(PAUSE_S)
