"""Transport: one request at a time, with its errors told in DRaaS's own, and repeated where repeating is safe."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple

import aiohttp
import msgspec

from draas.client.errors import CannotReach, from_problem
from draas.client.settings import Settings
from draas.client.stream import Frame, Frames
from draas.client.trust import explain_failure, pinned_context, trust
from draas.lib import clock, ids
from draas.lib.backoff import full_jitter
from draas.model.errors import DraasError, NotFound, Unavailable

ANSWER_S = 130.0  # a batch of 64 MiB on a slow line
LASTED_S = 5.0  # a stream that was open for so long was a working one
SILENCE_S = 45.0  # three missed comments of an event stream: it is dead
BASE_S, CAP_S = 0.1, 2.0
_BROKEN = (aiohttp.ClientError, OSError, asyncio.TimeoutError)
Parameters = Mapping[str, str | list[str]]


class Answered(NamedTuple):
    """An answer of any status, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """`async with Transport(settings)`: `patience_s` is how long a controller that is away is waited for."""

    def __init__(self, settings: Settings, *, patience_s: float = 10.0) -> None:
        self.settings = settings
        self.patience_s = patience_s
        self.on_away: Callable[[str], None] = lambda why: None  # told at each try to resume a stream
        self._chance = random.Random(ids.seed())
        self._session: aiohttp.ClientSession | None = None
        self._context: ssl.SSLContext | None = None

    async def __aenter__(self) -> "Transport":
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Parameters | None = None,
        *,
        timeout_s: float = ANSWER_S,
        once: str | None = None,
    ) -> Any:
        """The JSON that the controller answers (None for nothing). A POST carries an Idempotency-Key: `once`, or a fresh one.

        What was cut or refused for the moment is repeated for `patience_s`. Raises DraasError.
        """
        content = await self.read(method, path, body, query, timeout_s=timeout_s, once=once)
        return msgspec.json.decode(content) if content else None

    async def read(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Parameters | None = None,
        *,
        timeout_s: float = ANSWER_S,
        once: str | None = None,
    ) -> bytes:
        """The same for an answer that is no JSON."""
        raw = msgspec.json.encode(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if raw is not None else {}
        if method == "POST":
            headers["Idempotency-Key"] = once or ids.secret("once")
        until, attempt = clock.monotonic() + self.patience_s, 0
        while True:
            try:
                return await self._once(method, path, raw, query, headers, timeout_s)
            except NotFound:
                if method == "DELETE" and attempt > 0:
                    return b""  # the try before did it, and its answer was lost
                raise
            except (CannotReach, Unavailable) as error:
                wait_s = full_jitter(attempt, base_s=BASE_S, cap_s=CAP_S, chance=self._chance.random())
                if not error.retryable or clock.monotonic() + wait_s >= until:
                    raise
            attempt += 1
            await asyncio.sleep(wait_s)

    async def ask(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str], *, timeout_s: float = ANSWER_S
    ) -> Answered:
        """One request, whatever its answer. Raises CannotReach where there is none."""
        session = await self._open()
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=10)
        try:
            async with session.request(
                method,
                self.settings.url + path,
                data=data,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                **self._tls,
            ) as response:
                return Answered(response.status, response.headers, await response.read())
        except _BROKEN as error:
            raise explain_failure(self.settings.url, error) from None

    async def stream(self, path: str, query: Parameters, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The pieces of an answer as they come. Raises DraasError, CannotReach where it is cut."""
        session = await self._open()
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=SILENCE_S)
        try:
            async with session.get(
                self.settings.url + path, params=_flat(query), headers=headers, timeout=timeout, **self._tls
            ) as response:
                await _check(response)
                async for piece in response.content.iter_any():
                    yield piece
        except _BROKEN as error:
            raise explain_failure(self.settings.url, error) from None

    async def frames(self, path: str, query: Parameters, end: str | None, last_id: str = "") -> AsyncIterator[Frame]:
        """Server-sent events, resumed after the last one seen when the connection is cut, until one of kind `end`.

        Raises DraasError; CannotReach where the controller is away for longer than `patience_s`.
        """
        give_up_at: float | None = None  # counted from the cut, however long the stream was silent before it
        attempt = 0
        while True:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
            taken, opened_at = Frames(), clock.monotonic()
            failure: CannotReach | Unavailable = CannotReach(f"{self.settings.url} keeps closing the stream: try again")
            try:
                async for piece in self.stream(path, query, headers):
                    for frame in taken.feed(piece):
                        last_id = frame.id or last_id
                        if frame.data:
                            give_up_at, attempt = None, 0
                            yield frame
                        if frame.kind == end:
                            return
            except (CannotReach, Unavailable) as error:
                if not error.retryable:
                    raise
                failure = error
            now = clock.monotonic()
            if give_up_at is None or now - opened_at > LASTED_S:
                give_up_at, attempt = now + self.patience_s, 0
            if now >= give_up_at:
                raise failure
            self.on_away(failure.detail)
            await asyncio.sleep(full_jitter(attempt, base_s=BASE_S, cap_s=CAP_S, chance=self._chance.random()))
            attempt += 1

    async def _once(
        self,
        method: str,
        path: str,
        raw: bytes | None,
        query: Parameters | None,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> bytes:
        session = await self._open()
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=10)
        try:
            async with session.request(
                method,
                self.settings.url + path,
                data=raw,
                params=_flat(query or {}),
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                **self._tls,
            ) as response:
                await _check(response)
                return await response.read()
        except _BROKEN as error:
            raise explain_failure(self.settings.url, error) from None

    @property
    def _tls(self) -> dict[str, Any]:
        return {"ssl": self._context} if self._context is not None else {}

    async def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            settings = self.settings
            if settings.ca is not None:
                self._context = pinned_context(_read_ca(settings))
            elif settings.ca_fingerprint:
                self._context = (await trust(settings.url, settings.ca_fingerprint)).context
            headers = {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
            self._session = aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=64))
        return self._session


def _read_ca(settings: Settings) -> str:
    try:
        return settings.ca.read_text() if settings.ca is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise CannotReach(f"the CA file {settings.ca} cannot be read: {error}") from None


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raises the error that an answer tells."""
    if response.status < 300:
        return
    content = await response.content.read(1024 * 1024)
    raise problem_of(response.status, content)


def problem_of(status: int, content: bytes) -> DraasError:
    """The error in an answer that is none of 2xx."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        document = None
    return from_problem(status, document)


def _flat(query: Parameters) -> list[tuple[str, str]]:
    return [(name, one) for name, value in query.items() for one in (value if isinstance(value, list) else [value])]
