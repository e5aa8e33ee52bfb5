"""One suite over both real proxies: what an ingress promises. Where nginx cannot, the test says so and runs on HAProxy alone."""

import asyncio
import csv
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from draas.ingress.certificates import self_signed
from draas.ingress.config import ProxyName
from draas.ingress.folder import running_pid
from draas.ingress.haproxy import RUNTIME
from draas.ingress.haproxy_proxy import converse
from draas.lib.promptness import NICE
from draas.model.route import AppRoute, Endpoint, HostPath
from draas.testing.load import Load
from draas.testing.running_ingress import RunningIngress, free_ports
from draas.testing.waiting import until
from draas.testing.web_server import WebServer
from draas.testing.web_sockets import OpenSockets

BOTH = [
    pytest.param("haproxy", marks=pytest.mark.needs("haproxy")),
    pytest.param("nginx", marks=pytest.mark.needs("nginx")),
]
HAPROXY = [BOTH[0]]
SHOP = "shop.localhost"


@pytest.fixture(params=BOTH)
async def ingress(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RunningIngress]:
    proxy: ProxyName = request.param
    async with RunningIngress(tmp_path / "ingress", proxy) as running:
        yield running


@pytest.fixture
async def one() -> AsyncIterator[WebServer]:
    async with WebServer("one") as server:
        yield server


@pytest.fixture
async def two() -> AsyncIterator[WebServer]:
    async with WebServer("two") as server:
        yield server


def shop(*servers: WebServer | Endpoint) -> AppRoute:
    return AppRoute(
        app="shop",
        hosts=(HostPath(host=SHOP),),
        endpoints=tuple(server.endpoint() if isinstance(server, WebServer) else server for server in servers),
    )


def proxy_pid(ingress: RunningIngress) -> int | None:
    name = ingress.config.proxy or ""
    return running_pid(ingress.config.folder / name / {"haproxy": "haproxy.pid", "nginx": "daemon.pid"}[name], name)


def proxy_nices(ingress: RunningIngress) -> tuple[int, list[int]]:
    """How nice the proxy is, and its workers."""
    pid = proxy_pid(ingress)
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return os.getpriority(os.PRIO_PROCESS, pid or 0), [os.getpriority(os.PRIO_PROCESS, int(one)) for one in workers]


async def test_requests_are_spread_and_counted(ingress: RunningIngress, one: WebServer, two: WebServer) -> None:
    await ingress.serve(shop(one, two))
    replicas = [(await ingress.ask(SHOP)).replica for _ in range(10)]
    assert set(replicas) == {"one", "two"}
    counted = await ingress.until(lambda: ingress.counters("shop"), lambda seen: seen.requests == 10, "ten are counted")
    assert counted.errors == 0


async def test_the_proxy_comes_before_what_merely_computes(ingress: RunningIngress, one: WebServer) -> None:
    await ingress.serve(shop(one))
    own, workers = proxy_nices(ingress)
    assert workers
    assert {own, *workers} == {NICE if os.geteuid() == 0 else 0}


async def test_the_time_to_the_beginning_of_answers_is_counted(ingress: RunningIngress, one: WebServer) -> None:
    await ingress.serve(shop(one))
    for _ in range(3):
        await ingress.ask(SHOP, "/slow?s=0.2")
    counted = await ingress.until(
        lambda: ingress.counters("shop"), lambda seen: seen.requests == 3, "three are counted"
    )
    assert counted.answer_s > 3 * 0.15  # the server waits for 0.2 s each time


async def test_a_path_is_matched_by_whole_segments_and_the_longest_wins(
    ingress: RunningIngress, one: WebServer, two: WebServer
) -> None:
    api = AppRoute(app="api", hosts=(HostPath(host=SHOP, path="/api"),), endpoints=(two.endpoint(),))
    await ingress.serve(shop(one), api)
    asked = {path: (await ingress.ask(SHOP, path)).replica for path in ("/", "/apix", "/api", "/api/v1", "/api?q=1")}
    assert asked == {"/": "one", "/apix": "one", "/api": "two", "/api/v1": "two", "/api?q=1": "two"}
    assert (await ingress.ask(f"{SHOP.upper()}:80", "/api")).replica == "two"


async def test_an_unknown_host_gets_a_page_that_says_so(ingress: RunningIngress, one: WebServer) -> None:
    await ingress.serve(shop(one))
    answer = await ingress.ask("other.localhost")
    assert (answer.status, "No app has this name" in answer.text) == (404, True)
    await ingress.serve()
    assert (await ingress.ask(SHOP)).status == 404


@pytest.mark.parametrize("ingress", HAPROXY, indirect=True)  # nginx closes kept connections at a reload
async def test_replicas_come_and_go_without_a_lost_request(
    ingress: RunningIngress, one: WebServer, two: WebServer
) -> None:
    await ingress.serve(shop(one, two))
    async with (
        OpenSockets(ingress.url("/ws"), 5, host=SHOP) as sockets,
        Load(ingress.target(SHOP), connections=8) as load,
        WebServer("three") as three,
    ):
        for _ in range(3):
            for servers in ((one,), (one, three), (two, three), (one, two, three), (one, two)):
                sent = load.sent
                await ingress.serve(shop(*servers))
                await ingress.until(lambda: load.sent, lambda now, sent=sent: now > sent + 50, "requests go on")
        other = AppRoute(app="other", hosts=(HostPath(host="other.localhost"),), endpoints=(three.endpoint(),))
        await ingress.serve(shop(one, two), other)  # a new backend: a reload
        await ingress.serve(shop(one, two))
    assert load.failed == 0, load.tally()
    assert sockets.dropped == 0
    assert load.sent > 500


@pytest.mark.parametrize("ingress", HAPROXY, indirect=True)
async def test_servers_change_without_a_reload(ingress: RunningIngress, one: WebServer, two: WebServer) -> None:
    await ingress.serve(shop(one))
    worker = worker_of(ingress)
    await ingress.serve(shop(one, two))
    await ingress.serve(replace(shop(two), maintenance=True))
    await ingress.serve(replace(shop(two), hosts=(HostPath(host="new.localhost"),)))
    assert (await ingress.ask("new.localhost")).replica == "two"
    assert (await ingress.ask(SHOP)).status == 404
    assert worker_of(ingress) == worker


def worker_of(ingress: RunningIngress) -> str:
    pid = proxy_pid(ingress)
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


async def test_a_draining_replica_finishes_what_it_has_and_gets_nothing_new(
    ingress: RunningIngress, one: WebServer, two: WebServer
) -> None:
    await ingress.serve(shop(one))
    slow = asyncio.ensure_future(ingress.ask(SHOP, "/slow?s=1.5"))
    await ingress.until(lambda: one.slow_under_way, bool, "the slow request is under way")
    await ingress.serve(replace(shop(two), endpoints=(one.endpoint(draining=True), two.endpoint())))
    assert {(await ingress.ask(SHOP)).replica for _ in range(6)} == {"two"}
    told = ingress.latest()
    assert told is not None
    assert not told.drained or slow.done()
    assert (await slow).replica == "one"
    await ingress.until(lambda: ingress.told[-1].drained, lambda drained: list(drained) == ["one"], "one is drained")


async def test_a_websocket_outlives_every_change(ingress: RunningIngress, one: WebServer, two: WebServer) -> None:
    await ingress.serve(shop(one))
    async with OpenSockets(ingress.url("/ws"), 3, host=SHOP) as sockets:
        await ingress.serve(shop(one, two))
        await ingress.serve(shop(two), AppRoute(app="more", hosts=(HostPath(host="more.localhost"),)))
        echoes = sockets.echoes
        await ingress.until(lambda: sockets.echoes, lambda now: now > echoes + 3, "they still echo")
    assert sockets.dropped == 0


async def test_a_dead_replica_costs_no_request(ingress: RunningIngress, one: WebServer) -> None:
    (port,) = free_ports(1)
    dead = Endpoint(id=one.endpoint().id + "-dead", address=f"127.0.0.1:{port}")  # type: ignore[arg-type]
    await ingress.serve(shop(one, dead))
    async with Load(ingress.target(SHOP), connections=4) as load:
        await ingress.until(lambda: load.sent, lambda sent: sent > 200, "requests go on")
    assert load.failed == 0, load.tally()


async def test_a_bad_route_touches_no_other_app(ingress: RunningIngress, one: WebServer, two: WebServer) -> None:
    bad = AppRoute(app="bad", hosts=(HostPath(host="bad.localhost", path="/x { y"),), endpoints=(two.endpoint(),))
    await ingress.serve(shop(one), bad)
    told = ingress.latest()
    assert told is not None
    assert list(told.faults) == ["bad"]
    assert "path" in told.faults["bad"]
    assert (await ingress.ask(SHOP)).replica == "one"
    good = replace(bad, hosts=(HostPath(host="bad.localhost"),))
    await ingress.serve(shop(one), good)
    assert ingress.told[-1].faults == {}
    await ingress.serve(shop(two), replace(bad, endpoints=(one.endpoint(),)))
    assert (await ingress.ask(SHOP)).replica == "two"
    assert (await ingress.ask("bad.localhost")).replica == "one", "its last good route stays, with its new endpoints"


@pytest.mark.parametrize("broken", ["/health check", "/'\"{"])
async def test_what_the_proxy_itself_refuses_is_left_out_alone(
    ingress: RunningIngress, one: WebServer, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setattr("draas.ingress.table.check_route", lambda route: "")  # as if our own patterns had a hole
    many = [
        AppRoute(app=f"app{n}", hosts=(HostPath(host=f"app{n}.localhost"),), endpoints=(one.endpoint(),))
        for n in range(5)
    ]
    refused = {
        "haproxy": replace(many[3], check_path=broken),
        "nginx": replace(many[3], hosts=(HostPath(host="x", path=broken),)),
    }
    await ingress.serve(*many[:3], refused[ingress.config.proxy or ""], many[4])
    assert list(ingress.told[-1].faults) == ["app3"], ingress.told[-1]
    assert [(await ingress.ask(f"app{n}.localhost")).status for n in range(5)] == [200, 200, 200, 404, 200]


async def test_the_clients_address_is_ours_to_tell(ingress: RunningIngress, one: WebServer) -> None:
    await ingress.serve(shop(one))
    spoofed = {
        "X_Forwarded_For": "1.2.3.4",
        "X_Forwarded_Proto": "https",
        "X_Forwarded_Host": "evil",
        "Forwarded": "for=1.2.3.4",
        "X_Real_IP": "1.2.3.4",
    }
    seen = (await ingress.ask(SHOP, "/headers", **spoofed)).json
    assert seen["x-forwarded-for"] == seen["x-real-ip"] == "127.0.0.1"
    assert (seen["x-forwarded-proto"], seen["x-forwarded-host"]) == ("http", SHOP)
    assert "forwarded" not in seen
    assert "1.2.3.4" not in str(seen)
    assert (await ingress.ask(SHOP, "/headers", secure=True)).json["x-forwarded-proto"] == "https"


async def test_large_bodies_and_streams_pass(ingress: RunningIngress, one: WebServer) -> None:
    await ingress.serve(shop(one))
    body = os.urandom(1024) * 32 * 1024
    assert (await ingress.ask(SHOP, "/count", method="POST", body=body)).text == str(len(body))
    assert (await ingress.ask(SHOP, "/stream")).text.count("data:") == 10


async def test_maintenance_answers_for_the_app(ingress: RunningIngress, one: WebServer) -> None:
    await ingress.serve(replace(shop(one), maintenance=True))
    answer = await ingress.ask(SHOP)
    assert (answer.status, "maintenance" in answer.text, answer.headers["Retry-After"]) == (503, True, "60")
    assert one.requests == 0
    await ingress.serve(shop(one))
    assert (await ingress.ask(SHOP)).status == 200


async def test_https_with_certificates_that_are_changed(ingress: RunningIngress, one: WebServer) -> None:
    first, second = self_signed(SHOP), self_signed(SHOP)
    secure = replace(shop(one), https_only=True)
    await ingress.serve(secure, certificates={SHOP: first, "broken.localhost": "nonsense"})
    answer = await ingress.ask(SHOP, "/a/b?c=d")
    assert answer.status == 308
    assert answer.headers["Location"] == f"https://{SHOP}:{ingress.config.https_port}/a/b?c=d"
    assert (await ingress.ask(SHOP, secure=True)).replica == "one"
    assert shown(ingress, SHOP) == der(first)
    await ingress.serve(secure, certificates={SHOP: second})
    assert shown(ingress, SHOP) == der(second)
    assert shown(ingress, "other.localhost") not in (der(first), der(second))
    keys = list((ingress.config.folder / (ingress.config.proxy or "") / "tls").iterdir())
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


def shown(ingress: RunningIngress, host: str) -> bytes:
    return ingress.certificate_of(host)


def der(pem: str) -> bytes:
    from ssl import PEM_cert_to_DER_cert

    return PEM_cert_to_DER_cert(pem[: pem.index("-----END CERTIFICATE-----") + 25])


@pytest.mark.parametrize("proxy", BOTH)
async def test_certificates_from_a_folder(tmp_path: Path, proxy: ProxyName, one: WebServer) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    async with RunningIngress(tmp_path / "ingress", proxy, certificates=folder) as ingress:
        await ingress.serve(shop(one))
        pem = self_signed(SHOP)
        (folder / "bad.pem").write_text("nonsense")
        (folder / "shop.pem").write_text(pem)
        await ingress.until(lambda: shown(ingress, SHOP), lambda seen: seen == der(pem), "the new file is used")
        assert (await ingress.ask(SHOP, secure=True)).replica == "one"


async def test_an_acme_challenge_is_answered_before_anything_else(ingress: RunningIngress, one: WebServer) -> None:
    await ingress.serve(replace(shop(one), https_only=True), challenges={"tok-1": "tok-1.print", "bad token": "x"})
    answer = await ingress.ask(SHOP, "/.well-known/acme-challenge/tok-1")
    assert (answer.status, answer.text) == (200, "tok-1.print")
    assert (await ingress.ask("new.example", "/.well-known/acme-challenge/tok-1")).text == "tok-1.print"
    assert (await ingress.ask(SHOP, "/.well-known/acme-challenge/other")).status == 308


async def test_a_request_is_held_until_a_replica_comes(ingress: RunningIngress, one: WebServer, two: WebServer) -> None:
    await ingress.serve(shop())
    held = [asyncio.ensure_future(ingress.ask(SHOP, method="POST", path="/count", body=b"x" * 1000)) for _ in range(3)]
    told = await ingress.until(
        lambda: ingress.told[-1], lambda told: "shop" in told.waking and told.apps["shop"].waiting >= 1, "it wakes"
    )
    assert told.faults == {}
    await ingress.serve(shop(one))
    answers = await asyncio.gather(*held)
    assert [(answer.status, answer.text) for answer in answers] == [(200, "1000")] * 3
    await ingress.serve(shop(two))  # what was held before must not stand between a kept connection and the replicas
    assert {(await ingress.ask(SHOP)).replica for _ in range(5)} == {"two"}
    await ingress.until(lambda: ingress.told[-1], lambda told: not told.waking, "it woke")


async def test_what_is_held_too_long_is_refused(ingress: RunningIngress) -> None:
    await ingress.serve(replace(shop(), hold_s=0.5))
    answer = await ingress.ask(SHOP)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_replicas_that_are_all_gone_for_a_moment_cost_nothing(ingress: RunningIngress, two: WebServer) -> None:
    async with WebServer("first") as first:
        await ingress.serve(shop(first))
        assert (await ingress.ask(SHOP)).replica == "first"
    asked = asyncio.ensure_future(ingress.ask(SHOP))
    await ingress.until(
        lambda: ingress.runner.traffic().apps["shop"].waiting, lambda waiting: waiting == 1, "it is held"
    )
    await ingress.serve(shop(two))
    assert (await asked).replica == "two"


async def test_traffic_outlives_the_agent_and_the_next_one_takes_it_over(
    ingress: RunningIngress, one: WebServer, two: WebServer
) -> None:
    await ingress.serve(shop(one))
    pid = proxy_pid(ingress)
    async with Load(ingress.target(SHOP), rate=100, connections=4) as load:
        await ingress.die()
        await ingress.until_sent(load, 50)
        await ingress.start()
        await ingress.until_sent(load, 50)
        await ingress.serve(shop(one))
    assert load.failed == 0, load.tally()
    assert proxy_pid(ingress) == pid
    await ingress.serve(shop(two))
    assert (await ingress.ask(SHOP)).replica == "two"


async def test_replicas_that_are_all_out_are_tried_rather_than_refused_while_the_agent_is_away(
    ingress: RunningIngress, one: WebServer, two: WebServer
) -> None:
    """As on a machine with too much work, where every check comes too late: slowness alone gives nobody a 503."""
    slow = "/slow?s=60"
    await ingress.serve(replace(shop(one, two), check_path=slow))
    if ingress.config.proxy == "haproxy":  # nginx has no checks of its own
        await until(lambda: servers_that_are_out(ingress), lambda out: out == ["s1", "s2"], "both are out")
    assert (await ingress.ask(SHOP)).status == 200, "the agent passes it on"
    await ingress.die()
    answers = [await ingress.ask(SHOP) for _ in range(6)]
    assert {(answer.status, answer.replica) for answer in answers} == {(200, "one"), (200, "two")}
    await ingress.start()
    await ingress.serve(replace(shop(two), check_path=slow))
    assert {(await ingress.ask(SHOP)).replica for _ in range(3)} == {"two"}
    await ingress.die()
    assert {(await ingress.ask(SHOP)).replica for _ in range(3)} == {"two"}


async def servers_that_are_out(ingress: RunningIngress) -> list[str]:
    """Those of the shop that HAProxy's checks have taken out."""
    stats = await converse(ingress.config.folder / "haproxy", RUNTIME, "show stat")
    rows = csv.DictReader(stats.removeprefix("# ").splitlines())
    return [row["svname"] for row in rows if row["pxname"] == "app_shop" and row["status"].startswith("DOWN")]


async def test_a_proxy_that_died_is_started_again(ingress: RunningIngress, one: WebServer) -> None:
    await ingress.serve(shop(one))
    before = proxy_pid(ingress)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    await ingress.until(lambda: proxy_pid(ingress), lambda pid: pid not in (None, before), "another one runs")
    await ingress.until(lambda: ingress.runner.facts.http_port, bool, "it serves")
    assert (await ingress.ask(SHOP)).replica == "one"


@pytest.mark.parametrize("ingress", HAPROXY, indirect=True)
async def test_counters_only_grow_over_reloads(ingress: RunningIngress, one: WebServer) -> None:
    await ingress.serve(shop(one))
    for number in range(3):
        for _ in range(5):
            await ingress.ask(SHOP)
        # A worker that ends right after an answer takes the count of that one with it.
        await ingress.until(lambda: ingress.counters("shop").requests, lambda n, k=number: n >= 5 + 4 * k, "counted")
        before = ingress.counters("shop").requests
        await ingress.serve(shop(one), AppRoute(app=f"more{number}", hosts=(HostPath(host=f"more{number}.localhost"),)))
        assert ingress.counters("shop").requests >= before
    assert all(
        later.apps["shop"].requests >= earlier.apps["shop"].requests
        for earlier, later in pairwise(told for told in ingress.told if "shop" in told.apps)
    )
