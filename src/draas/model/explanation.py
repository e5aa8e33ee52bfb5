"""Explanation: why a job waits, or why it runs where it runs, node by node and in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from draas.model.job import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One node judged for one job. `lacks` are sentences with numbers ("needs 8 cores, 3.5 of 4 are free")."""

    node: str
    fits: bool
    lacks: tuple[str, ...] = ()
    score: float | None = None  # 0..1, mean of `parts`
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`summary` is one sentence. `ahead` counts queued jobs that come before this one."""

    job_id: JobId
    state: str
    summary: str
    ahead: int = 0
    verdicts: tuple[Verdict, ...] = ()
