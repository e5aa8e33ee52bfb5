"""Proxy: the distribution API on loopback for this machine's engine; each request goes on to the controller, bytes as they come."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress

import aiohttp
from aiohttp import web

from draas.agent.images.passing import answered_headers, asked_headers, opens, status_of_target
from draas.agent.images.upstream import BUFFER_BYTES, Away, Upstream
from draas.lib import log
from draas.model.login import Login

CLOSE_S = 1.0
TURN_S = 60.0
REST_S = 5.0  # for the rest of a body that was answered early
_KEY_REFUSED = "the controller does not accept this node's key: has the node been removed? join again with a new token"
_BODYLESS = frozenset({"GET", "HEAD"})


class Proxy:
    """Whoever knows `login` asks the controller through it, as this node. Implements an aiohttp request handler.

    Whoever comes with `builds_login` sends layers in turns, so many at once as leave a core: the engine packs a layer as fast as it is taken,
    on a core of its own, outside of all limits.
    """

    def __init__(self, upstream: Upstream, login: Login, builds_login: Login) -> None:
        self._upstream = upstream
        self._login = login
        self._builds_login = builds_login
        self._turns = asyncio.Semaphore(max(1, len(os.sched_getaffinity(0)) - 1))

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        by_build = opens(request.headers.get("Authorization"), self._builds_login)
        if not by_build and not opens(request.headers.get("Authorization"), self._login):
            told = "this registry is for this machine's Docker Engine, which the agent gives the password"
            return _refused(401, "UNAUTHORIZED", told, {"WWW-Authenticate": 'Basic realm="DRaaS"'})
        if (status := status_of_target(request.method, request.raw_path)) != 200:
            return _refused(status, "UNSUPPORTED", "the registry does not serve this")
        has_body = request.method not in _BODYLESS and request.can_read_body
        try:
            async with self._turn() if by_build and request.method == "PATCH" else nullcontext():
                answer = await self._upstream.ask(
                    request.method,
                    request.raw_path,
                    asked_headers(request.headers),
                    (lambda: _pieces(request)) if has_body else None,
                )
        except Away as away:
            return _refused(503, "UNAVAILABLE", str(away), {"Retry-After": "1"})
        async with answer:
            if answer.status == 401:
                return _refused(403, "DENIED", _KEY_REFUSED)
            return await _pass_back(request, answer)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Within the block it is this upload's turn; after TURN_S at the latest, as the one before may be stuck."""
        mine = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(TURN_S):
                    mine = await self._turns.acquire()
            yield
        finally:
            if mine:
                self._turns.release()


async def _pieces(request: web.BaseRequest) -> AsyncIterator[bytes]:
    async for piece in request.content.iter_any():
        yield piece


async def _pass_back(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answered_headers(answer.headers))
    try:
        await response.prepare(request)
        if request.method != "HEAD":
            async for piece in answer.content.iter_any():
                await response.write(piece)
        await response.write_eof()
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        log.info("an image's transfer was cut", target=request.raw_path[:200], reason=str(error))
        if request.transport is not None:
            request.transport.abort()  # so that nobody takes what came for all of it
    return response


def _refused(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error in the distribution API's form (specification 1.1, "Error Codes")."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    given = {"Cache-Control": "no-store", "Docker-Distribution-API-Version": "registry/2.0", **(headers or {})}
    return web.Response(status=status, body=body, content_type="application/json", headers=given)


def serving(upstream: Upstream, login: Login, builds_login: Login) -> web.ServerRunner:
    """What serves it, once set up and given a socket."""
    server = web.Server(
        Proxy(upstream, login, builds_login),
        handler_cancellation=True,  # an engine that goes away ends what it asked for
        access_log=None,
        read_bufsize=BUFFER_BYTES,
        lingering_time=REST_S,
    )
    return web.ServerRunner(server, shutdown_timeout=CLOSE_S)
