"""Upstream: requests to the controller's registry as this node, over the connection settings of its link."""

import asyncio
import random
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from ssl import SSLContext

import aiohttp
from yarl import URL

from draas.client.trust import explain_failure
from draas.lib import clock
from draas.lib.backoff import full_jitter

PATIENCE_S = 10.0  # a controller that restarts is back by then
CONNECT_S = 10.0
SILENCE_S = 300.0  # the last request of a large upload that was cut is answered once all of it was hashed again
BUFFER_BYTES = 1024 * 1024  # read ahead of the slower side; aiohttp holds back beyond twice that
CONNECTIONS = 64
_BASE_S, _CAP_S = 0.1, 1.0
_UNSENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_FAILED = (aiohttp.ClientError, OSError, asyncio.TimeoutError)
_REPEATABLE = frozenset({"GET", "HEAD"})
Body = Callable[[], AsyncIterable[bytes]]


class Away(Exception):
    """The controller does not answer; the message is one sentence with what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Where it is, and who this node is there."""

    url: str
    key: str
    tls: SSLContext | None


class Upstream:
    """One session, made with the first request."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | None = None,
        patience_s: float = PATIENCE_S,
    ) -> aiohttp.ClientResponse:
        """The answer once its head is here; close it. What can be repeated is, for `patience_s`. Raises Away."""
        until, attempt = clock.monotonic() + patience_s, 0
        while True:
            try:
                return await self._once(method, target, headers, body)
            except _FAILED as error:
                wait_s = full_jitter(attempt, base_s=_BASE_S, cap_s=_CAP_S, chance=random.random())
                repeatable = isinstance(error, _UNSENT) or (method in _REPEATABLE and body is None)
                if not repeatable or clock.monotonic() + wait_s >= until:
                    raise Away(f"the controller does not answer: {why(self._controller.url, error)}") from error
            attempt += 1
            await asyncio.sleep(wait_s)

    async def _once(
        self, method: str, target: str, headers: Mapping[str, str], body: Body | None
    ) -> aiohttp.ClientResponse:
        controller = self._controller
        own = {"Authorization": f"Bearer {controller.key}", "Accept-Encoding": "identity"}
        return await self._opened().request(
            method,
            URL(controller.url.rstrip("/") + target, encoded=True),
            headers={**headers, **own},
            data=body() if body is not None else None,
            ssl=controller.tls if controller.tls is not None else True,
            allow_redirects=False,
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=SILENCE_S),
                read_bufsize=BUFFER_BYTES,
                auto_decompress=False,
                skip_auto_headers=("Content-Type", "User-Agent", "Accept"),
            )
        return self._session

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def why(url: str, error: Exception) -> str:
    """In words."""
    return explain_failure(url, error).detail
