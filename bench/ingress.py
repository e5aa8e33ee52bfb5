"""Requests a second and p99 through our ingress against the same HAProxy configured by hand, in turns. Asked: 0.95 of it.

The load is wrk's where it is installed (Debian: wrk), else our own, which needs more CPU than the proxy and so hides differences.
"""

import asyncio
import re
import shutil
import statistics
import tempfile
from pathlib import Path

from draas.ingress.folder import run, start_daemon, stop_daemon
from draas.ingress.haproxy_proxy import find_haproxy
from draas.model.allocation import AllocationId
from draas.model.route import AppRoute, Endpoint, HostPath
from draas.testing.load import Load, Target
from draas.testing.running_ingress import RunningIngress, free_ports

ROUNDS, ROUND_S, CONNECTIONS = 9, 2, 32
BY_HAND = """global
  maxconn 2000
defaults
  mode http
  timeout connect 1s
  timeout client 1m
  timeout server 1m
frontend web
  bind 127.0.0.1:{port}
  http-request set-header X-Forwarded-For %[src]
  use_backend shop if {{ req.hdr(host) -i shop.localhost }}
backend shop
  balance leastconn
  server s1 127.0.0.1:{one} check
  server s2 127.0.0.1:{two} check
"""
REPLICAS = """worker_processes 1; error_log error.log error; pid nginx.pid;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000;
  server {{ listen 127.0.0.1:{one}; location / {{ return 200 'hello'; }} }}
  server {{ listen 127.0.0.1:{two}; location / {{ return 200 'hello'; }} }} }}
"""


async def measure(port: int) -> tuple[float, float]:
    """Requests a second, and p99 in milliseconds."""
    if (wrk := shutil.which("wrk")) is not None:
        _, text = await run(
            Path("/"), wrk, "-t1", f"-c{CONNECTIONS}", f"-d{ROUND_S}s", "--latency", "-H", "Host: shop.localhost",
            f"http://127.0.0.1:{port}/",
        )  # fmt: skip
        p99, unit = re.findall(r"99%\s+([0-9.]+)(us|ms|s)", text)[0]
        return float(re.findall(r"Requests/sec:\s+([0-9.]+)", text)[0]), float(p99) * {"us": 0.001, "ms": 1, "s": 1000}[
            unit
        ]
    async with Load(Target(port=port, host="shop.localhost"), connections=CONNECTIONS) as load:
        await asyncio.sleep(ROUND_S)
    tally = load.tally()
    if tally.failed:
        raise SystemExit(f"{tally.failed} requests failed: {tally}")
    return tally.per_s, tally.p99_s * 1000


async def main() -> None:
    """Measure both and print."""
    one, two, by_hand = free_ports(3)
    program = find_haproxy() or "haproxy"
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as name:
        folder = Path(name)
        (folder / "hand.cfg").write_text(BY_HAND.format(port=by_hand, one=one, two=two))
        (folder / "nginx.conf").write_text(REPLICAS.format(one=one, two=two))
        await start_daemon(folder, folder / "hand.pid", program, "-W", "-q", "-f", "hand.cfg")
        await start_daemon(
            folder,
            folder / "replicas.pid",
            "/usr/sbin/nginx",
            "-p",
            name,
            "-e",
            "error.log",
            "-c",
            "nginx.conf",
            "-g",
            "daemon off;",
        )
        try:
            async with RunningIngress(folder / "ingress", "haproxy") as ingress:
                endpoints = tuple(
                    Endpoint(id=AllocationId(f"r{port}"), address=f"127.0.0.1:{port}") for port in (one, two)
                )
                await ingress.serve(AppRoute(app="shop", hosts=(HostPath(host="shop.localhost"),), endpoints=endpoints))
                ours, theirs = [], []
                for _ in range(ROUNDS):
                    theirs.append(await measure(by_hand))
                    ours.append(await measure(ingress.config.http_port or 0))
        finally:
            await stop_daemon(folder / "hand.pid", "haproxy", 15)
            await stop_daemon(folder / "replicas.pid", "nginx", 15)
    for label, rounds in (("by hand", theirs), ("draas", ours)):
        per_s, p99 = (statistics.median(values) for values in zip(*rounds, strict=True))
        print(f"{label:8}{per_s:9.0f} requests/s, p99 {p99:6.2f} ms (median of {ROUNDS})")
    rates = statistics.median(our[0] / their[0] for our, their in zip(ours, theirs, strict=True))
    tails = statistics.median(their[1] / our[1] for our, their in zip(ours, theirs, strict=True))
    print(f"ratio: {rates:.3f} of the requests/s, {tails:.3f} of the p99 (asked: 0.95)")


if __name__ == "__main__":
    asyncio.run(main())
