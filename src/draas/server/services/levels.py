"""Levels: how fine and how long samples are kept, and the way from fine ones to coarse ones. Pure."""

from collections.abc import Iterable, Sequence
from math import isnan
from typing import NamedTuple

from draas.model.sample import NOT_KNOWN, Point


class Level(NamedTuple):
    """One point each `step_s` seconds, for `kept_s`."""

    step_s: int
    kept_s: int


HOUR_S, DAY_S = 3600, 86400
FINEST = Level(10, HOUR_S)  # in memory
STORED = (Level(60, DAY_S), Level(900, 35 * DAY_S))  # durable; each step is a multiple of the one before
LEVELS = (FINEST, *STORED)
SLACK_S = 60.0  # who asks for an hour, by a clock of his own and some time ago, means the level that is for an hour


def level_for(age_s: float) -> Level:
    """The finest level that reaches back so far; the coarsest where none does."""
    return next((level for level in LEVELS if age_s <= level.kept_s + SLACK_S), LEVELS[-1])


def roll_up(points: Iterable[Point], step_s: float) -> list[Point]:
    """The mean of each `step_s` seconds (counted from the epoch) that have any point. What is not known does not count."""
    steps: dict[float, list[tuple[float, ...]]] = {}
    for at, values in points:
        steps.setdefault(at // step_s * step_s, []).append(values)
    return [Point(at, _mean(some)) for at, some in steps.items()]


def roll_up_to(level: Level, points: Iterable[Point]) -> list[Point]:
    """From points of any length to those of a stored level, over the levels between, so that long ones do not count for less."""
    for between in STORED:
        points = roll_up(points, between.step_s)
        if between == level:
            break
    return list(points)


def _mean(some: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    if len(some) == 1:
        return some[0]
    return tuple(map(_mean_of, zip(*some, strict=True)))


def _mean_of(column: Sequence[float]) -> float:
    total = sum(column)
    if not isnan(total):
        return total / len(column)
    known = [value for value in column if not isnan(value)]
    return sum(known) / len(known) if known else NOT_KNOWN


def due(level: Level, written_to: float, now: float) -> tuple[int, int] | None:
    """From when to when this level is to be written now: whole steps, no further back than memory reaches. None: nothing yet."""
    end = int(now // level.step_s) * level.step_s
    begin = max(int(written_to), (int(now) - FINEST.kept_s) // level.step_s * level.step_s)
    return (begin, end) if end > begin else None


def kept_from(now: float) -> dict[int, float]:
    """Of each step that is stored, the beginning of what is kept."""
    return {level.step_s: now - level.kept_s for level in STORED}


def restored(written_to: float, now: float) -> list[int]:
    """The windows of the coarsest step to look at after a restart, the newest first.

    An hour of them goes into memory; those before it are looked at where what was measured has not been rolled up yet.
    """
    fine, coarse = STORED
    first = max(min(written_to, now - FINEST.kept_s), now - fine.kept_s)
    windows = range(int(first // coarse.step_s), int(now // coarse.step_s) + 1)
    return [window * coarse.step_s for window in reversed(windows)]
