"""Waiting for a state, never for a time: and on time-out the last state seen is in the message."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from draas.lib import clock

T = TypeVar("T")
LOOK_EVERY_S = 0.05
PATIENCE_S = 60.0  # a state that comes at all comes within it, also where the machine has other work


def wait_for(look: Callable[[], T], accept: Callable[[T], object], what: str, timeout_s: float = PATIENCE_S) -> T:
    """What `look` gives as soon as `accept` takes it. Raises TimeoutError with what was seen last."""
    deadline = clock.monotonic() + timeout_s
    while not accept(seen := look()):
        if clock.monotonic() >= deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s; last seen: {seen}")
        clock.pause(LOOK_EVERY_S)
    return seen


async def until(
    look: Callable[[], T | Awaitable[T]], accept: Callable[[T], object], what: str, timeout_s: float = PATIENCE_S
) -> T:
    """wait_for for coroutines: `look` may be one itself."""
    deadline = clock.monotonic() + timeout_s
    while True:
        found = look()
        seen: T = await found if inspect.isawaitable(found) else found
        if accept(seen):
            return seen
        if clock.monotonic() >= deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s; last seen: {seen}")
        await asyncio.sleep(LOOK_EVERY_S)


class BackgroundLoop:
    """An event loop in a thread of its own, so that a test without one can use what is async."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="background loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = 120.0) -> T:
        """Run `work` to its end. Raises what it raises, and TimeoutError."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
