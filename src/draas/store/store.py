"""The Store protocol: durable state. Memory and SQL implement it and pass the same contract suite."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from draas.model.allocation import NodeId
from draas.model.app import App
from draas.model.certificate import Certificate
from draas.model.event import Event
from draas.model.job import Job, JobId, JobKind, JobState, ProjectName
from draas.model.node import Node
from draas.model.plan import EMPTY, Plan
from draas.model.registry import RegistryLogin
from draas.model.sample import Point


class StoreFailure(Exception):
    """A commit or read that failed. `detail` says why and what to do (disk full, file not writable)."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


ANSWERS_KEPT_S = 86400.0  # whoever repeats a request does so within a day
EVENTS_KEPT_S = 30 * 86400.0  # as long as the jobs that most of them tell of

Role = Literal["viewer", "deployer", "admin", "node"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key or a node's identity; only the digest of its secret is kept."""

    id: str
    digest: str
    role: Role
    name: str = ""
    project: str | None = None  # None: all projects
    node_id: NodeId | None = None
    created_at: float = 0.0
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Something short-lived that opens something: joining, or (draas.server.sessions) the dashboard; its digest begins with the use."""

    digest: str
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request with an Idempotency-Key was answered, so that a repeated one gets the same. `digest` is of its body."""

    key: str
    digest: str
    status: int
    body: bytes
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """All that one tick makes durable, in one transaction."""

    plan: Plan = EMPTY
    keys: Sequence[Key] = ()
    gone_keys: Sequence[str] = ()
    tokens: Sequence[Token] = ()
    gone_tokens: Sequence[str] = ()
    answers: Sequence[Answer] = ()
    certificates: Sequence[Certificate] = ()
    gone_certificates: Sequence[str] = ()  # by host
    registries: Sequence[RegistryLogin] = ()
    gone_registries: Sequence[tuple[ProjectName, str]] = ()  # by project and host


class StoredSample(NamedTuple):
    """What was measured of `series` (a node's or an app's id) in the `step_s` seconds from `at` (Unix seconds) on."""

    step_s: int
    at: int
    series: str
    body: bytes  # draas.store.stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a controller starts from: live jobs, all nodes, apps, keys and tokens."""

    jobs: Sequence[Job] = ()
    nodes: Sequence[Node] = ()
    apps: Sequence[App] = ()
    keys: Sequence[Key] = ()
    tokens: Sequence[Token] = ()
    certificates: Sequence[Certificate] = ()
    registries: Sequence[RegistryLogin] = ()
    next_seq: int = 1
    epoch: int = 1
    last_event: int = 0  # the number of the newest one


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Every given field must match exactly; `labels` all of them; `node` a node's name or id of any attempt."""

    project: str | None = None
    kind: JobKind | None = None
    state: JobState | None = None
    name: str | None = None
    node: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Jobs, newest first; `next` is the seq to go on below, None at the end; `total` all that match."""

    items: Sequence[Job]
    next: int | None
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedEvent:
    number: int
    event: Event


class Store(Protocol):
    """Raises StoreFailure where the medium fails. A commit that raised changed nothing."""

    async def open(self) -> Snapshot:
        """Migrate, raise the epoch durably, and load what is live."""
        ...

    async def commit(self, write: Write) -> int:
        """Make `write` durable in one transaction. Returns the number of the last event."""
        ...

    async def job(self, id: JobId) -> Job | None: ...

    async def jobs(self, ids: Sequence[JobId]) -> dict[JobId, Job]:
        """Those of `ids` that exist."""
        ...

    async def list_jobs(self, match: JobFilter, below: int | None, limit: int) -> Page: ...

    async def events(self, after: int, limit: int, project: str | None = None) -> list[NumberedEvent]:
        """At most `limit` with larger numbers than `after`, in order. Old ones are gone; no number is used twice."""
        ...

    async def answer(self, key: str) -> Answer | None: ...

    async def expired_jobs(self, finished_before: float, limit: int) -> list[JobId]:
        """Finished jobs older than retention allows."""
        ...

    async def keep_samples(self, samples: Sequence[StoredSample], kept_from: Mapping[int, float]) -> None:
        """Make samples durable in a transaction of their own, in place of those that are there of the same time.

        By the way those of a step that `kept_from` names are forgotten that began before, some at a time.
        """
        ...

    async def forget_samples(self, series: str, since: Mapping[int, float]) -> None:
        """Forget all samples of `series` that there can be: by step, those since the time given."""
        ...

    async def samples(self, series: str, step_s: int, since: float, until: float) -> list[Point]:
        """In order of time: `since` and `until` are the first and the last time that a sample may begin."""
        ...

    async def all_samples(self, step_s: int, since: float, until: float) -> list[StoredSample]:
        """Those of all series that begin from `since` on and before `until`, in order of time."""
        ...

    async def last_sample_at(self, step_s: int) -> int | None:
        """When the newest sample of this step began."""
        ...

    async def close(self) -> None: ...
