"""200 apps of 2 replicas on 10 simulated machines, 2 of them ingresses: how long until one change to one app has reached machine and
ingress (at most 1 s), and what an idle controller costs (at most 2 % of a core). `.venv/bin/python bench/apps_fleet.py [APPS]`.

The controller is `draas server` in a process of its own; the machines speak the real protocol over real WebSockets and say at once
that what they were given is healthy; the ingresses speak each second, as real ones do.
"""

import asyncio
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
from fleet import FACTS, KEY, controller, cpu_s, free_port, join_all, wait_ready

from draas.lib import clock
from draas.model.allocation import AllocationState, Desired, Observed
from draas.model.node import Facts, Load
from draas.model.probe import Health, Served
from draas.model.route import Counters, Ingress
from draas.wire import link as wire

NODES, INGRESSES, REPLICAS = 10, 2, 2
CHANGES = 20
BODY = {"image": "shop:1", "port": 80, "replicas": REPLICAS, "resources": {"cpu_cores": 0.1, "memory_mb": 32}}


class Machine:
    """One simulated agent. `assigned` and `routed` are when it last heard of a version of the watched app."""

    def __init__(self, number: int, heard: "asyncio.Queue[tuple[str, str, float]]") -> None:
        self._number = number
        self._heard = heard
        self._routes: dict[str, Any] = {}
        self._generation = 0

    @property
    def is_ingress(self) -> bool:
        return self._number < INGRESSES

    def facts(self) -> Facts:
        if not self.is_ingress:
            return FACTS
        ingress = Ingress(proxy="haproxy 2.6", http_port=80, address=f"10.0.0.{self._number + 1}")
        return replace(FACTS, roles=("worker", "ingress"), ingress=ingress)

    async def run(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        async with session.ws_connect(url + wire.PATH, headers=headers, compress=0, max_msg_size=0) as socket:
            hello = wire.Hello(version=wire.VERSION, name="x", facts=self.facts(), sent_at=clock.now(), have={})
            await socket.send_bytes(wire.encode([hello]))
            beating = asyncio.ensure_future(self._beat(socket))
            try:
                async for frame in socket:
                    for message in wire.decode_from_controller(frame.data):
                        await self._take(socket, message)
            finally:
                beating.cancel()

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, message: wire.FromController) -> None:
        match message:
            case wire.Assign(put=put):
                seen = {one.id: self._observed(one) for one in put}
                for one in put:
                    await self._heard.put(("assigned", one.env.get("VERSION", ""), clock.monotonic()))
                await socket.send_bytes(wire.encode([wire.Report(observed=seen)]))
            case wire.Routes(put=put, forget=forget, full=full, generation=generation):
                self._generation = generation
                self._routes = {} if full else self._routes
                self._routes |= {route.app: route for route in put}
                for name in forget:
                    self._routes.pop(name, None)
                for route in put:
                    await self._heard.put(("routed", route.app, clock.monotonic()))
                await socket.send_bytes(wire.encode([self._traffic()]))

    def _observed(self, given: wire.Assignment) -> Observed:
        if given.desired is Desired.STOP:
            return Observed(state=AllocationState.STOPPED, finished_at=clock.now())
        number = sum(given.id.encode()) % 20_000
        served = Served(
            health=Health.HEALTHY, since=clock.now(), endpoint=f"10.0.0.{self._number + 1}:{30000 + number}"
        )
        return Observed(state=AllocationState.RUNNING, started_at=clock.now(), image="shop@sha256:1", served=served)

    def _traffic(self) -> wire.Traffic:
        endpoints = (one for route in self._routes.values() for one in route.endpoints)
        drained = [one.id for one in endpoints if one.draining]
        return wire.Traffic(
            generation=self._generation, apps=dict.fromkeys(self._routes, Counters(requests=1)), drained=drained
        )

    async def _beat(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await asyncio.sleep(1)
            out: list[wire.FromAgent] = [wire.Heartbeat(mono=clock.monotonic(), load=Load(cpu_percent=5.0))]
            if self.is_ingress:
                out.append(self._traffic())
            await socket.send_bytes(wire.encode(out))


async def put(session: aiohttp.ClientSession, name: str, version: str) -> None:
    async with session.put(f"/api/apps/{name}", json={**BODY, "env": {"VERSION": version}}) as response:
        if response.status >= 400:
            raise SystemExit(await response.text())


async def until_live(session: aiohttp.ClientSession, count: int) -> None:
    while True:
        async with session.get("/api/apps?state=live") as response:
            answer = await response.json()
            if response.status >= 400:
                raise SystemExit(answer)
            if answer["total"] >= count:
                return
        await asyncio.sleep(0.2)


async def one_change(session: aiohttp.ClientSession, heard: Any, name: str, version: str) -> tuple[float, float]:
    """Seconds from the PUT to a machine's having the new version, and to an ingress's having a changed route."""
    while not heard.empty():
        heard.get_nowait()
    began = clock.monotonic()
    await put(session, name, version)
    assigned = routed = 0.0
    async with asyncio.timeout(30):
        while not assigned or not routed:
            what, which, at = await heard.get()
            if what == "assigned" and which == version:
                assigned = assigned or at - began
            elif what == "routed" and which == name and assigned:
                routed = routed or at - began
    return assigned, routed


async def main(count: int) -> int:
    heard: asyncio.Queue[tuple[str, str, float]] = asyncio.Queue()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder, controller(Path(folder), port) as process:
        async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {KEY}"}) as session:
            await wait_ready(session)
            keys = await join_all(session, NODES)
            async with aiohttp.ClientSession() as links:
                running = [asyncio.ensure_future(Machine(n, heard).run(links, url, key)) for n, key in enumerate(keys)]
                await asyncio.sleep(1)
                began = clock.monotonic()
                for number in range(count):
                    await put(session, f"shop-{number}", "0")
                await until_live(session, count)
                print(f"{count} apps of {REPLICAS} replicas live after {clock.monotonic() - began:.1f} s", flush=True)
                await asyncio.sleep(15)  # what has settled is looked at no more
                before, span_s = cpu_s(process.pid), 20.0
                await asyncio.sleep(span_s)
                idle = (cpu_s(process.pid) - before) / span_s * 100
                print(f"idle controller: {idle:.2f} % CPU (at most 2 %)", flush=True)
                took = [await one_change(session, heard, f"shop-{at * 7 % count}", f"v{at}") for at in range(CHANGES)]
                for one in running:
                    one.cancel()
    assigned, routed = [a for a, _ in took], [r for _, r in took]
    for what, values in (("machine", assigned), ("ingress", routed)):
        print(
            f"one change has reached a {what}: p50 {statistics.median(values):.3f} s, worst {max(values):.3f} s (at most 1 s)"
        )
    return 0 if idle <= 2 and max(routed) <= 1 and max(assigned) <= 1 else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)))
