"""Requests a second and p99 through our ingress against the same HAProxy configured by hand, in turns. Asked: 0.95 of it.

By hand twice: bare, and with what an operator would write to get the same promises (retries on another replica, a dead machine noticed
within a second, clients' own forwarding headers dropped). The ratio that counts is to the second.

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
SAME_PROMISES = """global
  maxconn 2000
defaults
  mode http
  timeout connect 500ms
  timeout client 10m
  timeout server 10m
  timeout http-request 30s
  timeout http-keep-alive 75s
  option idle-close-on-response
  option abortonclose
  option redispatch 1
  retries 3
  retry-on conn-failure empty-response
  default-server check inter 1s fastinter 500ms downinter 500ms fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down tcp-ut 600ms
frontend web
  bind 127.0.0.1:{port}
  http-request disable-l7-retry unless {{ method GET HEAD OPTIONS PUT DELETE TRACE }}
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Proto http
  http-request del-header Forwarded
  use_backend shop if {{ req.hdr(host) -i shop.localhost }}
backend shop
  balance leastconn
  server s1 127.0.0.1:{one}
  server s2 127.0.0.1:{two}
"""
BARE = """global
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
    one, two, bare, same = free_ports(4)
    program = find_haproxy() or "haproxy"
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as name:
        folder = Path(name)
        for label, text, port in (("bare", BARE, bare), ("same", SAME_PROMISES, same)):
            (folder / f"{label}.cfg").write_text(text.format(port=port, one=one, two=two))
            await start_daemon(folder, folder / f"{label}.pid", program, "-W", "-q", "-f", f"{label}.cfg")
        (folder / "nginx.conf").write_text(REPLICAS.format(one=one, two=two))
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
                ports = {"bare": bare, "same promises": same, "draas": ingress.config.http_port or 0}
                rounds: dict[str, list[tuple[float, float]]] = {label: [] for label in ports}
                for _ in range(ROUNDS):
                    for label, port in ports.items():
                        rounds[label].append(await measure(port))
        finally:
            for label in ("bare", "same"):
                await stop_daemon(folder / f"{label}.pid", "haproxy", 15)
            await stop_daemon(folder / "replicas.pid", "nginx", 15)
    for label, measured in rounds.items():
        per_s, p99 = (statistics.median(values) for values in zip(*measured, strict=True))
        print(f"{label:14}{per_s:9.0f} requests/s, p99 {p99:6.2f} ms (median of {ROUNDS})")
    for label in ("bare", "same promises"):
        pairs = list(zip(rounds["draas"], rounds[label], strict=True))
        rates = statistics.median(our[0] / their[0] for our, their in pairs)
        tails = statistics.median(their[1] / our[1] for our, their in pairs)
        print(f"ratio to by hand, {label}: {rates:.3f} of the requests/s, {tails:.3f} of the p99 (asked: 0.95)")


if __name__ == "__main__":
    asyncio.run(main())
