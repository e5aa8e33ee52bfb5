"""RunningIngress: a real proxy on free ports of loopback, with verbs for what a controller orders and a browser asks."""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from draas.ingress.config import IngressConfig, ProxyName
from draas.ingress.runner import IngressRunner, stop_proxies
from draas.lib import clock
from draas.model.route import AppRoute, Counters
from draas.testing.load import Load, Target
from draas.testing.waiting import LOOK_EVERY_S, PATIENCE_S
from draas.wire.link import Routes, Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a browser got."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)  # whatever their case

    @property
    def replica(self) -> str:
        return self.headers.get("X-Replica", "")

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class RunningIngress:
    """`async with RunningIngress(folder, "haproxy") as ingress:`. Leaving it ends the proxy as well."""

    def __init__(self, folder: Path, proxy: ProxyName, certificates: Path | None = None) -> None:
        self._folder = folder
        http, https = free_ports(2)
        self.config = IngressConfig(
            folder=folder, proxy=proxy, http_port=http, https_port=https, address="127.0.0.1", certificates=certificates
        )
        self._generation = 0
        self._epoch = 1
        self.told: list[Traffic] = []

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False))
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self.die()
        await stop_proxies(self._folder)

    async def start(self) -> None:
        """An agent's start: what runs is adopted."""
        self.told = []
        self._generation, self._epoch = 0, self._epoch + 1
        self.runner = IngressRunner(self.config, lambda: self.told.append(self.runner.traffic()))
        self._running = asyncio.ensure_future(self.runner.run())
        await self.until(lambda: self.runner.facts, lambda facts: facts.http_port, "the proxy serves")

    async def die(self) -> None:
        """The agent's end as by a power cut of it alone: nothing is tidied up."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def serve(self, *routes: AppRoute, **more: Any) -> None:
        """Order exactly `routes`, and wait until they are in effect."""
        self._generation += 1
        generation = self._generation
        self.runner.take(Routes(epoch=self._epoch, generation=generation, put=routes, full=True, **more))
        await self.until(self.latest, lambda told: told is not None and told.generation == generation, "in effect")

    def latest(self) -> Traffic | None:
        """What was told last."""
        return self.told[-1] if self.told else None

    def counters(self, app: str) -> Counters:
        """Of what was told last."""
        told = self.latest()
        return told.apps.get(app, Counters()) if told is not None else Counters()

    async def until(self, look: Callable[[], Any], accept: Callable[[Any], object], what: str) -> Any:
        """What `look` gives once `accept` takes it. Raises TimeoutError with what was seen last."""
        deadline = clock.monotonic() + PATIENCE_S / 2
        while not accept(seen := look()):
            if self._running.done() and not self._running.cancelled():
                self._running.result()
            if clock.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {PATIENCE_S / 2:g} s; last seen: {seen}")
            await asyncio.sleep(LOOK_EVERY_S)
        return seen

    async def until_sent(self, load: Load, more: int) -> None:
        """Until so many more requests were sent."""
        sent = load.sent
        await self.until(lambda: load.sent, lambda now: now >= sent + more, "requests go on")

    def target(self, host: str, path: str = "/", **more: Any) -> Target:
        """For a Load."""
        return Target(port=self.config.http_port or 0, host=host, path=path, **more)

    def url(self, path: str = "/", *, secure: bool = False) -> str:
        scheme, port = ("https", self.config.https_port) if secure else ("http", self.config.http_port)
        return f"{scheme}://127.0.0.1:{port}{path}"

    async def ask(
        self, host: str, path: str = "/", *, method: str = "GET", secure: bool = False, body: Any = None, **headers: str
    ) -> Answer:
        """One request as a browser sends it; redirects are not followed."""
        sent = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        request = self._session.request(
            method, self.url(path, secure=secure), headers=sent, data=body, allow_redirects=False
        )
        async with request as response:
            return Answer(status=response.status, text=await response.text(), headers=response.headers)

    def certificate_of(self, host: str) -> bytes:
        """What the proxy shows for `host`, as DER."""
        context = ssl._create_unverified_context()
        with (
            socket.create_connection(("127.0.0.1", self.config.https_port or 0), 10) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return secured.getpeercert(binary_form=True) or b""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses just now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
