"""The domains loop: looks where the names of apps lead, and tells the apps what is wrong."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping

from draas.lib import clock
from draas.scheduler.domains import Resolved, hosts_of, is_due, look, warnings_of
from draas.scheduler.routes import ingress_addresses
from draas.server.loops.control import ControlLoop

EVERY_S = 2.0  # how soon after a deploy
AT_ONCE = 8
TIMEOUT_S = 10.0

# The addresses of a host, none where it has none; None where nobody could say.
Resolve = Callable[[str], Awaitable[tuple[str, ...] | None]]


async def resolve(host: str) -> tuple[str, ...] | None:
    """By this machine's resolver."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return None if error.errno == socket.EAI_AGAIN else ()
    except (OSError, TimeoutError, UnicodeError):
        return None
    return tuple(sorted({str(address[0]) for *_, address in found}))


class Domains:
    """`resolved` is where hosts led to; `troubles` why some have no certificate."""

    def __init__(self, loop: ControlLoop, resolve: Resolve = resolve) -> None:
        self.resolved: dict[str, Resolved] = {}
        self.troubles: dict[str, str] = {}
        self._releases: dict[str, int] = {}  # the newest one of each app when it was looked at
        self._loop = loop
        self._resolve = resolve
        self._room = asyncio.Semaphore(AT_ONCE)

    def hosts(self) -> dict[str, tuple[str, ...]]:
        """Those that somebody must have pointed at us, by app."""
        domain = self._loop.policy.apps_domain
        apps = self._loop.control.cluster.apps.values()
        return {app.name: hosts for app in apps if (hosts := hosts_of(app, domain))}

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look_once()
            await asyncio.sleep(EVERY_S)

    async def look_once(self) -> None:
        """Look at the hosts that are due, and tell the apps of which something changed."""
        by_app, now = self.hosts(), clock.now()
        ingresses = ingress_addresses(self._loop.control.cluster.nodes.values())
        wanted = {host for hosts in by_app.values() for host in hosts}
        for gone in self.resolved.keys() - wanted:
            del self.resolved[gone]
        fresh = self._fresh(by_app)
        due = sorted(host for host in wanted if host in fresh or is_due(self.resolved.get(host), ingresses, now))
        await asyncio.gather(*(self._look(host, ingresses) for host in due))
        for app in list(self._loop.control.cluster.apps.values()):
            warnings = warnings_of(by_app.get(app.name, ()), self.resolved, self.troubles)
            if warnings != app.warnings:
                self._loop.warn(app.name, warnings)

    def _fresh(self, by_app: Mapping[str, tuple[str, ...]]) -> set[str]:
        """The hosts of apps that were deployed since the last call."""
        before, self._releases = self._releases, {}
        fresh: set[str] = set()
        for app in self._loop.control.cluster.apps.values():
            if app.name in by_app:
                number = self._releases[app.name] = app.newest.number if app.newest is not None else 0
                fresh.update(by_app[app.name] if before.get(app.name) != number else ())
        return fresh

    async def _look(self, host: str, ingresses: tuple[str, ...]) -> None:
        async with self._room:
            addresses = await self._resolve(host)
        if addresses is not None:
            self.resolved[host] = look(host, addresses, ingresses, self.resolved.get(host), clock.now())
