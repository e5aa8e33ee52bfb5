"""HealthPage: the agent's own port, for health checks and monitoring. Nothing of the cluster can be changed there.

`/healthz` is open. `/metrics` is open where only this machine can reach the port; elsewhere it needs the key of `metrics.key` in the agent's
folder, which is good for nothing else: the node's own key would be the whole node, and this port speaks without TLS.
"""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from draas.agent.observe.figures import Figures
from draas.agent.observe.prometheus import render_figures
from draas.lib import log
from draas.lib.addresses import is_loopback
from draas.model.errors import Invalid

KEY_FILE = "metrics.key"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CLOSE_S = 1.0


@asynccontextmanager
async def health_page(listen: tuple[str, int], folder: Path, look: Callable[[], Figures]) -> AsyncIterator[None]:
    """Serve at `listen` within the block. Raises Invalid, with one line, where that cannot be listened on."""
    host, port = listen
    listening = _listen(host, port)
    key = None if is_loopback(host) else metrics_key(folder)
    runner = web.AppRunner(_application(look, key), access_log=None, shutdown_timeout=CLOSE_S)
    try:
        await runner.setup()
        await web.SockSite(runner, listening).start()
        where = "open to this machine" if key is None else f"with the key in {folder / KEY_FILE}"
        log.info("health and metrics", address=f"{host}:{port}", metrics=where)
        yield
    finally:
        await runner.cleanup()
        listening.close()


def metrics_key(folder: Path) -> str:
    """The key that /metrics asks for, made where there is none yet; readable by the agent's user alone."""
    path = folder / KEY_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        known = path.read_text().strip()
        if not known:
            raise Invalid(f"{path} is empty: remove it, and the agent makes a new one") from None
        return known
    made = "draas_metrics_" + secrets.token_hex(24)
    with os.fdopen(descriptor, "w") as out:
        out.write(made + "\n")
    return made


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise Invalid(
            f"cannot serve health and metrics on {host}:{port}: {why}; choose another with AGENT_PORT or --port"
        ) from None


def _application(look: Callable[[], Figures], key: str | None) -> web.Application:
    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "linked": look().linked})

    async def metrics(request: web.Request) -> web.Response:
        if key is not None and not _bears(request, key):
            told = f"the key in {KEY_FILE} of the agent's folder is needed: Authorization: Bearer KEY\n"
            return web.Response(status=401, text=told, headers={"WWW-Authenticate": "Bearer"})
        return web.Response(body=render_figures(look()), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application(client_max_size=1024)
    application.router.add_get("/healthz", health)
    application.router.add_get("/metrics", metrics)
    return application


def _bears(request: web.Request, key: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), key.encode())
