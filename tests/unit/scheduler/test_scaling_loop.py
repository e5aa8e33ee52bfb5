"""The closed loop: load on an app, replicas that come and go by the decisions, figures that follow from them."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling_world import NOW, World, an_app

from draas.model.allocation import NodeId
from draas.model.app_spec import Autoscale
from draas.scheduler.autoscale import HOLD_S, STABLE_S

BY_REQUESTS = Autoscale(requests_per_s=100)
BY_CPU = Autoscale(cpu_percent=50)  # 125 requests/s of 4 ms each
BY_CONCURRENCY = Autoscale(concurrency=10)  # 100 requests/s of 0.1 s each


def steps(*levels: tuple[int, float]) -> Callable[[float], float]:
    """A load that is at each level from its second on."""
    return lambda at: next((load for since, load in reversed(levels) if at >= since), 0.0)


def square(half_s: float, low: float, high: float) -> Callable[[float], float]:
    return lambda at: high if int(at / half_s) % 2 else low


@pytest.mark.parametrize(
    ("rules", "wanted"), [(BY_REQUESTS, 9), (BY_CONCURRENCY, 9), (BY_CPU, 8)], ids=["requests/s", "concurrency", "CPU"]
)
def test_a_step_up_and_the_calm_after_it(rules: Autoscale, wanted: int) -> None:
    world = World(app=an_app(2, low=2, high=12, rules=rules), load=steps((0, 150), (120, 900), (300, 150)))
    world.go(120)
    assert world.changes == []
    world.go(180)
    assert world.changes[0].at - (NOW + 120) <= 10
    assert world.serving[120 + 14] > 2, "a new replica serves within 15 s"
    assert world.app.wanted == wanted
    ups = len(world.changes)
    most = 4 if rules is BY_CPU else 2  # a CPU that is full does not say how much is missing
    assert ups <= most, world.changes[:ups]
    assert all(change.after > change.before for change in world.changes)
    world.go(200)
    downs = world.changes[ups:]
    assert world.app.wanted == 2
    assert len(downs) <= 2
    assert downs[0].at - (NOW + 300) >= STABLE_S


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(0, 300),
    st.integers(0, 1500),
    st.sampled_from([BY_REQUESTS, BY_CONCURRENCY, BY_CPU]),
    st.integers(0, 20),
)
def test_a_square_wave_does_not_flap(half_s: int, low: int, high: int, rules: Autoscale, start_s: int) -> None:
    """Shorter calms than a minute take nothing away. Longer ones are followed: once down and once up, each in a step or two."""
    world = World(app=an_app(1, high=20, rules=rules), load=square(half_s, low, low + high), start_s=start_s)
    world.go(900)
    ups = [change for change in world.changes if change.after > change.before]
    downs = [change for change in world.changes if change.after < change.before]
    halves = 900 / half_s
    if half_s < STABLE_S:
        assert downs == []
        assert len(ups) <= 5
    else:
        assert len(downs) <= 2 * (halves / 2 + 1)
        assert len(ups) <= 5 * (halves / 2 + 1)
    assert all(
        later.at - earlier.at >= HOLD_S for earlier, later in zip(world.changes, world.changes[1:], strict=False)
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2500), min_size=1, max_size=6), st.sampled_from([BY_REQUESTS, BY_CONCURRENCY]))
def test_after_any_load_it_comes_to_rest_where_the_load_wants_it(loads: list[int], rules: Autoscale) -> None:
    world = World(
        app=an_app(3, low=2, high=20, rules=rules), load=steps(*((20 * at, load) for at, load in enumerate(loads)))
    )
    world.go(20 * len(loads) + 200)
    needed = min(20, max(2, loads[-1] / 100))
    assert needed / 1.1 - 0.1 <= world.app.wanted <= needed / 0.9 + 1
    changes = len(world.changes)
    world.go(300)
    assert len(world.changes) == changes, "at rest"


@pytest.mark.parametrize("load", [150, 400, 1000], ids=str)
def test_more_load_more_replicas(load: int) -> None:
    reached = []
    for factor in (1, 1.5, 2):
        world = World(app=an_app(1, high=40, rules=BY_CPU), load=steps((0, load * factor)))
        world.go(200)
        reached.append(world.app.wanted)
    assert reached == sorted(reached)
    assert reached[0] < reached[-1]


def test_an_ingress_that_falls_silent_takes_no_replica_away_and_one_that_is_gone_does() -> None:
    world = World(app=an_app(4, high=9, rules=BY_REQUESTS), load=steps((0, 400)))
    world.go(60)
    world.speaking = 1
    world.go(300)
    assert world.changes == []
    world.meter.forget_node(NodeId("n-in-1"))
    world.go(120)
    assert [(change.before, change.after) for change in world.changes] == [(4, 2)]


def test_asleep_until_a_request_comes_and_not_asleep_again_at_once() -> None:
    rules = Autoscale(requests_per_s=100, idle_s=100)
    world = World(app=an_app(2, low=0, high=5, rules=rules), load=steps((0, 20), (50, 0), (300, 1), (301, 0)))
    world.go(299)
    assert [(change.before, change.after) for change in world.changes] == [(2, 1), (1, 0)]
    assert world.changes[1].at - (NOW + 50) >= 100 - 1
    assert world.app.sleeping
    world.go(6)
    assert world.held == 0, "the request was held until the replica had started"
    assert (world.app.wanted, world.app.sleeping, world.serving[-1]) == (1, False, 1)
    world.go(90)
    assert world.app.wanted == 1
    world.go(20)
    assert world.app.sleeping
    assert world.changes[-1].reason == "1 to 0: no request for 100 s"
