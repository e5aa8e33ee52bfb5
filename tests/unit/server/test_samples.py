"""Samples: rolled up, kept for their time, found again at the level that reaches back far enough."""

from math import isnan, nan

import pytest

from draas.model.node import Load
from draas.model.sample import NodeSample, Point
from draas.server.services.history import KEPT, STEP_S, History
from draas.server.services.levels import (
    DAY_S,
    FINEST,
    HOUR_S,
    STORED,
    due,
    kept_from,
    level_for,
    restored,
    roll_up,
    roll_up_to,
)
from draas.server.services.samples import read_samples

NOW = 1_800_000_000.0  # a whole quarter of an hour
FINE, COARSE = STORED


def test_steps_are_counted_from_the_epoch_and_means_of_what_they_have() -> None:
    points = [Point(NOW + at, (float(at), 1.0)) for at in (0, 10, 50, 60, 130)]
    assert roll_up(points, 60) == [
        Point(NOW, (20.0, 1.0)),
        Point(NOW + 60, (60.0, 1.0)),
        Point(NOW + 120, (130.0, 1.0)),
    ]
    assert roll_up([], 60) == []


def test_what_is_not_known_does_not_count() -> None:
    (rolled,) = roll_up([Point(NOW, (nan, nan)), Point(NOW + 10, (4.0, nan))], 60)
    assert rolled.values[0] == 4.0
    assert isnan(rolled.values[1])


def test_minutes_count_alike_in_a_quarter_whatever_they_are_made_of() -> None:
    restored_minute = [Point(NOW, (0.0,))]
    measured = [Point(NOW + 60 + at, (6.0,)) for at in range(0, 60, 10)]
    assert roll_up_to(COARSE, restored_minute + measured) == [Point(NOW, (3.0,))]


@pytest.mark.parametrize(
    ("age_s", "step_s"),
    [(0, 10), (HOUR_S, 10), (HOUR_S + 30, 10), (2 * HOUR_S, 60), (DAY_S, 60), (7 * DAY_S, 900), (35 * DAY_S, 900), (10**9, 900)],
)  # fmt: skip
def test_the_finest_level_that_reaches_back_far_enough(age_s: float, step_s: int) -> None:
    assert level_for(age_s).step_s == step_s


def test_whole_steps_are_written_once_and_none_beyond_memory() -> None:
    assert due(FINE, NOW, NOW + 59) is None
    assert due(FINE, NOW, NOW + 60) == (NOW, NOW + 60)
    assert due(FINE, NOW, NOW + 200) == (NOW, NOW + 180)  # after a failure all that is missing
    assert due(FINE, 0, NOW + 30) == (NOW - HOUR_S, NOW)
    assert due(COARSE, NOW - 900, NOW + 899) == (NOW - 900, NOW)
    assert kept_from(NOW) == {60: NOW - DAY_S, 900: NOW - 35 * DAY_S}


def test_after_a_restart_an_hour_is_read_and_whatever_is_not_rolled_up() -> None:
    assert restored(NOW, NOW + 10) == [NOW, NOW - 900, NOW - 1800, NOW - 2700, NOW - 3600]
    assert restored(NOW - 5 * HOUR_S, NOW)[-1] == NOW - 5 * HOUR_S
    assert restored(0, NOW)[-1] == NOW - DAY_S


# --- memory ---


def points(history: History, since: float = 0) -> list[tuple[float, float]]:
    return [(at - NOW, values[0]) for at, values in history.points("n-1", since)]


def test_several_in_one_step_are_averaged_and_the_running_step_is_told() -> None:
    history = History()
    for at, value in ((0, 1.0), (9, 3.0), (10, 5.0), (30, 7.0)):
        history.note("n-1", (value,), NOW + at)
    assert points(history) == [(0, 2.0), (10, 5.0), (30, 7.0)]
    assert points(history, NOW + 5) == [(10, 5.0), (30, 7.0)]
    assert [at for at, _ in history.points("n-1", 0, NOW + 30)] == [NOW, NOW + 10]
    history.forget("n-1")
    assert (points(history), history.series()) == ([], [])


def test_an_hour_is_kept() -> None:
    history = History()
    for at in range(0, 2 * HOUR_S, STEP_S):
        history.note("n-1", (float(at),), NOW + at)
    kept = points(history)
    assert len(kept) == KEPT + 1  # and the running one
    assert (kept[0][0], kept[-1][0]) == (2 * HOUR_S - STEP_S - KEPT * STEP_S, 2 * HOUR_S - STEP_S)


def test_what_was_before_a_restart_comes_before_what_is_measured() -> None:
    history = History()
    history.note("n-1", (9.0, 9.0), NOW + 130)
    history.restore("n-1", 2, [Point(NOW + 60, (3.0,)), Point(NOW + 120, (4.0,))])
    history.restore("n-1", 2, [Point(NOW, (1.0,)), Point(NOW + 60, (2.0,))])
    assert points(history) == [(0, 1.0), (60, 3.0), (120, 4.0), (130, 9.0)]
    assert isnan(history.points("n-1", 0)[0].values[1])  # a column that there was not yet
    history.note("n-1", (9.0, 9.0), NOW + 140)
    assert points(history)[-1] == (140, 9.0)


def test_a_network_that_is_not_measured_is_not_known() -> None:
    history = History()
    history.note_load("n-1", Load(cpu_percent=5.0, sent_bytes_per_s=7.0), NOW)  # type: ignore[arg-type]  # the name alone
    sample = NodeSample(*history.points("n-1", 0)[0].values)
    assert (sample.cpu_percent, sample.sent_bytes_per_s) == (5.0, 7.0)
    assert isnan(sample.received_bytes_per_s)


# --- both together ---


async def test_the_store_tells_what_is_old_and_memory_what_is_not_written_yet() -> None:
    asked: list[tuple[str, int]] = []

    async def stored(series: str, step_s: int, since: float, until: float) -> list[Point]:
        asked.append((series, step_s))
        return [Point(NOW - 7200, (1.0,)), Point(NOW - 120, (2.0,))]

    history = History()
    for at in range(-120, 30, 10):
        history.note("n-1", (float(at),), NOW + at)
    found = await read_samples(history, stored, "n-1", NOW - 7200, 10, NOW)
    assert found.step_s == 60
    assert found.points == [
        Point(NOW - 7200, (1.0,)),
        Point(NOW - 120, (2.0,)),
        Point(NOW - 60, (-35.0,)),
        Point(NOW, (10.0,)),
    ]
    assert asked == [("n-1", 60)]
    hour = await read_samples(history, stored, "n-1", NOW - 3600, 10, NOW)
    assert (hour.step_s, len(hour.points)) == (FINEST.step_s, 15)
    whole = await read_samples(history, stored, "n-1", NOW - 7200, 3600, NOW)
    assert [point.at - NOW for point in whole.points] == [-7200, -3600, 0]
    assert len(asked) == 2
