"""The DNS role on the real dnsmasq: what resolves, what does not any more, and what an agent that was killed leaves."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from draas.agent.shell import dns
from draas.agent.shell.dns import DnsServer
from draas.ingress.dns import DnsSetup
from draas.model.route import AppRoute, HostPath
from draas.testing.dns_query import TYPE_AAAA, Answered, SmallDns, ask
from draas.testing.waiting import until
from draas.wire.link import Routes

pytestmark = pytest.mark.needs("dnsmasq")


def a_route(app: str) -> AppRoute:
    return AppRoute(app=app, hosts=(HostPath(host=f"{app}.apps.home"), HostPath(host=f"{app}.example.org")))


def the_table(*apps: str, generation: int = 1, addresses: tuple[str, ...] = ("10.0.0.5",)) -> Routes:
    put = [a_route(app) for app in apps]
    return Routes(epoch=1, generation=generation, put=put, full=True, ingresses=addresses, apps_domain="apps.home")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trying:
        trying.bind(("127.0.0.1", 0))
        return int(trying.getsockname()[1])


def pid_of(folder: Path) -> int | None:
    """The dnsmasq of this folder."""
    return dns._running(folder)


@asynccontextmanager
async def running(server: DnsServer) -> AsyncIterator[DnsServer]:
    """Leaves dnsmasq running, as an agent that ends does."""
    task = asyncio.ensure_future(server.run())
    try:
        yield server
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path / "dns"
    await dns.stop_dns(tmp_path / "dns")
    shutil.rmtree(dns._public(tmp_path / "dns"), ignore_errors=True)


def a_server(folder: Path, port: int | None = None, forward: tuple[str, ...] = ()) -> DnsServer:
    return DnsServer(DnsSetup(address="127.0.0.1", port=port or free_port(), forward=forward), folder)


async def answer(server: DnsServer, name: str, wanted: Callable[[Answered], bool], kind: int = 1) -> Answered:
    """What is answered once that is `wanted`."""

    async def look() -> Answered | str:
        try:
            return await ask(name, ("127.0.0.1", server.setup.port), kind, timeout_s=1.0)
        except OSError as error:
            return f"{error} ({server.missing})"

    seen = await until(look, lambda seen: isinstance(seen, Answered) and wanted(seen), f"an answer for {name}")
    assert isinstance(seen, Answered)
    return seen


async def test_apps_resolve_to_every_ingress_until_they_are_deleted(folder: Path) -> None:
    async with running(a_server(folder)) as server:
        server.take(the_table("shop", "blog", addresses=("10.0.0.5", "10.0.0.6", "fd00::5")))
        seen = await answer(server, "shop.apps.home", lambda seen: seen.code == "NOERROR")
        assert seen.addresses == ["10.0.0.5", "10.0.0.6"]
        assert seen.ttl_s is not None
        assert seen.ttl_s <= 5
        assert (await answer(server, "shop.apps.home", lambda _: True, TYPE_AAAA)).addresses == ["fd00::5"]
        assert (await answer(server, "none.apps.home", lambda _: True)).code == "NXDOMAIN"
        assert (await answer(server, "a.shop.apps.home", lambda _: True)).code == "NXDOMAIN"
        assert (await answer(server, "shop.example.org", lambda _: True)).code == "REFUSED"

        process = pid_of(folder)
        server.take(Routes(epoch=1, generation=2, put=[], forget=["shop"]))
        await answer(server, "shop.apps.home", lambda seen: seen.code == "NXDOMAIN")
        assert (await answer(server, "blog.apps.home", lambda _: True)).addresses == ["10.0.0.5", "10.0.0.6"]
        server.take(Routes(epoch=1, generation=3, put=[a_route("new")], ingresses=["10.0.0.7"]))
        await answer(server, "new.apps.home", lambda seen: seen.addresses == ["10.0.0.7"])
        await answer(server, "blog.apps.home", lambda seen: seen.addresses == ["10.0.0.7"])
        assert pid_of(folder) == process  # names change without a gap
        assert server.answers_at == f"127.0.0.1:{server.setup.port}"


async def test_other_names_are_asked_of_the_servers_that_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as closing:
        upstream = SmallDns({"other.example.org": "192.0.2.7"})
        port = await upstream.open()
        closing.callback(upstream.close)
        server = a_server(folder, forward=(f"127.0.0.1#{port}",))  # dnsmasq's way to name a port
        await closing.enter_async_context(running(server))
        server.take(the_table("shop"))
        seen = await answer(server, "other.example.org", lambda seen: seen.code == "NOERROR")
        assert seen.addresses == ["192.0.2.7"]
        assert (await answer(server, "none.apps.home", lambda _: True)).code == "NXDOMAIN"
        assert upstream.asked == ["other.example.org"]  # nothing of ours is asked of others


async def test_it_is_started_again_when_it_dies(folder: Path) -> None:
    async with running(a_server(folder)) as server:
        server.take(the_table("shop"))
        await answer(server, "shop.apps.home", lambda seen: seen.code == "NOERROR")
        first = pid_of(folder)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: pid_of(folder), lambda seen: seen not in (None, first), "another dnsmasq")
        await answer(server, "shop.apps.home", lambda seen: seen.code == "NOERROR")


async def test_names_are_answered_while_the_agent_is_away_and_the_next_one_adopts(folder: Path) -> None:
    async with running(a_server(folder)) as server:
        server.take(the_table("shop", "blog", generation=7))
        await answer(server, "shop.apps.home", lambda seen: seen.code == "NOERROR")
        first = pid_of(folder)
        port = server.setup.port
    await answer(server, "shop.apps.home", lambda seen: seen.code == "NOERROR")
    async with running(a_server(folder, port)) as server:
        await until(lambda: server.answers_at, bool, "the next one's word")
        server.take(the_table("blog"))  # of another controller, whose numbers are lower
        await answer(server, "shop.apps.home", lambda seen: seen.code == "NXDOMAIN")
        await answer(server, "blog.apps.home", lambda seen: seen.code == "NOERROR")
        assert pid_of(folder) == first
    async with running(a_server(folder)) as server:  # on another port
        await answer(server, "blog.apps.home", lambda seen: seen.code == "NOERROR")
        assert pid_of(folder) != first


async def test_names_without_an_ingress_are_told(folder: Path) -> None:
    async with running(a_server(folder)) as server:
        server.take(the_table("shop", addresses=()))
        assert "DRAAS_ADVERTISE" in await until(lambda: server.missing, bool, "a reason")
        assert (await answer(server, "shop.apps.home", lambda _: True)).code == "NXDOMAIN"
        server.take(the_table("shop", generation=2))
        await answer(server, "shop.apps.home", lambda seen: seen.code == "NOERROR")
        await until(lambda: server.missing, lambda told: told == "", "no more reason")


async def test_a_port_that_is_taken_is_told(folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holding:
        holding.bind(("127.0.0.1", 0))
        async with running(a_server(folder, port=holding.getsockname()[1])) as server:
            server.take(the_table("shop"))
            told = await until(lambda: server.missing, bool, "a reason")
            assert "Address already in use" in told
            assert server.answers_at == ""


async def test_without_dnsmasq_one_line_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "SBIN", ())
    monkeypatch.setenv("PATH", str(folder.parent))
    async with running(a_server(folder)) as server:
        server.take(the_table("shop"))
        told = await until(lambda: server.missing, bool, "a reason")
        assert "apt-get install dnsmasq-base" in told
        assert "\n" not in told


async def test_it_ends_with_the_agent_once_it_answers_for_no_app(folder: Path) -> None:
    async with running(a_server(folder)) as server:
        server.take(the_table("shop"))
        await answer(server, "shop.apps.home", lambda seen: seen.code == "NOERROR")
    await server.close()
    assert pid_of(folder) is not None
    server.take(Routes(epoch=1, generation=2, put=[], forget=["shop"]))
    await server.close()
    assert pid_of(folder) is None
