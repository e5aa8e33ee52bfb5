"""HAProxy's configuration as text, and the runtime commands from one state to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draas.ingress import haproxy
from draas.ingress.haproxy import maps_of, plan_maps, render
from draas.ingress.haproxy_answers import Stat, Sums, read_old_workers, read_slots, read_stats
from draas.ingress.haproxy_slots import Slot, fill_slots, plan_servers
from draas.ingress.serving import CertificateFile, Listening, Serving
from draas.lib.values import replace
from draas.model.allocation import AllocationId
from draas.model.route import AppRoute, Endpoint, HostPath

LISTENING = Listening(http_port=80, https_port=8443)


def endpoint(name: str, **more: object) -> Endpoint:
    return replace(Endpoint(id=AllocationId(name), address=f"10.0.0.{name[1:]}:8080"), **more)


SHOP = AppRoute(
    app="shop",
    hosts=(HostPath(host="shop.apps.home"), HostPath(host="a.b", path="/api")),
    endpoints=(endpoint("r1"), endpoint("r2", draining=True)),
    check_path="/healthz",
    https_only=True,
)


def test_a_backend() -> None:
    serving = Serving(listening=LISTENING, routes={"shop": SHOP})
    text = render(serving, {"shop": fill_slots((), SHOP)}).files[haproxy.CONFIG]
    assert text[text.index("backend app_") :] == (
        "backend app_shop\n"
        "  balance leastconn\n"
        "  option httpchk\n"
        "  http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host shop.apps.home\n"
        "  server s1 10.0.0.1:8080 weight 100\n"
        "  server s2 10.0.0.2:8080 weight 0\n"
        "  server s3 127.0.0.1:1 disabled\n"
        "  server s4 127.0.0.1:1 disabled\n"
        "  server last unix@run/last_shop.sock backup no-check pool-max-conn 0\n"
        "listen last_shop\n"
        "  bind unix@run/last_shop.sock mode 600\n"
        "  retries 10\n"
        "  retry-on conn-failure\n"
        "  option allbackups\n"
        "  server activator unix@held/shop.sock addr unix@held/_here.sock inter 10s fall 1 pool-max-conn 0\n"
        "  server s1 10.0.0.1:8080 weight 100 backup no-check\n"
        "  server s2 10.0.0.2:8080 weight 0 backup no-check\n"
        "  server s3 127.0.0.1:1 disabled backup no-check\n"
        "  server s4 127.0.0.1:1 disabled backup no-check\n"
        "backend held_shop\n"
        "  server activator unix@held/shop.sock no-check pool-max-conn 0\n"
        "\n"
    )
    assert "location https://%[req.hdr(host),field(1,:)]:8443%[pathq]" in text


def test_maps_and_certificates() -> None:
    serving = Serving(
        listening=LISTENING,
        routes={"shop": SHOP},
        challenges={"tok": "tok.print"},
        certificates=(CertificateFile(file="tls/x.pem", names=("a.b", "*.c")),),
    )
    files = render(serving, {"shop": fill_slots((), SHOP)}).files
    assert files["routes.map"] == "shop.apps.home/ app_shop\na.b/api/ app_shop\n"
    assert (files["https.map"], files["maintenance.map"]) == ("app_shop 1\n", "")
    assert files["challenges.map"] == "tok tok.print\n"
    assert files["certificates.list"] == "tls/x.pem a.b *.c\n"


def test_only_structure_asks_for_a_reload() -> None:
    def structure(route: AppRoute) -> str:
        serving = Serving(listening=LISTENING, routes={"shop": route})
        return render(serving, {"shop": fill_slots((), route)}).structure

    same = [
        replace(SHOP, endpoints=(endpoint("r3"),)),
        replace(SHOP, hosts=(*SHOP.hosts, HostPath(host="new.example"))),
        replace(SHOP, maintenance=True, https_only=False),
    ]
    assert {structure(route) for route in same} == {structure(SHOP)}
    assert structure(replace(SHOP, check_path=None)) != structure(SHOP)
    assert structure(replace(SHOP, endpoints=tuple(map(endpoint, ("r1", "r2", "r3", "r4", "r5"))))) != structure(SHOP)


def test_shares_ask_for_turns() -> None:
    assert haproxy.balance_of(SHOP) == "leastconn"
    shared = replace(SHOP, endpoints=(endpoint("r1", weight=256), endpoint("r2", weight=28)))
    assert haproxy.balance_of(shared) == "roundrobin"


def test_servers_come_before_others_go() -> None:
    before = fill_slots((), replace(SHOP, endpoints=(endpoint("r1"), endpoint("r2"))))
    after = fill_slots(before, replace(SHOP, endpoints=(endpoint("r2", draining=True), endpoint("r3"))))
    commands = list(plan_servers({"shop": before}, {"shop": after}))
    assert [command for command in commands if "app_shop" in command] == [
        "set server app_shop/s2 weight 0",
        "set server app_shop/s3 addr 10.0.0.3 port 8080",
        "set server app_shop/s3 weight 100",
        "set server app_shop/s3 state ready",
        "set server app_shop/s1 state maint",
    ]
    last = [command.replace("last_shop", "app_shop") for command in commands if "last_shop" in command]
    assert last == [command for command in commands if "app_shop" in command], "the way of last resort knows them, too"


def test_maps_change_by_what_differs() -> None:
    serving = Serving(listening=LISTENING, routes={"shop": SHOP})
    moved = Serving(
        listening=LISTENING, routes={"shop": replace(SHOP, hosts=(HostPath(host="new.example"),), maintenance=True)}
    )
    assert list(plan_maps(maps_of(serving), maps_of(moved))) == [
        "add map routes.map new.example/ app_shop",
        "del map routes.map shop.apps.home/",
        "del map routes.map a.b/api/",
        "add map maintenance.map app_shop 1",
    ]


replica_sets = st.lists(st.sets(st.integers(1, 12), max_size=8), min_size=1, max_size=12)


@given(sets=replica_sets)
def test_slots_hold_exactly_the_endpoints_and_none_moves(sets: list[set[int]]) -> None:
    slots: tuple[Slot, ...] = ()
    for wanted in sets:
        route = replace(SHOP, endpoints=tuple(endpoint(f"r{number}") for number in sorted(wanted)))
        before, slots = slots, fill_slots(slots, route)
        assert sorted(slot.endpoint for slot in slots if slot.endpoint) == sorted(e.id for e in route.endpoints)
        for old, new in zip(before, slots, strict=False):
            assert not old.endpoint or new.endpoint in ("", old.endpoint), "never straight from one replica to another"
        assert len(slots) >= len(before)


def test_what_runs_is_read_back() -> None:
    text = (
        "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port\n"
        "3 app_shop 1 s1 10.0.0.1 2 0 100 8080\n3 app_shop 2 s2 127.0.0.1 0 1 1 1\n3 app_shop 3 activator - 2 0 1 0\n"
    )
    assert read_slots(text, {"shop": SHOP}) == {
        "shop": (Slot(endpoint="r1", address="10.0.0.1:8080", weight=100), Slot())
    }
    assert read_old_workers("# workers\n7 worker 0\n# old workers\n5 worker [was: 1] 1\n\n# programs\n") == [5]


def test_counters_go_on_over_workers() -> None:
    def stat(requests: int, server: str = "BACKEND") -> Stat:
        return Stat(backend="app_shop", server=server, open=1, requests=requests, errors=0)

    sums = Sums()
    sums.add({1: [stat(10), stat(10, "s1")]})
    sums.add({1: [stat(12)], 2: [stat(3)]})
    assert (sums.of("shop").requests, sums.of("shop").open) == (15, 2)
    sums.add({2: [stat(4)]})
    assert (sums.of("shop").requests, sums.of("shop").open) == (16, 1)
    assert sums.of("other").requests == 0


def test_the_time_to_answers_adds_up_over_looks_and_workers() -> None:
    def stat(requests: int, answer_ms: int) -> Stat:
        return Stat(backend="app_shop", server="BACKEND", open=0, requests=requests, errors=0, answer_ms=answer_ms)

    sums = Sums()
    for seen in ({1: [stat(10, 20)]}, {1: [stat(10, 20)]}, {1: [stat(15, 40)], 2: [stat(1, 100)]}, {2: [stat(1, 100)]}):
        sums.add(seen)
    assert sums.of("shop").answer_s == pytest.approx(10 * 0.02 + 5 * 0.04 + 0.1)


def test_an_answer_begins_after_waiting_connecting_and_thinking() -> None:
    head = "# pxname,svname,scur,stot,req_tot,hrsp_5xx,qtime,ctime,rtime,ttime"
    (stat,) = read_stats(f"{head}\napp_shop,BACKEND,1,9,9,2,3,1,40,900\n")
    assert (stat.requests, stat.errors, stat.answer_ms) == (9, 2, 44)
