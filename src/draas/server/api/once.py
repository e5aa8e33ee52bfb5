"""Once: idempotency for answers that hold a secret.

Other answers are stored with the command that they answer. These are not, since a secret is stored nowhere: they are kept
in memory for as long as a cut connection is retried, and no longer.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from draas.lib import clock
from draas.model.errors import Conflict
from draas.server.services.controller import Idempotency, Reply

KEPT_S = 600.0
MAX_KEPT = 1_000  # the oldest are forgotten first


class Once:
    """One at a time, which also keeps a join token from being used twice at once."""

    def __init__(self, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._kept: OrderedDict[str, tuple[float, str, Reply]] = OrderedDict()

    async def answer(self, idempotency: Idempotency | None, make: Callable[[], Awaitable[Reply]]) -> Reply:
        """What `make` returns, or returned for the same key before. Raises Conflict where the digest differs."""
        async with self._lock:
            now = self._monotonic()
            while self._kept and next(iter(self._kept.values()))[0] < now - KEPT_S:
                self._kept.popitem(last=False)
            if idempotency is not None and (before := self._kept.get(idempotency.key)) is not None:
                if before[1] != idempotency.digest:
                    raise Conflict("this Idempotency-Key was used for another request: use a fresh one")
                return before[2]
            reply = await make()
            if idempotency is not None:
                self._kept[idempotency.key] = (now, idempotency.digest, reply)
                if len(self._kept) > MAX_KEPT:
                    self._kept.popitem(last=False)
            return reply
