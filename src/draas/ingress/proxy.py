"""Proxy: what HAProxy and nginx do alike for the runner."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from draas.ingress.serving import Serving
from draas.model.allocation import AllocationId
from draas.model.route import AppRoute, Counters


class ProxyTrouble(Exception):
    """The proxy cannot be run as a whole; one line. What ran before runs on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What is served now, and the apps that the proxy does not take, with its reason: what they had before is in `routes`."""

    routes: Mapping[str, AppRoute]
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Counters by app since the runner started, and the draining endpoints that have nothing under way."""

    apps: Mapping[str, Counters]
    drained: frozenset[AllocationId]


class Proxy(Protocol):
    """One proxy on this machine, run from a folder of its own. It outlives whoever started it."""

    @property
    def alive(self) -> bool:
        """Whether it runs, by whomever it was started."""

    async def version(self) -> str:
        """Name and version: "haproxy 2.6.12"."""

    async def apply(self, serving: Serving, before: Mapping[str, AppRoute]) -> Applied:
        """Serve `serving`, starting where nothing runs. `before`: the last good routes. Raises ProxyTrouble."""

    async def look(self, routes: Mapping[str, AppRoute]) -> Seen:
        """What it counts now. Raises ProxyTrouble where it does not answer."""

    async def stop(self) -> None:
        """End it, also one that somebody else started from the same folder."""
