"""Reading samples: from memory or the store, whichever is the finest that reaches back far enough."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from draas.model.sample import Point
from draas.server.services.history import History
from draas.server.services.levels import FINEST, level_for, roll_up, roll_up_to

Stored = Callable[[str, int, float, float], Awaitable[list[Point]]]  # Store.samples


class Samples(NamedTuple):
    """`step_s`: how long a point is."""

    step_s: float
    points: list[Point]


async def nothing_stored(_series: str, _step_s: int, _since: float, _until: float) -> list[Point]:
    """For where there is no store."""
    return []


async def read_samples(
    history: History, stored: Stored, series: str, since: float, step_s: float, now: float
) -> Samples:
    """What began from `since` on, in steps of `step_s` or of what is kept, whichever is longer; up to this moment."""
    level = level_for(now - since)
    if level == FINEST:
        points = history.points(series, since)
    else:
        points = await stored(series, level.step_s, since, now)
        after = points[-1].at + level.step_s if points else since
        # What is not written yet. A step that began before `since` is no step of the answer.
        points += [point for point in roll_up_to(level, history.points(series, after)) if point.at >= since]
    if step_s > level.step_s:
        points = roll_up(points, step_s)
    return Samples(max(step_s, float(level.step_s)), points)
