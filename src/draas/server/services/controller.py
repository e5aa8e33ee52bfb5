"""The Controller protocol: all that the API asks of the controller. draas.server.loops.control implements it."""

from collections.abc import AsyncIterator, Callable, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from draas.lib.sealing import Sealer
from draas.model.allocation import NodeId
from draas.model.app import App
from draas.model.certificate import Certificate
from draas.model.command import AppCommand, Command
from draas.model.explanation import Explanation
from draas.model.image_name import Digest, Repository
from draas.model.job import Job, JobId, RuntimeName
from draas.model.node import Node
from draas.model.node_rights import NodeRights
from draas.model.registry import RegistryLogin
from draas.model.resources import Resources
from draas.scheduler.misfits import Misfits
from draas.server.services.samples import Samples
from draas.store.logs import LogStore
from draas.store.store import JobFilter, Key, NumberedEvent, Page, Token, Write


class Reply(NamedTuple):
    """A finished answer: HTTP status and JSON body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """`key` is the caller's Idempotency-Key, scoped by whose it is and to which route; `digest` is of the request's body."""

    key: str
    digest: str


class Controller(Protocol):
    """Raises DraasError (draas.model.errors). Whatever it returns is durable: reads wait for the commit of what they show."""

    @property
    def logs(self) -> LogStore: ...

    async def command(
        self,
        command: Command,
        render: Callable[[Sequence[Job], Sequence[Node]], Reply],
        idempotency: Idempotency | None = None,
    ) -> Reply:
        """Carry out `command`, commit it with its answer, return the answer. `render` gets the jobs and nodes it concerns.

        A repeated `idempotency` key gets the first answer again; with another digest, Conflict.
        """
        ...

    async def command_apps(
        self,
        command: AppCommand,
        render: Callable[[Sequence[App]], Reply],
        idempotency: Idempotency | None = None,
    ) -> Reply:
        """The same for apps; `render` gets the apps that `command` concerns, as they are now."""
        ...

    async def app(self, name: str) -> App:
        """Raises NotFound."""
        ...

    async def apps(self) -> Sequence[App]:
        """All apps, by name."""
        ...

    async def changed_app(self, name: str, seen: App) -> App:
        """The app as soon as a durable version of it differs from `seen`. Raises NotFound when it is removed meanwhile."""
        ...

    async def explain_app(self, name: str) -> Explanation:
        """Why the app is as it is: verdicts are on one more replica of it. `job_id` is its own id. Raises NotFound."""
        ...

    async def replay(self, idempotency: Idempotency) -> Reply | None:
        """The answer already given to this key, if any. Raises Conflict where the digest differs."""
        ...

    async def job(self, id: JobId) -> Job: ...

    async def changed_job(self, id: JobId, seen: Job) -> Job:
        """The job as soon as a durable version of it differs from `seen`. Raises NotFound when it is deleted meanwhile."""
        ...

    async def jobs(self, ids: Sequence[JobId]) -> dict[JobId, Job]: ...

    async def list_jobs(self, match: JobFilter, below: int | None, limit: int) -> Page: ...

    def sources_in_use(self) -> Set[tuple[Repository, Digest]]:
        """Blobs from which builds are made that have not ended."""
        ...

    async def explain(self, id: JobId) -> Explanation: ...

    async def nodes(self) -> Sequence[Node]: ...

    async def node(self, id_or_name: str) -> Node: ...

    def default_runtime(self) -> RuntimeName:
        """For a job that asks for neither a runtime nor an image."""
        ...

    def node_rights(self, node: NodeId) -> NodeRights:
        """Which repositories `node` may read and write now."""
        ...

    def reserved(self, node: Node) -> Resources:
        """What the allocations on `node` hold."""
        ...

    async def samples(self, series: str, since: float, step_s: float) -> Samples:
        """What the node or app with this id did from `since` on, in steps of `step_s` or of what is kept (draas.server.services.levels)."""
        ...

    @property
    def sealer(self) -> Sealer:
        """Seals what is secret before it is written."""
        ...

    async def write(self, write: Write) -> None:
        """Make keys, tokens, certificates, logins and events durable."""
        ...

    def certificates(self) -> Sequence[Certificate]:
        """All certificates, by host, their keys sealed."""
        ...

    def registries(self) -> Sequence[RegistryLogin]:
        """The logins of all projects, by project and host, their passwords sealed."""
        ...

    def key(self, digest: str) -> Key | None:
        """The key with this digest; expiry is the caller's to check."""
        ...

    def key_with_id(self, id: str) -> Key | None:
        """The same, by its id."""
        ...

    def keys(self) -> Sequence[Key]: ...

    def token(self, digest: str) -> Token | None: ...

    async def events(self, after: int, limit: int, project: str | None = None) -> list[NumberedEvent]: ...

    def follow_events(self, after: int, project: str | None = None) -> AsyncIterator[NumberedEvent]:
        """Events after number `after`, and new ones as they are committed."""
        ...

    @property
    def last_event(self) -> int:
        """The number of the newest durable event, 0 where there is none."""
        ...

    def queue_length(self) -> int: ...

    def misfits(self, project: str | None) -> Misfits | None:
        """Queued jobs of `project` (None: of all) that no machine could take."""
        ...

    @property
    def trouble(self) -> str:
        """Why the controller cannot answer now ("" if it can)."""
        ...
