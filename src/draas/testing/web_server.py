"""WebServer: a small real HTTP server that says who it is and what it was asked, as a replica of an app for tests."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import WSMsgType, web

from draas.model.allocation import AllocationId
from draas.model.route import Endpoint


class WebServer:
    """Listens on loopback while its block is open. Every answer carries `X-Replica: NAME`.

    `/` answers the name; `/headers` the request's headers as JSON; `/count` the body's length; `/slow?s=1` waits;
    `/ws` echoes over a WebSocket; `/stream` sends a line each 50 ms, ten times. `requests` counts all of them.
    """

    def __init__(self, name: str, *, port: int = 0) -> None:
        self.name = name
        self.port = port
        self.requests = 0
        self.slow_under_way = 0

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**30, middlewares=[self._count_and_name])
        app.router.add_route("*", "/headers", self._headers)
        app.router.add_route("*", "/count", self._body_length)
        app.router.add_get("/slow", self._slow)
        app.router.add_get("/ws", self._echo)
        app.router.add_get("/stream", self._stream)
        app.router.add_route("*", "/{path:.*}", self._name)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        assert site._server is not None
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def endpoint(self, *, weight: int = 100, draining: bool = False) -> Endpoint:
        """This server as a proxy is told of it."""
        return Endpoint(id=AllocationId(self.name), address=f"127.0.0.1:{self.port}", weight=weight, draining=draining)

    @web.middleware
    async def _count_and_name(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests += 1
        response = await handler(request)
        if not response.prepared:
            response.headers["X-Replica"] = self.name
        return response

    async def _name(self, request: web.Request) -> web.Response:
        return web.Response(text=self.name)

    async def _headers(self, request: web.Request) -> web.Response:
        return web.json_response({name.lower(): value for name, value in request.headers.items()})

    async def _body_length(self, request: web.Request) -> web.Response:
        length = 0
        async for piece in request.content.iter_any():
            length += len(piece)
        return web.Response(text=str(length))

    async def _slow(self, request: web.Request) -> web.Response:
        self.slow_under_way += 1
        try:
            await asyncio.sleep(float(request.query.get("s", "1")))
        finally:
            self.slow_under_way -= 1
        return web.Response(text=self.name)

    async def _echo(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
        return socket

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"X-Replica": self.name, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(10):
            await response.write(f"data: {number}\n\n".encode())
            await asyncio.sleep(0.05)
        return response
