"""50 changes of an app's replica set in 10 s, under load and with 20 WebSockets open. Asked: no request fails, no WebSocket is dropped."""

import asyncio
import tempfile
from pathlib import Path

from draas.model.route import AppRoute, HostPath
from draas.testing.load import Load
from draas.testing.running_ingress import RunningIngress
from draas.testing.web_server import WebServer
from draas.testing.web_sockets import OpenSockets

CHANGES, SECONDS, SOCKETS, RATE = 50, 10.0, 20, 200
HOST = "shop.localhost"


async def main() -> None:
    """Change, count and print. The WebSockets are on replicas that stay or drain; each replica comes and goes."""
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as folder:
        async with (
            WebServer("r1") as one,
            WebServer("r2") as two,
            WebServer("r3") as three,
            WebServer("r4") as four,
            RunningIngress(Path(folder), "haproxy") as ingress,
        ):
            sets = ((one, two, three), (two, three), (two, three, four), (one, four), (one, two))
            shop = AppRoute(app="shop", hosts=(HostPath(host=HOST),), endpoints=(one.endpoint(), two.endpoint()))
            await ingress.serve(shop)
            loop = asyncio.get_running_loop()
            async with (
                OpenSockets(ingress.url("/ws"), SOCKETS, host=HOST) as sockets,
                Load(ingress.target(HOST), rate=RATE) as load,
            ):
                began, slowest = loop.time(), 0.0
                for number in range(CHANGES):
                    await asyncio.sleep(max(0.0, began + number * SECONDS / CHANGES - loop.time()))
                    started = loop.time()
                    endpoints = tuple(server.endpoint() for server in sets[number % len(sets)])
                    await ingress.serve(AppRoute(app="shop", hosts=shop.hosts, endpoints=endpoints))
                    slowest = max(slowest, loop.time() - started)
                took = loop.time() - began
    tally = load.tally()
    print(f"{CHANGES} changes in {took:.1f} s, the slowest in effect after {slowest * 1000:.0f} ms")
    print(
        f"{tally.sent} requests: {tally.failed} failed (asked: 0), p99 {tally.p99_s * 1000:.1f} ms, worst {tally.worst_s * 1000:.1f} ms"
    )
    print(f"{SOCKETS} WebSockets, {sockets.echoes} echoes: {sockets.dropped} dropped (asked: 0)")


if __name__ == "__main__":
    asyncio.run(main())
