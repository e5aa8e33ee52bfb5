"""MemoryStore: the Store protocol in memory, for tests and simulations; it passes the same contract suite as SQL.

Several of them may share one Medium, as several runs of a controller share one disk.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from draas.lib import clock
from draas.model.allocation import NodeId
from draas.model.job import Job, JobId
from draas.model.node import Node
from draas.store.store import (
    ANSWERS_KEPT_S,
    Answer,
    JobFilter,
    JoinToken,
    Key,
    NumberedEvent,
    Page,
    Snapshot,
    StoreFailure,
    Write,
)

K = TypeVar("K")


@dataclass(slots=True)
class Medium:
    """What outlives a store."""

    jobs: dict[JobId, Job] = field(default_factory=dict)
    nodes: dict[NodeId, Node] = field(default_factory=dict)
    events: list[NumberedEvent] = field(default_factory=list)
    keys: dict[str, Key] = field(default_factory=dict)
    tokens: dict[str, JoinToken] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    epoch: int = 0
    last_seq: int = 0


class MemoryStore:
    """Implements draas.store.store.Store."""

    def __init__(self, medium: Medium | None = None) -> None:
        self._medium = medium or Medium()
        self._epoch = 0

    async def open(self) -> Snapshot:
        medium = self._medium
        medium.epoch += 1
        self._epoch = medium.epoch
        self._prune()
        return Snapshot(
            jobs=sorted((job for job in medium.jobs.values() if job.live), key=lambda job: job.seq),
            nodes=[medium.nodes[id] for id in sorted(medium.nodes)],
            keys=sorted(medium.keys.values(), key=lambda key: (key.created_at, key.id)),
            tokens=[medium.tokens[digest] for digest in sorted(medium.tokens)],
            next_seq=medium.last_seq + 1,
            epoch=medium.epoch,
        )

    async def commit(self, write: Write) -> int:
        medium, plan = self._medium, write.plan
        if self._epoch != medium.epoch:
            raise StoreFailure(
                f"another controller has taken over (epoch {medium.epoch}, this one has {self._epoch}): stop this one"
            )
        medium.jobs.update((job.id, job) for job in plan.jobs)
        medium.last_seq = max(medium.last_seq, *(job.seq for job in plan.jobs), 0)
        medium.nodes.update((node.id, node) for node in plan.nodes)
        first = len(medium.events) + 1
        medium.events += [NumberedEvent(number=number, event=event) for number, event in enumerate(plan.events, first)]
        medium.keys.update((key.id, key) for key in write.keys)
        medium.tokens.update((token.digest, token) for token in write.tokens)
        medium.answers.update((answer.key, answer) for answer in write.answers)
        _drop(medium.jobs, plan.gone_jobs)
        _drop(medium.nodes, plan.gone_nodes)
        _drop(medium.keys, write.gone_keys)
        _drop(medium.tokens, write.gone_tokens)
        self._prune()
        return len(medium.events)

    def _prune(self) -> None:
        now = clock.now()
        _drop(self._medium.tokens, [t.digest for t in self._medium.tokens.values() if t.expires_at < now])
        _drop(self._medium.answers, [a.key for a in self._medium.answers.values() if a.at < now - ANSWERS_KEPT_S])

    async def job(self, id: JobId) -> Job | None:
        return self._medium.jobs.get(id)

    async def jobs(self, ids: Sequence[JobId]) -> dict[JobId, Job]:
        return {id: self._medium.jobs[id] for id in ids if id in self._medium.jobs}

    async def list_jobs(self, match: JobFilter, below: int | None, limit: int) -> Page:
        found = sorted((job for job in self._medium.jobs.values() if matches(job, match)), key=lambda job: -job.seq)
        rest = [job for job in found if below is None or job.seq < below]
        items = rest[:limit]
        return Page(items=items, next=items[-1].seq if len(rest) > limit and items else None, total=len(found))

    async def events(self, after: int, limit: int, project: str | None = None) -> list[NumberedEvent]:
        return [one for one in self._medium.events[after:] if project in (None, one.event.project)][:limit]

    async def answer(self, key: str) -> Answer | None:
        return self._medium.answers.get(key)

    async def expired_jobs(self, finished_before: float, limit: int) -> list[JobId]:
        ended = [
            (job.finished_at if job.finished_at is not None else job.created_at, job.seq, job.id)
            for job in self._medium.jobs.values()
            if not job.live
        ]
        return [id for at, _, id in sorted(ended) if at < finished_before][:limit]

    async def close(self) -> None:
        return None


def matches(job: Job, match: JobFilter) -> bool:
    """Whether `job` meets every condition that is given."""
    nodes = {name for attempt in job.attempts for name in (attempt.node_name, attempt.node_id)}
    return (
        match.project in (None, job.project)
        and match.state in (None, job.state)
        and match.name in (None, job.spec.name)
        and (match.node is None or match.node in nodes)
        and match.labels.items() <= job.spec.labels.items()
    )


def _drop(table: dict[K, Any], keys: Iterable[K]) -> None:
    for key in keys:
        table.pop(key, None)
