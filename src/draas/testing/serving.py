"""Serving: an ASGI application on a free loopback port, for tests that want real bytes on a real connection."""

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvicorn

from draas.lib.tasks import Tasks
from draas.server.http import PatientProtocol


@contextlib.asynccontextmanager
async def serve(
    app: Callable[..., Awaitable[Any]], tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[str]:
    """Yields the URL at which `app` answers; https with `tls`. The socket listens at once, so nobody needs to wait.

    `port`: where it is to be found again after a restart; 0 is a free one.
    """
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        log_level="error",
        lifespan="off",
        timeout_graceful_shutdown=1,
        ws="websockets-sansio",
        access_log=False,
        proxy_headers=False,
    )
    config.load()
    config.ssl = tls
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", port))
    port = listening.getsockname()[1]
    async with Tasks("serving") as tasks:
        running = tasks.spawn(server.serve(sockets=[listening]), "uvicorn")
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await running
            listening.close()
