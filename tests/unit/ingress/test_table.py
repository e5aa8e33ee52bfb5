"""What an ingress takes from the controller, and which of it is served."""

import pytest

from draas.ingress.bisect import refused
from draas.ingress.table import Table, admit, take
from draas.lib.values import replace
from draas.model.allocation import AllocationId
from draas.model.route import AppRoute, Endpoint, HostPath
from draas.wire.link import Routes


def app(name: str, host: str = "", **more: object) -> AppRoute:
    return replace(AppRoute(app=name, hosts=(HostPath(host=host or f"{name}.home"),)), **more)


def test_routes_are_taken_in_order() -> None:
    table = take(Table(), Routes(epoch=2, generation=5, put=[app("a"), app("b")], full=True, challenges={"t": "x"}))
    assert table is not None
    changed = take(table, Routes(epoch=2, generation=6, put=[app("c")], forget=["a"]))
    assert changed is not None
    assert list(changed.routes) == ["b", "c"]
    assert changed.challenges == {"t": "x"}
    assert take(changed, Routes(epoch=2, generation=6, put=[])) is None
    assert take(changed, Routes(epoch=1, generation=99, put=[])) is None
    newer = take(changed, Routes(epoch=3, generation=1, put=[], full=True, challenges={}))
    assert newer is not None
    assert (newer.routes, newer.challenges) == ({}, {})


@pytest.mark.parametrize(
    ("route", "named"),
    [
        (app("A"), "app"),
        (app("a", "x y"), "host"),
        (app("a", "X.home"), "host"),
        (app("a", hosts=(HostPath(host="a.home", path="no-slash"),)), "path"),
        (app("a", hosts=(HostPath(host="a.home", path="/" + "x" * 600),)), "path"),
        (app("a", check_path="/a b"), "check path"),
        (app("a", endpoints=(Endpoint(id=AllocationId("r"), address="nowhere:80"),)), "address"),
        (app("a", endpoints=(Endpoint(id=AllocationId("r"), address="10.0.0.1:70000"),)), "address"),
        (app("a", endpoints=(Endpoint(id=AllocationId("r"), address="10.0.0.1:80", weight=257),)), "weight"),
        (app("a", hold_s=float("nan")), "hold_s"),
    ],
)
def test_a_fault_names_the_field_and_leaves_others_alone(route: AppRoute, named: str) -> None:
    admitted = admit({route.app: route, "good": app("good")}, {})
    assert list(admitted.routes) == ["good"]
    assert admitted.faults[route.app].startswith(named)


def test_who_had_a_host_keeps_it() -> None:
    had = app("zebra", "same.home")
    admitted = admit({"ant": app("ant", "same.home"), "zebra": had}, {"zebra": had})
    assert admitted.routes == {"zebra": had}
    assert admitted.faults == {"ant": "same.home/ is served by the app zebra"}


def test_the_last_good_route_stays_with_new_endpoints() -> None:
    had = app("a")
    new = (Endpoint(id=AllocationId("r2"), address="10.0.0.2:80"),)
    admitted = admit({"a": app("a", "b a d", endpoints=new)}, {"a": had})
    assert admitted.routes == {"a": replace(had, endpoints=new)}


async def test_the_refused_are_found_among_many() -> None:
    asked: list[int] = []

    async def ask(apps: object) -> str:
        names = list(apps)  # type: ignore[call-overload]
        asked.append(len(names))
        return "no" if {"a7", "a20"} & set(names) else ""

    assert await refused([f"a{n}" for n in range(64)], ask) == {"a7": "no", "a20": "no"}
    assert len(asked) < 30
