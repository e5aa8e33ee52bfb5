"""Statements about samples: found by times that are counted up, as the table is in the order of time."""

from collections.abc import Mapping
from math import ceil, floor
from typing import Any

from sqlalchemy import CTE, Connection, Delete, Select, delete, func, literal, select

from draas.store.sql_schema import Number, samples

STEPS_AT_ONCE = 3  # steps forgotten at a time: more than come meanwhile


def _times(step_s: int, since: float, until: float) -> CTE:
    """Every time at which a sample of this step may begin, from `since` to `until`."""
    first, last = ceil(since / step_s) * step_s, floor(until / step_s) * step_s
    times = select(literal(first, Number).label("at")).where(literal(first) <= last).cte("times", recursive=True)
    return times.union_all(select(times.c.at + step_s).where(times.c.at + step_s <= last))


def select_samples(series: str, step_s: int, since: float, until: float) -> Select[Any]:
    """(at, body) of one series, in order of time."""
    times = _times(step_s, since, until)
    same = (samples.c.step_s == step_s) & (samples.c.at == times.c.at) & (samples.c.series == series)
    # The outer join is what makes SQLite begin with the times.
    found = select(times.c.at, samples.c.body).select_from(times.outerjoin(samples, same))
    return found.where(samples.c.body.is_not(None)).order_by(times.c.at)


def delete_series(series: str, step_s: int, since: float, until: float) -> Delete:
    """One series, of one step."""
    times = _times(step_s, since, until)
    at = select(times.c.at)
    return delete(samples).where(samples.c.step_s == step_s, samples.c.at.in_(at), samples.c.series == series)


def forget_old(connection: Connection, kept_from: Mapping[int, float]) -> None:
    """Of each step, some of what began before."""
    for step_s, before in kept_from.items():
        oldest = connection.execute(select(func.min(samples.c.at)).where(samples.c.step_s == step_s)).scalar()
        if oldest is not None and oldest < before:
            upto = min(before, oldest + STEPS_AT_ONCE * step_s)
            connection.execute(delete(samples).where(samples.c.step_s == step_s, samples.c.at < upto))
