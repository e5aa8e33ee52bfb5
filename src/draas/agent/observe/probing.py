"""Probing a replica once, by the means that its app chose."""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

from draas.agent.core.health import Outcome, explain_refused
from draas.agent.runtimes.runtime import Door, Listener, Runtime
from draas.model.allocation import AllocationId
from draas.model.probe import Probe, ProbeKind
from draas.wire.link import Service

LEAST_TIMEOUT_S = 0.05
PROXY_S = 0.3  # within this a proxy that accepted has been refused by the replica behind it, and hangs up
DETAIL_CHARS = 200
NOT_PUBLISHED = "its port is not published: is the engine's network in order?"
FROZEN = "it is paused: nothing in it goes on (docker unpause, or redeploy)"


@dataclass(slots=True)
class Way:
    """Which way replicas are reached on this node: their own addresses, once one of them has answered there, never where those are routed elsewhere."""

    direct: bool | None = None


async def probe_replica(runtime: Runtime, id: AllocationId, service: Service, door: Door, way: Way) -> Outcome:
    """One probe, within its time-out. Raises RuntimeFailure where nothing can be found out: the engine is away, or the replica has ended."""
    if await runtime.frozen(id):
        return Outcome(False, FROZEN)
    probe = service.probe
    if probe.kind is ProbeKind.EXEC:
        return await _probe_exec(runtime, id, probe)
    if probe.kind is ProbeKind.NONE or service.port is None:
        return Outcome(True)
    outcome = await _probe_port(door, probe, way)
    if outcome is not None:
        return outcome
    listeners: tuple[Listener, ...] | None = await runtime.listeners(id)
    return Outcome(False, explain_refused(service.port, listeners))


async def _probe_port(door: Door, probe: Probe, way: Way) -> Outcome | None:
    """None: refused. A node whose replicas cannot be reached at their own addresses is probed through its published ports."""
    if not door.host:
        return Outcome(False, NOT_PUBLISHED)
    if way.direct is None and not _is_beside(door):
        way.direct = False
    if way.direct is False:
        if door.published is None:
            return Outcome(False, NOT_PUBLISHED)
        return await _ask(*door.published, probe, proxied=True)
    try:
        outcome = await _ask(door.host, door.port, probe, proxied=door.proxied, unreachable_raises=way.direct is None)
    except _Unreachable as unreachable:
        if door.published is None:
            return unreachable.outcome
        through = await _ask(*door.published, probe, proxied=True)
        if through is not None and through.passed:
            way.direct = False
        return through
    way.direct = True
    return outcome


def _is_beside(door: Door) -> bool:
    """Whether this machine has an address in the replica's network, or none is known.

    The containers of a rootless engine have addresses that this machine sends to its router; what answers there can be anybody, such as a
    proxy that accepts every connection, and must not be taken for the replica.
    """
    if not door.subnet:
        return True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((door.host, door.port))  # sends nothing: the kernel chooses the address that would be used
        except OSError:
            return False
        return ipaddress.ip_address(asking.getsockname()[0]) in ipaddress.ip_interface(door.subnet).network


class _Unreachable(Exception):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


async def _ask(
    host: str, port: int, probe: Probe, *, proxied: bool, unreachable_raises: bool = False
) -> Outcome | None:
    """None: the port refuses."""
    try:
        async with asyncio.timeout(max(probe.timeout_s, LEAST_TIMEOUT_S)) as limit:
            try:
                reader, writer = await asyncio.open_connection(host, port)
            except ConnectionRefusedError:
                return None
            except OSError as error:
                outcome = Outcome(False, f"{host}:{port} cannot be reached: {error.strerror or error}")
                if unreachable_raises:
                    raise _Unreachable(outcome) from error
                return outcome
            try:
                if probe.kind is ProbeKind.HTTP:
                    return await _ask_http(reader, writer, probe, proxied)
                return await _is_open(reader, probe.timeout_s) if proxied else Outcome(True)
            finally:
                writer.close()
    except TimeoutError:
        if not limit.expired():
            raise
        what = f"GET {probe.path}" if probe.kind is ProbeKind.HTTP else f"a connection to port {port}"
        outcome = Outcome(False, f"{what} got no answer within {probe.timeout_s:g} s")
        if unreachable_raises and not proxied:
            raise _Unreachable(outcome) from None
        return outcome


async def _ask_http(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, probe: Probe, proxied: bool
) -> Outcome | None:
    # "localhost" is the one host name that frameworks which check it let through.
    head = f"GET {probe.path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: draas-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    try:
        line = await reader.readline()
    except (OSError, ValueError):
        line = b""
    if not line:
        return None if proxied else Outcome(False, f"GET {probe.path} got no HTTP answer: the connection was closed")
    words = line.split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return Outcome(False, f"GET {probe.path} got no HTTP answer: does the app speak HTTP on this port?")
    status = int(words[1])
    if status < 400:
        return Outcome(True)
    return Outcome(False, f"GET {probe.path} answered with status {status}")


async def _is_open(reader: asyncio.StreamReader, timeout_s: float) -> Outcome | None:
    """Whether what accepted has somebody behind it."""
    try:
        async with asyncio.timeout(min(PROXY_S, timeout_s / 2)):
            return Outcome(True) if await reader.read(1) else None
    except TimeoutError:
        return Outcome(True)
    except OSError:
        return None


async def _probe_exec(runtime: Runtime, id: AllocationId, probe: Probe) -> Outcome:
    shown = " ".join(probe.command)[:DETAIL_CHARS]
    try:
        ran = await runtime.execute(id, probe.command, max(probe.timeout_s, LEAST_TIMEOUT_S))
    except TimeoutError:
        return Outcome(False, f"{shown!r} took longer than {probe.timeout_s:g} s")
    if ran.exit_code == 0:
        return Outcome(True)
    said = next((line for line in reversed(ran.output.splitlines()) if line.strip()), "")
    return Outcome(False, f"{shown!r} ended with code {ran.exit_code}" + (f": {said[:DETAIL_CHARS]}" if said else ""))
