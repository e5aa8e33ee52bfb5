"""Endpoints whose machine is known by name get its address: a proxy that looked names up itself would not start without DNS."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping

from draas.lib import clock
from draas.lib.values import replace
from draas.model.route import AppRoute, Endpoint

LOOK_UP_TIMEOUT_S = 2.0
KEEP_S = 60.0


class Names:
    """A cache of addresses by name. A name that cannot be looked up just now keeps the address it had."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, float]] = {}

    async def resolve(self, routes: Mapping[str, AppRoute]) -> dict[str, AppRoute]:
        """`routes` with addresses for names. What cannot be looked up stays a name, which the checks then refuse."""
        names = set(names_in(endpoint for route in routes.values() for endpoint in route.endpoints))
        now = clock.monotonic()
        await asyncio.gather(*(self._look_up(name) for name in names if self._known.get(name, ("", 0.0))[1] < now))
        return {app: self._in_numbers(route) for app, route in routes.items()} if names else dict(routes)

    def _in_numbers(self, route: AppRoute) -> AppRoute:
        return replace(route, endpoints=tuple(map(self._endpoint, route.endpoints)))

    def _endpoint(self, endpoint: Endpoint) -> Endpoint:
        host, _, port = endpoint.address.rpartition(":")
        known = self._known.get(host)
        return replace(endpoint, address=f"{known[0]}:{port}") if known is not None else endpoint

    async def _look_up(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOK_UP_TIMEOUT_S):
                found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            return
        addresses = [str(entry[4][0]) for entry in sorted(found, key=lambda entry: entry[0] != socket.AF_INET)]
        first = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        self._known[name] = (first, clock.monotonic() + KEEP_S)


def names_in(endpoints: Iterable[Endpoint]) -> Iterable[str]:
    """The hosts that are no numbers."""
    for endpoint in endpoints:
        host = endpoint.address.rpartition(":")[0]
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            yield host
