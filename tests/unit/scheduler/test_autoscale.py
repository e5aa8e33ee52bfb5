"""How many replicas: what figures ask for, within bounds, not too early and not too late, and in which words."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling_world import NOW, an_app

from draas.model.app import App, Scaling
from draas.model.app_spec import Autoscale
from draas.model.release import ReleaseState
from draas.scheduler.autoscale import COOL_DOWN_S, HOLD_S, SILENCE_S, STABLE_S, Autoscaler, recommend
from draas.scheduler.meter import Figures

BY_REQUESTS = Autoscale(requests_per_s=100)
BY_ALL = Autoscale(requests_per_s=100, concurrency=10, cpu_percent=50, memory_percent=80)
LONG = int(STABLE_S + HOLD_S + COOL_DOWN_S) + 5


def requests(per_s: float | None, *, whole: bool = True) -> Figures:
    return Figures(requests_per_s=per_s, idle_s=0, whole=whole)


def watch(
    app: App, figures: Figures, seconds: int, scaler: Autoscaler | None = None, *, start: float = NOW
) -> tuple[Scaling | None, App]:
    """Ask each second until something is decided. The decision, and the app once it was taken over."""
    scaler = scaler or Autoscaler()
    for second in range(seconds):
        decided = scaler.decide(app, figures, start + second)
        if decided is not None:
            return decided, replace(app, wanted=decided.after, scaled_at=decided.at, sleeping=decided.after == 0)
    return None, app


# --- what the figures of a moment ask for ---


@pytest.mark.parametrize(
    ("wanted", "rules", "figures", "replicas"),
    [
        (2, BY_REQUESTS, requests(360), 4),
        (2, BY_REQUESTS, requests(400), 4),
        (2, BY_REQUESTS, requests(401), 5),
        (2, BY_REQUESTS, requests(220), 2),
        (2, BY_REQUESTS, requests(221), 3),
        (4, BY_REQUESTS, requests(360), 4),
        (4, BY_REQUESTS, requests(301), 4),
        (4, BY_REQUESTS, requests(300), 3),
        (4, BY_REQUESTS, requests(0), 0),
        (4, BY_REQUESTS, requests(None), 4),
        (4, BY_REQUESTS, requests(10, whole=False), 4),
        (4, BY_REQUESTS, requests(900, whole=False), 9),
        (3, Autoscale(requests_per_s=0.1), requests(0.1 * 12), 12),  # 12.000000000000002
        (2, Autoscale(concurrency=10), Figures(concurrency=55, whole=True), 6),
        (2, Autoscale(cpu_percent=50), Figures(cpu_percent=90, measured=2), 4),
        (4, Autoscale(cpu_percent=50), Figures(cpu_percent=90, measured=2), 4),  # two more are starting
        (4, Autoscale(cpu_percent=50), Figures(cpu_percent=10, measured=2), 3),  # they may be at their target
        (4, Autoscale(cpu_percent=50), Figures(cpu_percent=10, measured=4), 1),
        (4, Autoscale(cpu_percent=50), Figures(), 4),
        (4, Autoscale(memory_percent=80), Figures(memory_percent=95, measured=4), 5),
        (4, BY_ALL, Figures(requests_per_s=100, concurrency=10, cpu_percent=5, memory_percent=5, measured=4, whole=True), 1),
        (4, BY_ALL, Figures(requests_per_s=100, concurrency=70, cpu_percent=5, memory_percent=5, measured=4, whole=True), 7),
        (4, BY_ALL, Figures(requests_per_s=100, concurrency=10, whole=True), 4),
        (4, BY_ALL, Figures(requests_per_s=600), 6),
        (3, Autoscale(), requests(1000), 3),
    ],
)  # fmt: skip
def test_what_figures_ask_for(wanted: int, rules: Autoscale, figures: Figures, replicas: int) -> None:
    assert recommend(an_app(wanted, rules=rules), rules, figures, NOW).replicas == replicas


some = st.none() | st.floats(0, 1e6)


@given(st.integers(1, 50), st.floats(0, 1e4), st.floats(0, 1e4), some, some, some, st.integers(0, 60), st.booleans())
def test_more_load_never_asks_for_fewer(
    wanted: int, less: float, more: float, other: float | None, cpu: float | None, memory: float | None, measured: int,
    whole: bool,
) -> None:  # fmt: skip
    app = an_app(wanted, rules=BY_ALL)
    loads = sorted((less, more))
    rest = Figures(concurrency=other, cpu_percent=cpu, memory_percent=memory, measured=measured, whole=whole)
    found = [recommend(app, BY_ALL, replace(rest, requests_per_s=load), NOW).replicas for load in loads]
    assert found == sorted(found)
    known = [recommend(app, BY_ALL, replace(rest, cpu_percent=load), NOW).replicas for load in loads]
    assert known == sorted(known)


@given(st.integers(1, 50), some, some, some, some, st.integers(0, 60), st.booleans())
def test_what_is_not_known_never_asks_for_fewer(
    wanted: int, load: float | None, busy: float | None, cpu: float | None, memory: float | None, measured: int, whole: bool
) -> None:  # fmt: skip
    app = an_app(wanted, rules=BY_ALL)
    figures = Figures(
        requests_per_s=load, concurrency=busy, cpu_percent=cpu, memory_percent=memory, measured=measured, whole=whole
    )
    if None in (load, busy, cpu, memory) or not whole or not measured:
        assert recommend(app, BY_ALL, figures, NOW).replicas >= wanted


# --- when, and in which words ---


@pytest.mark.parametrize(
    ("app", "figures", "told"),
    [
        (an_app(2, rules=BY_REQUESTS), requests(360), "2 to 4: 180 requests/s a replica, target 100"),
        (
            an_app(2, high=6, rules=BY_REQUESTS),
            requests(1000),
            "2 to 6: 500 requests/s a replica, target 100; 10 would do, the maximum is 6",
        ),
        (
            an_app(1, rules=Autoscale(concurrency=2.5)),
            Figures(concurrency=4, whole=True),
            "1 to 2: 4 requests at once a replica, target 2.5",
        ),
        (
            an_app(2, rules=Autoscale(cpu_percent=50)),
            Figures(cpu_percent=95.2, measured=2),
            "2 to 4: 95 % of its CPU a replica, target 50 %",
        ),
        (
            an_app(2, rules=Autoscale(memory_percent=80)),
            Figures(memory_percent=90, measured=2),
            "2 to 3: 90 % of its memory a replica, target 80 %",
        ),
        (
            an_app(6, rules=BY_REQUESTS),
            requests(150),
            "6 to 2: at most 25 requests/s a replica, target 100, for 60 s",
        ),
        (
            an_app(6, low=3, rules=BY_REQUESTS),
            requests(150),
            "6 to 3: at most 25 requests/s a replica, target 100; 2 would do, the minimum is 3, for 60 s",
        ),
        (an_app(2, rules=BY_REQUESTS), requests(0), "2 to 1: at most 0 requests/s a replica, target 100, for 60 s"),
        (an_app(2, low=3, rules=BY_REQUESTS), Figures(), "2 to 3: the minimum is 3"),
        (an_app(9, high=6, rules=BY_REQUESTS), requests(900), "9 to 6: the maximum is 6"),
        (
            an_app(1, low=0, rules=Autoscale(requests_per_s=100, idle_s=60)),
            replace(requests(0), idle_s=400),
            "1 to 0: no request for 60 s",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_decision_says_why(app: App, figures: Figures, told: str) -> None:
    decided, after = watch(app, figures, LONG)
    assert decided is not None
    assert (decided.reason, decided.before) == (told, app.wanted)
    assert told.startswith(f"{decided.before} to {decided.after}: ")
    assert watch(after, Figures(), LONG)[0] is None


@pytest.mark.parametrize(
    ("app", "figures"),
    [
        (an_app(2), requests(900)),
        (an_app(2, rules=Autoscale()), requests(900)),
        (an_app(0, rules=BY_REQUESTS, low=0), requests(900)),
        (replace(an_app(2, rules=BY_REQUESTS), removing=True), requests(900)),
        (replace(an_app(2, rules=BY_REQUESTS), live=None), requests(900)),
        (an_app(2, rules=BY_REQUESTS), requests(215)),
        (an_app(2, rules=BY_REQUESTS), requests(185)),
        (an_app(2, rules=BY_REQUESTS), Figures()),
        (an_app(2, rules=BY_REQUESTS), requests(0, whole=False)),
        (an_app(10, rules=BY_REQUESTS), requests(1e9)),
        (an_app(1, rules=BY_REQUESTS), requests(0)),
        (an_app(1, rules=BY_REQUESTS), replace(requests(0), idle_s=1e6)),
        (an_app(1, low=0, rules=BY_REQUESTS), replace(requests(0), idle_s=299)),
        (an_app(1, low=0, rules=BY_REQUESTS), replace(requests(0), idle_s=None)),
        (an_app(1, low=0, rules=BY_REQUESTS), replace(requests(0), idle_s=1e6, waiting=1)),
        (an_app(1, low=0, rules=BY_REQUESTS, port=None), replace(requests(0), idle_s=1e6)),
    ],
    ids=[
        *("no rules", "no targets", "stopped", "removing", "never live", "little more", "little less", "nothing known"),
        *("an ingress silent", "at the maximum", "at the minimum", "sleep not allowed", "not idle long enough"),
        *("idle not known", "a request waits", "no port"),
    ],
)
def test_nothing_is_decided(app: App, figures: Figures) -> None:
    assert watch(app, figures, 400)[0] is None


def rolling(app: App, state: ReleaseState) -> App:
    return replace(app, releases=(*app.releases, replace(app.releases[0], number=2, state=state)))


@pytest.mark.parametrize("state", [ReleaseState.PENDING, ReleaseState.ROLLING])
def test_an_app_that_gets_a_release_stays_awake(state: ReleaseState) -> None:
    app = an_app(1, low=0, rules=BY_REQUESTS)
    quiet = replace(requests(0), idle_s=1e6)
    assert watch(rolling(app, state), quiet, 400)[0] is None
    assert watch(app, quiet, 400)[0] is not None


def test_up_soon_and_down_late() -> None:
    up, _ = watch(an_app(2, rules=BY_REQUESTS), requests(360), LONG)
    down, _ = watch(an_app(4, rules=BY_REQUESTS), requests(120), LONG)
    assert up is not None
    assert down is not None
    assert up.at - NOW == HOLD_S
    assert down.at - NOW >= STABLE_S


def test_a_spike_is_not_answered() -> None:
    scaler, app = Autoscaler(), an_app(2, rules=BY_REQUESTS)
    for second in range(100):
        load = 900 if second % 5 < 3 else 100
        assert scaler.decide(app, requests(load), NOW + second) is None


def test_the_highest_of_a_minute_counts_downwards() -> None:
    scaler, app = Autoscaler(), an_app(8, rules=BY_REQUESTS)
    assert watch(app, requests(100), 30, scaler)[0] is None
    assert watch(app, requests(450), 1, scaler, start=NOW + 30)[0] is None
    decided, app = watch(app, requests(100), 40, scaler, start=NOW + 31)
    assert decided is not None
    assert (decided.after, decided.reason) == (5, "8 to 5: at most 56 requests/s a replica, target 100, for 60 s")
    again, _ = watch(app, requests(100), 60, scaler, start=decided.at + 1)
    assert again is not None
    assert again.after == 1
    assert again.at - decided.at >= COOL_DOWN_S


def test_peaks_that_leave_the_minute_one_after_another_are_one_step_down_after_a_pause() -> None:
    scaler, app = Autoscaler(), an_app(8, rules=BY_REQUESTS)
    peaks, downs = {10: 450, 15: 350, 20: 250}, []
    for second in range(150):
        decided = scaler.decide(app, requests(peaks.get(second, 100)), NOW + second)
        if decided is not None:
            downs.append(decided)
            app = replace(app, wanted=decided.after, scaled_at=decided.at)
    assert [(down.before, down.after) for down in downs] == [(8, 5), (5, 1)]
    assert downs[1].at - downs[0].at == COOL_DOWN_S


def test_what_a_person_sets_stands_for_a_minute() -> None:
    scaler, app = Autoscaler(), an_app(3, high=6, rules=BY_REQUESTS)
    assert watch(app, requests(300), 200, scaler)[0] is None
    more = replace(app, wanted=8, spec=replace(app.spec, max_replicas=8))  # `scale 8` has moved the maximum
    decided, _ = watch(more, requests(300), LONG, scaler, start=NOW + 200)
    assert decided is not None
    assert (decided.before, decided.after) == (8, 3)
    assert decided.at - (NOW + 200) >= STABLE_S


def test_fewer_by_hand_are_made_more_again_only_within_the_new_bounds() -> None:
    app = an_app(2, low=2, high=2, rules=BY_REQUESTS)
    assert watch(app, requests(900), 400)[0] is None
    decided, _ = watch(replace(app, spec=replace(app.spec, max_replicas=4)), requests(900), 400)
    assert decided is not None
    assert decided.after == 4


def test_a_controller_that_starts_anew_takes_nothing_away_for_a_minute() -> None:
    app = an_app(4, low=0, rules=Autoscale(requests_per_s=100, idle_s=30), scaled_at=NOW - 1000)
    decided, _ = watch(app, requests(0), LONG)
    assert decided is not None
    assert decided.at - NOW >= STABLE_S


def test_a_pause_in_asking_is_as_a_start() -> None:
    scaler, app = Autoscaler(), an_app(4, rules=BY_REQUESTS)
    assert watch(app, requests(100), int(STABLE_S), scaler)[0] is None
    later = NOW + STABLE_S + SILENCE_S + 1
    assert watch(app, requests(100), int(STABLE_S), scaler, start=later)[0] is None
    assert watch(app, requests(100), int(STABLE_S), scaler, start=NOW)[0] is None, "a clock that is set back"


def test_a_decision_that_nobody_takes_over_is_made_again() -> None:
    scaler, app = Autoscaler(), an_app(2, rules=BY_REQUESTS)
    first, _ = watch(app, requests(360), LONG, scaler)
    assert first is not None
    second, _ = watch(app, requests(360), LONG, scaler, start=first.at + 1)
    assert second is not None
    assert second.after == first.after


def test_an_app_that_was_woken_stays_awake() -> None:
    """By a request, and by a person, whom no ingress tells of."""
    rules = Autoscale(requests_per_s=100, idle_s=40)
    scaler, app = Autoscaler(), an_app(1, low=0, rules=rules)
    idle = replace(requests(0), idle_s=1000)
    slept, asleep = watch(app, idle, 50, scaler)
    assert slept is not None
    assert slept.at - NOW == 40
    assert watch(asleep, idle, 100, scaler, start=slept.at + 1)[0] is None
    woken = replace(asleep, wanted=1, sleeping=False, scaled_at=slept.at + 101)
    again, _ = watch(woken, idle, 100, scaler, start=slept.at + 101)
    assert again is not None
    assert again.at - slept.at == 141


def test_without_targets_an_app_only_sleeps() -> None:
    app = an_app(3, low=0, rules=Autoscale(idle_s=5))
    assert watch(app, requests(10_000), 100)[0] is None
    decided, _ = watch(app, replace(requests(0), idle_s=5), 100)
    assert decided is not None
    assert (decided.after, decided.reason) == (0, "3 to 0: no request for 5 s")


steps = st.lists(st.tuples(some, some, st.booleans(), st.integers(1, 30)), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 5), st.integers(0, 10), st.integers(1, 15), steps)
def test_whatever_is_said_the_bounds_hold(
    low: int, more: int, wanted: int, told: list[tuple[float | None, float | None, bool, int]]
) -> None:
    scaler = Autoscaler()
    high = max(1, low + more)
    app = an_app(wanted, low=low, high=high, rules=replace(BY_ALL, memory_percent=None))
    now = NOW
    for load, cpu, whole, seconds in told:
        for _ in range(seconds):
            now += 1
            figures = Figures(requests_per_s=load, concurrency=load, cpu_percent=cpu, measured=1, whole=whole, idle_s=0)
            decided = scaler.decide(app, figures, now)
            if decided is not None:
                assert decided.before == app.wanted != decided.after
                assert max(1, low) <= decided.after <= high
                if decided.after < decided.before <= high:
                    assert whole
                    assert None not in (load, cpu)
                app = replace(app, wanted=decided.after, scaled_at=now)
    assert max(1, low) <= app.wanted <= high
