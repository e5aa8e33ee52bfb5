"""Probes against real sockets: what each kind of bad answer is called, and which way replicas are reached."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from draas.agent.core.health import Outcome
from draas.agent.observe.probing import Way, probe_replica
from draas.agent.runtimes.runtime import Door
from draas.model.allocation import AllocationId
from draas.model.probe import Probe, ProbeKind
from draas.testing.builders import a_service, an_assignment
from draas.testing.fake_runtime import FakeMachine, FakeRuntime

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ID = AllocationId("j1.1")
HTTP = Probe(kind=ProbeKind.HTTP, path="/healthz", timeout_s=0.3)
TCP = Probe(kind=ProbeKind.TCP, timeout_s=0.3)
NOWHERE = ("100::1", 80)  # RFC 6666: what goes there is discarded


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def says(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer:
            await reader.readline()
            writer.write(answer)
        writer.close()

    return serve


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def probed(door: Door, probe: Probe, way: Way | None = None) -> Outcome:
    """The outcome for a replica that runs behind `door`."""
    async with FakeMachine() as machine:
        service = a_service(port=80, probe=probe)
        machine.start(msgspec.structs.replace(an_assignment(service=service), command="sleep 60"))
        return await probe_replica(FakeRuntime(machine), ID, service, door, way or Way())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", Outcome(True)),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", Outcome(True)),
        (b"HTTP/1.1 503 Sorry\r\n\r\n", Outcome(False, "GET /healthz answered with status 503")),
        (
            b"SSH-2.0-dropbear\r\n",
            Outcome(False, "GET /healthz got no HTTP answer: does the app speak HTTP on this port?"),
        ),
        (b"x" * 200_000, Outcome(False, "GET /healthz got no HTTP answer: the connection was closed")),
        (b"", Outcome(False, "GET /healthz got no HTTP answer: the connection was closed")),
    ],
)
async def test_http(answer: bytes, outcome: Outcome) -> None:
    async with listening(says(answer)) as port:
        assert await probed(Door(host="127.0.0.1", port=port), HTTP) == outcome


async def test_an_app_that_never_answers_is_told_by_its_time() -> None:
    async with listening(says_nothing) as port:
        door = Door(host="127.0.0.1", port=port)
        assert await probed(door, HTTP) == Outcome(False, "GET /healthz got no answer within 0.3 s")
        assert await probed(door, TCP) == Outcome(True)


async def test_a_proxy_that_accepts_says_nothing_by_that() -> None:
    """docker-proxy takes the connection and hangs up when nobody listens behind it."""
    async with listening(says(b"")) as port:
        door = Door(host="127.0.0.1", port=port, proxied=True)
        refused = Outcome(False, "nothing listens on port 80: the app listens on no port at all, or does not yet")
        assert await probed(door, TCP) == refused
        assert await probed(door, HTTP) == refused
    async with listening(says_nothing) as port:
        assert await probed(Door(host="127.0.0.1", port=port, proxied=True), TCP) == Outcome(True)


@pytest.mark.parametrize("probe", [TCP, HTTP])
async def test_replicas_that_cannot_be_reached_themselves_are_asked_through_their_published_port(probe: Probe) -> None:
    """A rootless engine's containers, or an agent in a container."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readline():
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    async with listening(serve) as port:
        way = Way()
        host, inside = NOWHERE
        door = Door(host=host, port=inside, published=("127.0.0.1", port))
        assert await probed(door, probe, way) == Outcome(True)
        assert way.direct is False


async def test_once_replicas_are_reached_directly_a_proxy_has_no_say() -> None:
    async with listening(says_nothing) as port:
        host, inside = NOWHERE
        door = Door(host=host, port=inside, published=("127.0.0.1", port))
        assert not (await probed(door, TCP, Way(direct=True))).passed


async def test_whoever_answers_at_an_address_in_another_network_is_not_the_replica() -> None:
    """A rootless engine's container beyond a router that accepts every connection. Here that is a listener on an address of this machine."""
    async with listening(says_nothing) as stranger, listening(says(b"")) as refusing:
        beyond = Door(host="127.0.0.1", port=stranger, published=("127.0.0.1", refusing), subnet="10.255.0.2/16")
        way = Way()
        refused = Outcome(False, "nothing listens on port 80: the app listens on no port at all, or does not yet")
        assert await probed(beyond, TCP, way) == refused
        assert way.direct is False
        beside = Door(host="127.0.0.1", port=stranger, published=("127.0.0.1", refusing), subnet="127.0.0.2/8")
        assert await probed(beside, TCP, Way()) == Outcome(True)
