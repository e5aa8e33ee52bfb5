"""Activator: holds requests for apps that have no replica just now, and passes them on as soon as there is one.

The proxy has one socket of ours per app as the server of last resort. What comes in is not parsed: once a replica answers, bytes
go both ways until either side is done.
"""

import asyncio
import contextlib
import os
import resource
import select
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from draas.ingress.checks import split_address
from draas.ingress.serving import CONNECT_MS, HELD_FOLDER, HERE_SOCKET, held_socket
from draas.lib import clock
from draas.lib.tasks import Tasks
from draas.model.allocation import AllocationId
from draas.model.route import AppRoute, Endpoint

HELD_FOR_ONE_APP = 500
HELD = 2_000  # in all; less where this process may open few files
AGAIN_S = 0.2  # replicas that are known but do not answer are tried so often
PIECE_BYTES = 64 * 1024
_PAGE = (
    b"<!doctype html><title>Not available</title><h1>The app is not available</h1><p>Please try again in a moment.</p>"
)
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nRetry-After: 5\r\nCache-Control: no-store\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_PAGE), _PAGE)
)


class Activator:
    """One listening socket an app, under `folder`. `on_change` is called when what is held begins or ends."""

    def __init__(self, folder: Path, tasks: Tasks, on_change: Callable[[], None], group: int | None = None) -> None:
        self._folder = folder
        self._tasks = tasks
        self._on_change = on_change
        self._group = group
        self._routes: Mapping[str, AppRoute] = {}
        self._listening: dict[str, tuple[socket.socket, asyncio.Task[None]]] = {}
        self._here: socket.socket | None = None
        self._news = asyncio.Event()
        self._most = min(HELD, raise_file_limit() // 4)
        self.waiting: Counter[str] = Counter()
        self.busy: Counter[AllocationId] = Counter()
        (folder / HELD_FOLDER).mkdir(parents=True, exist_ok=True)

    def listen(self, apps: Mapping[str, AppRoute]) -> None:
        """Have a socket for each of `apps`, and no other. To be called before the proxy knows them."""
        for app in apps.keys() - self._listening.keys():
            listener = self._bind(held_socket(app))
            self._listening[app] = (listener, self._tasks.spawn(self._accept(app, listener), f"held {app}"))
        if self._here is None:
            self._here = self._bind(HERE_SOCKET)
            self._tasks.spawn(self._say_here(self._here), "here")

    def update(self, routes: Mapping[str, AppRoute]) -> None:
        """The routes in effect: held requests go on where there is an endpoint now."""
        self._routes = routes
        for app in self._listening.keys() - routes.keys():
            listener, task = self._listening.pop(app)
            task.cancel()
            listener.close()
            with contextlib.suppress(OSError):
                (self._folder / held_socket(app)).unlink()
        self._news.set()
        self._news = asyncio.Event()

    def waking(self) -> tuple[str, ...]:
        """Apps without an endpoint for which requests are held."""
        return tuple(sorted(app for app, count in self.waiting.items() if count and not self._endpoints(app)))

    def close(self) -> None:
        """Stop listening; what is held or passed on ends with the tasks."""
        for listener, _ in self._listening.values():
            listener.close()
        if self._here is not None:
            self._here.close()

    def _bind(self, name: str) -> socket.socket:
        path = self._folder / name
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        try:  # a path through the descriptor is short, however long the folder's own name is
            listener.bind(f"/proc/self/fd/{folder}/{name}")
        finally:
            os.close(folder)
        path.chmod(0o660)
        if self._group is not None:
            os.chown(path, -1, self._group)
        listener.listen(1024)
        return listener

    async def _accept(self, app: str, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:  # no more files just now
                await asyncio.sleep(AGAIN_S)
                continue
            client.setblocking(False)
            self._tasks.spawn(self._serve(app, client), f"held request of {app}")

    async def _say_here(self, listener: socket.socket) -> None:
        """Being connected to is the whole answer."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                asked, _ = await loop.sock_accept(listener)
            except OSError:  # no more files just now
                await asyncio.sleep(AGAIN_S)
                continue
            asked.close()

    async def _serve(self, app: str, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if self.waiting[app] >= HELD_FOR_ONE_APP or self.waiting.total() >= self._most:
                await _refuse(client)
                return
            with self._counted(app):
                found = await self._replica(app, client)
            if found is None:
                await _refuse(client)
                return
            endpoint, server = found
            self.busy[endpoint.id] += 1
            try:
                with server:
                    await _splice(client, server)
            finally:
                self.busy[endpoint.id] -= 1

    @contextmanager
    def _counted(self, app: str) -> Iterator[None]:
        self.waiting[app] += 1
        if self.waiting[app] == 1:
            self._on_change()
        try:
            yield
        finally:
            self.waiting[app] -= 1
            if not self.waiting[app]:
                del self.waiting[app]
                self._on_change()

    async def _replica(self, app: str, client: socket.socket) -> tuple[Endpoint, socket.socket] | None:
        """A connection to the first replica that answers; None where time is over or the client is gone."""
        route = self._routes.get(app)
        until = clock.monotonic() + (route.hold_s if route is not None else 0)
        while True:
            news = self._news
            for endpoint in self._endpoints(app):
                if (server := await _dial(endpoint)) is not None:
                    return endpoint, server
            left = until - clock.monotonic()
            if left <= 0 or _is_gone(client):
                return None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, AGAIN_S)):
                    await news.wait()

    def _endpoints(self, app: str) -> list[Endpoint]:
        route = self._routes.get(app)
        serving = [endpoint for endpoint in route.endpoints if not endpoint.draining] if route is not None else []
        return sorted(serving, key=lambda endpoint: self.busy[endpoint.id])


async def _dial(endpoint: Endpoint) -> socket.socket | None:
    address = split_address(endpoint.address)
    if address is None:
        return None
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        async with asyncio.timeout(CONNECT_MS / 1000):
            await asyncio.get_running_loop().sock_connect(server, address)
    except (OSError, TimeoutError):
        server.close()
        return None
    except BaseException:
        server.close()
        raise
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server


async def _splice(client: socket.socket, server: socket.socket) -> None:
    """Bytes both ways until the replica has ended, or the proxy is gone."""
    asking = asyncio.ensure_future(_pass_on(client, server))
    answering = asyncio.ensure_future(_pass_on(server, client))
    try:
        done, _ = await asyncio.wait((asking, answering), return_when=asyncio.FIRST_COMPLETED)
        if asking in done and not asking.exception():
            await answering  # all of the request is sent; the answer may be under way
    finally:
        asking.cancel()
        answering.cancel()
        await asyncio.gather(asking, answering, return_exceptions=True)


async def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while piece := await loop.sock_recv(source, PIECE_BYTES):
        await loop.sock_sendall(sink, piece)
    sink.shutdown(socket.SHUT_WR)


async def _refuse(client: socket.socket) -> None:
    """Answer 503. What the client still sends is read, as closing a socket with unread bytes would cut the answer off."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, REFUSAL)
    client.shutdown(socket.SHUT_WR)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            while await loop.sock_recv(client, PIECE_BYTES):
                pass


def _is_gone(client: socket.socket) -> bool:
    """Whether the proxy has closed its end, also where a request is still unread before that end."""
    poll = select.poll()
    poll.register(client, select.POLLHUP)
    return bool(poll.poll(0))


def raise_file_limit() -> int:
    """Let this process open as many files as it may; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(wanted, soft)
