"""Figures made of what ingresses and agents say: rates over a window, silence, restarts, memory."""

from dataclasses import replace

import pytest
from scaling_world import NOW, a_replica, an_app

from draas.model.allocation import AllocationId, Desired, NodeId
from draas.model.probe import Health
from draas.model.replica import Replica
from draas.model.resources import MIB, Resources
from draas.model.route import Counters
from draas.scheduler.meter import FORGOTTEN_S, FRESH_S, USAGE_FRESH_S, WARM_S, WINDOW_S, Figures, Meter, Work
from draas.wire.link import Traffic, Usage, Usages

ONE, TWO = NodeId("n-1"), NodeId("n-2")
APP = an_app()


@pytest.fixture
def meter() -> Meter:
    return Meter()


def tell(meter: Meter, at: float, requests: int, *, node: NodeId = ONE, busy: int = 0, waiting: int = 0) -> Figures:
    """An ingress's word at `at` seconds, and what is known then."""
    counted = Counters(requests=requests, open=busy, waiting=waiting)
    meter.take_traffic(node, Traffic(generation=1, apps={"shop": counted}), NOW + at)
    return meter.figures(APP, NOW + at)


def use(
    meter: Meter, at: float, cpu_millis: int, memory_mib: int = 50, *, node: NodeId = ONE, replica: str = "r-1"
) -> None:
    usage = {AllocationId(replica): Usage(cpu_millis, memory_mib * MIB)}
    meter.take_usages(node, Usages(replicas=usage), NOW + at)


# --- requests ---


def test_nothing_said_is_nothing_known(meter: Meter) -> None:
    assert meter.figures(APP, NOW) == Figures()


def test_one_word_is_no_rate_yet_whatever_the_proxy_had_counted(meter: Meter) -> None:
    figures = tell(meter, 0, 1_000_000, busy=3, waiting=2)
    assert (figures.requests_per_s, figures.whole, figures.idle_s) == (None, False, None)
    assert (figures.concurrency, figures.waiting) == (5, 2)


def test_the_rate_is_that_of_the_window(meter: Meter) -> None:
    rates = [tell(meter, at, min(at, 10) * 100).requests_per_s for at in range(16)]
    assert rates[1:11] == [100] * 10
    assert rates[11:] == [75, 50, 25, 0, 0]


def test_concurrency_is_the_mean_of_the_window(meter: Meter) -> None:
    for at, busy in enumerate([8, 0, 0, 4, 8]):
        figures = tell(meter, at, 0, busy=busy)
    assert figures.concurrency == 3


def test_ingresses_add_up(meter: Meter) -> None:
    for at in range(6):
        tell(meter, at, 100 * at, busy=2)
        figures = tell(meter, at, 20 * at, node=TWO, busy=1, waiting=1)
    assert (figures.requests_per_s, figures.concurrency, figures.waiting, figures.whole) == (120, 4, 1, True)


def test_a_counter_that_shrinks_began_anew(meter: Meter) -> None:
    figures = [tell(meter, at, requests) for at, requests in enumerate([500, 600, 700, 30, 130])]
    assert [one.requests_per_s for one in figures[1:]] == [100, 100, pytest.approx(230 / 3), pytest.approx(330 / 4)]


def test_a_gap_is_averaged_over(meter: Meter) -> None:
    tell(meter, 0, 0)
    assert tell(meter, 50, 500).requests_per_s == 10


def test_a_silent_ingress_leaves_a_lower_bound_until_its_node_is_gone(meter: Meter) -> None:
    for at in range(3):
        tell(meter, at, 100 * at, node=TWO)
    for at in range(10):
        figures = tell(meter, at, 10 * at)
    assert (figures.requests_per_s, figures.whole, figures.idle_s) == (10, False, None)
    meter.forget_node(TWO)
    assert meter.figures(APP, NOW + 9) == replace(figures, whole=True, idle_s=0)
    meter.forget_node(TWO)
    meter.forget_node(ONE)
    assert meter.figures(APP, NOW + 9) == Figures()


def test_all_silent_is_nothing_known(meter: Meter) -> None:
    tell(meter, 0, 0)
    tell(meter, 1, 100, busy=1, waiting=1)
    assert meter.figures(APP, NOW + 1 + FRESH_S).requests_per_s == 100
    assert meter.figures(APP, NOW + 2 + FRESH_S) == Figures()


@pytest.mark.parametrize("what", [{"requests": 1}, {"requests": 0, "busy": 1}, {"requests": 0, "waiting": 1}], ids=str)
def test_idle_is_since_the_last_sign_of_a_request(meter: Meter, what: dict[str, int]) -> None:
    for at in range(4):
        figures = tell(meter, at, 0)
    assert figures.idle_s == 3, "at first since the first word"
    assert tell(meter, 4, **what).idle_s == 0
    assert tell(meter, 6, what["requests"]).idle_s == 2
    assert tell(meter, 6, 0, node=TWO).idle_s is None
    assert tell(meter, 7, 0, node=TWO).idle_s == 1, "the other one may just have begun"


def test_an_app_that_an_ingress_does_not_name_any_more_is_forgotten(meter: Meter) -> None:
    tell(meter, 0, 0, node=TWO)
    tell(meter, 1, 9, node=TWO)
    for at in range(1, 3 + int(FORGOTTEN_S)):
        tell(meter, at, 0)
        meter.take_traffic(TWO, Traffic(generation=2, apps={}), NOW + at)
    assert meter.figures(APP, NOW + at).whole


def test_a_clock_that_is_set_back_starts_anew(meter: Meter) -> None:
    for at in (100, 101, 102, 3):
        figures = tell(meter, at, at)
    assert (figures.requests_per_s, figures.idle_s) == (None, None)
    assert tell(meter, 4, 13).requests_per_s == 10


def test_a_node_that_never_stops_talking_takes_no_more_memory(meter: Meter) -> None:
    for step in range(10_000):
        at = step / 1000
        figures = tell(meter, at, step)
        use(meter, at, step)
    assert figures.requests_per_s == pytest.approx(1000, rel=0.01)
    (flow,) = meter._flows[ONE].values()
    (used,) = meter._used[ONE].values()
    assert len(flow.heard) <= 20
    assert len(used) <= 20


# --- use ---


def shares(meter: Meter, at: float, *replicas: Replica, resources: Resources | None = None) -> tuple[object, ...]:
    app = an_app(len(replicas), replicas=replicas, resources=resources or an_app().spec.resources)
    figures = meter.figures(app, NOW + at)
    return figures.cpu_percent, figures.memory_percent, figures.measured


def test_use_is_relative_to_what_was_asked_for_and_the_mean_of_replicas(meter: Meter) -> None:
    use(meter, 0, 500)
    use(meter, 0, 1500, 150, replica="r-2")
    assert shares(meter, 0, a_replica(1), a_replica(2)) == (100, 100, 2)
    use(meter, 1, 250, 10)
    assert shares(meter, 1, a_replica(1)) == (37.5, 30, 1)
    use(meter, 1 + WINDOW_S, 900, 90)
    assert shares(meter, 1 + WINDOW_S, a_replica(1)) == (90, 90, 1)


def test_a_replica_that_asked_for_nothing_has_no_share(meter: Meter) -> None:
    use(meter, 0, 500)
    assert shares(meter, 0, a_replica(1), resources=Resources(memory_bytes=100 * MIB)) == (None, 50, 1)


@pytest.mark.parametrize(
    ("replica", "counts"),
    [
        (a_replica(1, since=NOW - WARM_S), True),
        (a_replica(1, since=NOW - WARM_S + 1), False),
        (a_replica(1, health=Health.UNKNOWN), False),
        (a_replica(1, health=Health.UNHEALTHY), True),
        (a_replica(1, health=Health.UNHEALTHY, release=2), False),
        (replace(a_replica(1), leaving_at=NOW), False),
        (replace(a_replica(1), allocation=replace(a_replica(1).allocation, desired=Desired.STOP)), False),
        (a_replica(1, node="n-2"), False),
    ],
    ids=["warm", "just started", "starting", "overloaded", "never worked", "leaving", "stopping", "elsewhere"],
)
def test_only_replicas_at_work_on_the_node_that_speaks_are_measured(
    meter: Meter, replica: Replica, counts: bool
) -> None:
    use(meter, 0, 500)
    assert shares(meter, 0, replica) == ((50, 50, 1) if counts else (None, None, 0))


def test_old_figures_of_use_do_not_count_and_are_forgotten(meter: Meter) -> None:
    use(meter, 0, 500)
    assert shares(meter, USAGE_FRESH_S, a_replica(1)) == (50, 50, 1)
    assert shares(meter, USAGE_FRESH_S + 1, a_replica(1)) == (None, None, 0)
    use(meter, FORGOTTEN_S, 500, replica="r-2")
    assert set(meter._used[ONE]) == {"r-2"}
    meter.forget_node(ONE)
    assert shares(meter, FORGOTTEN_S, a_replica(2)) == (None, None, 0)


# --- what is kept of an app's work ---


def work(meter: Meter, at: float) -> Work:
    [(_, found)] = meter.work([APP], NOW + at)
    return found


def count(meter: Meter, at: float, requests: int, errors: int = 0, answer_s: float = 0.0, node: NodeId = ONE) -> None:
    counted = Counters(requests=requests, errors=errors, answer_s=answer_s)
    meter.take_traffic(node, Traffic(generation=1, apps={"shop": counted}), NOW + at)


def test_work_is_what_was_counted_since_the_last_look(meter: Meter) -> None:
    count(meter, 0, 1_000_000, 1_000, 50.0)
    assert work(meter, 0).requests_per_s is None
    count(meter, 10, 1_000_100, 1_020, 52.0)
    assert work(meter, 10) == Work(requests_per_s=10, errors_per_s=2, answering=0.2, cpu_cores=0, memory_bytes=0)
    count(meter, 20, 1_000_100, 1_020, 52.0)
    assert work(meter, 20).requests_per_s == 0
    assert work(meter, 21).requests_per_s is None  # nothing new was said


def test_work_of_all_ingresses_adds_up_and_silent_ones_count_for_nothing(meter: Meter) -> None:
    for at in (0, 10):
        count(meter, at, 10 * at, node=ONE)
        count(meter, at, 2 * at, at, node=TWO)
        found = work(meter, at)
    assert (found.requests_per_s, found.errors_per_s) == (12, 1)
    count(meter, 20, 200)
    assert work(meter, 20).requests_per_s == 10


def test_a_proxy_that_begins_anew_makes_no_peak_of_work(meter: Meter) -> None:
    count(meter, 0, 500, 50, 5.0)
    work(meter, 0)
    count(meter, 10, 30, 10, 1.0)
    found = work(meter, 10)
    assert (found.requests_per_s, found.errors_per_s, found.answering) == (3, 1, 0.1)


def test_use_is_the_sum_over_replicas_of_their_means(meter: Meter) -> None:
    app = an_app(replicas=(a_replica(1), a_replica(2, node="n-2")))
    for at, millis in enumerate((100, 300)):
        use(meter, at, millis, replica="r-1")
        use(meter, at, 50, 10, replica="r-2", node=TWO)
    [(_, found)] = meter.work([app], NOW + 2)
    assert (found.cpu_cores, found.memory_bytes) == (0.25, 60 * MIB)
    [(_, found)] = meter.work([app], NOW + 3)
    assert (found.cpu_cores, found.memory_bytes) == (None, None)  # nothing new was said
