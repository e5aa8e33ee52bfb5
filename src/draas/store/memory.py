"""MemoryStore: the Store without a disk, for tests and simulations. It passes the same contract suite as SqlStore."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from draas.lib import clock
from draas.model.allocation import NodeId
from draas.model.app import App, AppId
from draas.model.certificate import Certificate
from draas.model.job import Job, JobId, ProjectName
from draas.model.node import Node
from draas.model.registry import RegistryLogin
from draas.model.sample import Point
from draas.store.store import (
    ANSWERS_KEPT_S,
    EVENTS_KEPT_S,
    Answer,
    JobFilter,
    Key,
    NumberedEvent,
    Page,
    Snapshot,
    StoredSample,
    StoreFailure,
    Token,
    Write,
)
from draas.store.stored import decode_values


@dataclass(slots=True)
class Medium:
    """What outlives a MemoryStore, as a disk would. `trouble`: every commit fails with it until it is "" again."""

    trouble: str = ""
    epoch: int = 0
    last_seq: int = 0
    last_event: int = 0
    jobs: dict[JobId, Job] = field(default_factory=dict)
    nodes: dict[NodeId, Node] = field(default_factory=dict)
    apps: dict[AppId, App] = field(default_factory=dict)
    events: list[NumberedEvent] = field(default_factory=list)
    keys: dict[str, Key] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    registries: dict[tuple[ProjectName, str], RegistryLogin] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    samples: dict[tuple[int, int, str], bytes] = field(default_factory=dict)


class MemoryStore:
    """Implements draas.store.store.Store on a `medium`. `now` gives Unix seconds, by which what is old is forgotten."""

    def __init__(
        self,
        medium: Medium | None = None,
        now: Callable[[], float] = clock.now,
        events_kept_s: float = EVENTS_KEPT_S,
    ) -> None:
        self.medium = medium or Medium()
        self._now = now
        self._events_kept_s = events_kept_s
        self._epoch = 0

    async def open(self) -> Snapshot:
        """See Store.open."""
        medium = self.medium
        medium.epoch += 1
        self._epoch = medium.epoch
        self._prune()
        return Snapshot(
            jobs=sorted((job for job in medium.jobs.values() if job.live), key=lambda job: job.seq),
            nodes=sorted(medium.nodes.values(), key=lambda node: node.id),
            apps=sorted(medium.apps.values(), key=lambda app: app.id),
            keys=sorted(medium.keys.values(), key=lambda key: (key.created_at, key.id)),
            tokens=sorted(medium.tokens.values(), key=lambda token: token.digest),
            certificates=sorted(medium.certificates.values(), key=lambda certificate: certificate.host),
            registries=[login for _, login in sorted(medium.registries.items(), key=lambda item: item[0])],
            next_seq=medium.last_seq + 1,
            epoch=self._epoch,
            last_event=medium.last_event,
        )

    async def commit(self, write: Write) -> int:
        """See Store.commit."""
        medium, plan = self.medium, write.plan
        self._check_writable()
        medium.jobs.update({job.id: job for job in plan.jobs})
        medium.last_seq = max(medium.last_seq, max((job.seq for job in plan.jobs), default=0))
        medium.nodes.update({node.id: node for node in plan.nodes})
        medium.apps.update({app.id: app for app in plan.apps})
        medium.keys.update({key.id: key for key in write.keys})
        medium.tokens.update({token.digest: token for token in write.tokens})
        medium.certificates.update({certificate.host: certificate for certificate in write.certificates})
        medium.registries.update({(login.project, login.host): login for login in write.registries})
        medium.answers.update({answer.key: answer for answer in write.answers})
        medium.events += [
            NumberedEvent(number=number, event=event) for number, event in enumerate(plan.events, medium.last_event + 1)
        ]
        medium.last_event += len(plan.events)
        for job_id in plan.gone_jobs:
            medium.jobs.pop(job_id, None)
        for node_id in plan.gone_nodes:
            medium.nodes.pop(node_id, None)
        for app_id in plan.gone_apps:
            medium.apps.pop(app_id, None)
        for key_id in write.gone_keys:
            medium.keys.pop(key_id, None)
        for host in write.gone_certificates:
            medium.certificates.pop(host, None)
        for project_host in write.gone_registries:
            medium.registries.pop(project_host, None)
        for digest in write.gone_tokens:
            medium.tokens.pop(digest, None)
        self._prune()
        return medium.last_event

    def _prune(self) -> None:
        now = self._now()
        for answer in [answer for answer in self.medium.answers.values() if answer.at < now - ANSWERS_KEPT_S]:
            del self.medium.answers[answer.key]
        for token in [token for token in self.medium.tokens.values() if token.expires_at < now]:
            del self.medium.tokens[token.digest]
        kept_from = now - self._events_kept_s
        self.medium.events = [one for one in self.medium.events if one.event.at >= kept_from]

    async def job(self, id: JobId) -> Job | None:
        """See Store.job."""
        self._check_open()
        return self.medium.jobs.get(id)

    async def jobs(self, ids: Sequence[JobId]) -> dict[JobId, Job]:
        """See Store.jobs."""
        self._check_open()
        return {id: self.medium.jobs[id] for id in ids if id in self.medium.jobs}

    async def list_jobs(self, match: JobFilter, below: int | None, limit: int) -> Page:
        """See Store.list_jobs."""
        self._check_open()
        found = sorted((job for job in self.medium.jobs.values() if matches(job, match)), key=lambda job: -job.seq)
        left = [job for job in found if below is None or job.seq < below]
        items = left[:limit]
        return Page(items=items, next=items[-1].seq if items and len(left) > limit else None, total=len(found))

    async def events(self, after: int, limit: int, project: str | None = None) -> list[NumberedEvent]:
        """See Store.events."""
        self._check_open()
        first = bisect_right(self.medium.events, after, key=lambda one: one.number)
        found = (one for one in self.medium.events[first:] if project is None or one.event.project == project)
        return list(islice(found, limit))

    async def answer(self, key: str) -> Answer | None:
        """See Store.answer."""
        self._check_open()
        found = self.medium.answers.get(key)
        return found if found is not None and found.at >= self._now() - ANSWERS_KEPT_S else None

    async def expired_jobs(self, finished_before: float, limit: int) -> list[JobId]:
        """See Store.expired_jobs."""
        self._check_open()
        ended = [
            (job.finished_at if job.finished_at is not None else job.created_at, job.seq, job.id)
            for job in self.medium.jobs.values()
            if not job.live
        ]
        return [id for at, _, id in sorted(ended) if at < finished_before][:limit]

    async def keep_samples(self, samples: Sequence[StoredSample], kept_from: Mapping[int, float]) -> None:
        """See Store.keep_samples."""
        self._check_writable()
        kept = self.medium.samples
        kept.update({(step_s, at, series): body for step_s, at, series, body in samples})
        for key in [key for key in kept if key[1] < kept_from.get(key[0], 0.0)]:
            del kept[key]

    async def forget_samples(self, series: str, since: Mapping[int, float]) -> None:
        """See Store.forget_samples."""
        self._check_writable()
        for key in [key for key in self.medium.samples if key[2] == series]:
            del self.medium.samples[key]

    async def samples(self, series: str, step_s: int, since: float, until: float) -> list[Point]:
        """See Store.samples."""
        self._check_open()
        found = [
            (at, body)
            for (step, at, one), body in self.medium.samples.items()
            if (step, one) == (step_s, series) and since <= at <= until
        ]
        return [Point(at, decode_values(body)) for at, body in sorted(found)]

    async def all_samples(self, step_s: int, since: float, until: float) -> list[StoredSample]:
        """See Store.all_samples."""
        self._check_open()
        found = [StoredSample(*key, body) for key, body in self.medium.samples.items()]
        return sorted(one for one in found if one.step_s == step_s and since <= one.at < until)

    async def last_sample_at(self, step_s: int) -> int | None:
        """See Store.last_sample_at."""
        self._check_open()
        return max((at for step, at, _ in self.medium.samples if step == step_s), default=None)

    async def close(self) -> None:
        """See Store.close."""
        self._epoch = 0

    def _check_writable(self) -> None:
        self._check_open()
        if self.medium.trouble:
            raise StoreFailure(self.medium.trouble)
        if self.medium.epoch != self._epoch:
            raise StoreFailure(
                f"another controller has taken over (epoch {self.medium.epoch}, this one has {self._epoch}): stop this one"
            )

    def _check_open(self) -> None:
        if self._epoch == 0:
            raise StoreFailure("the store is closed: open it first")


def matches(job: Job, match: JobFilter) -> bool:
    """Whether `match` lets `job` through."""
    return (
        match.project in (None, job.project)
        and match.kind in (None, job.spec.kind)
        and match.state in (None, job.state)
        and match.name in (None, job.spec.name)
        and (match.node is None or any(match.node in (attempt.node_id, attempt.node_name) for attempt in job.attempts))
        and all(job.spec.labels.get(name) == value for name, value in match.labels.items())
    )
