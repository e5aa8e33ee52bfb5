"""The control loop: what people and agents ask of the controller, put into ticks (draas.server.loops.ticks); and what is read from it."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence, Set
from dataclasses import replace

import msgspec

from draas.lib import clock, log
from draas.lib.sealing import KEY_BYTES, Sealer, Unsealable
from draas.model.allocation import AllocationId, NodeId, Observed
from draas.model.app import App, AppId
from draas.model.certificate import Certificate
from draas.model.command import AppCommand, CancelJob, Command, DeleteJob, RemoveNode, RetryJob, SubmitJobs
from draas.model.errors import Conflict, DraasError, NotFound, Unavailable
from draas.model.explanation import Explanation
from draas.model.image_name import Digest, Repository
from draas.model.job import Job, JobId, JobState, RuntimeName
from draas.model.node import Facts, Load, Node
from draas.model.node_rights import NodeRights, node_rights
from draas.model.policy import Policy
from draas.model.registry import RegistryLogin
from draas.model.resources import Resources
from draas.scheduler.control import Control
from draas.scheduler.default_runtime import default_runtime
from draas.scheduler.image_use import sources_in_use
from draas.scheduler.misfits import Misfits
from draas.server.config import DockerHub
from draas.server.loops.completing import complete
from draas.server.loops.ticks import Tick, TickLoop, fail_reply
from draas.server.services.controller import Idempotency, Reply
from draas.server.services.docker_hub import with_push
from draas.server.services.history import History
from draas.server.services.kept_certificates import pem_of
from draas.server.services.registries import Registries
from draas.server.services.samples import Samples, read_samples
from draas.store.logs import LogStore
from draas.store.store import Answer, JobFilter, Key, NumberedEvent, Page, Store, StoreFailure, Token, Write
from draas.wire.link import Assign, Routes, Traffic, Usages

EVENTS_PAGE = 500

Render = Callable[[Sequence[Job], Sequence[Node]], Reply]
RenderApps = Callable[[Sequence[App]], Reply]
Decide = Callable[[Tick, float], Generator[None, None, Reply]]


class ControlLoop(TickLoop):
    """Implements draas.server.services.controller.Controller, and takes the agents' messages from draas.server.link."""

    def __init__(self, store: Store, logs: LogStore, policy: Policy) -> None:
        super().__init__(store, logs, policy)
        self.history = History()
        self.drop_link: Callable[[NodeId], None] = lambda _node: None
        self.docker_hub: DockerHub | None = None
        self.runtime_without_nodes = RuntimeName.DOCKER
        self.sealer = Sealer(os.urandom(KEY_BYTES))  # another one before `open`, where a key outlives this process
        self._keys: dict[str, Key] = {}
        self._tokens: dict[str, Token] = {}
        self._certificates: dict[str, Certificate] = {}
        self._registries = Registries()
        self._in_flight: dict[str, tuple[str, asyncio.Future[Reply]]] = {}

    async def open(self) -> None:
        """Load what is durable and be ready to decide. Raises StoreFailure."""
        snapshot = await self._store.open()
        self._last_event = snapshot.last_event
        self._keys = {key.digest: key for key in snapshot.keys}
        self._tokens = {token.digest: token for token in snapshot.tokens}
        self.control = Control(
            snapshot.jobs,
            snapshot.nodes,
            snapshot.next_seq,
            snapshot.epoch,
            self.policy,
            clock.steady(),
            snapshot.apps,
        )
        self._certificates = {one.host: one for one in snapshot.certificates}
        self._registries = Registries(snapshot.registries)
        self._show_certificates()
        self.trouble = ""

    # --- the Controller protocol ---

    async def command(self, command: Command, render: Render, idempotency: Idempotency | None = None) -> Reply:
        """See Controller.command."""
        loaded: Job | None = None
        known: Mapping[JobId, JobState] = {}

        async def load() -> None:
            nonlocal loaded, known
            loaded, known = await self._load_for(command)

        def decide(tick: Tick, now: float) -> Generator[None, None, Reply]:
            jobs: Sequence[Job]
            nodes: Sequence[Node] = ()
            if isinstance(command, SubmitJobs):
                made: dict[JobId, Job] = {}
                for some in self.control.submit(command, now):
                    made.update((job.id, job) for job in some)
                    yield
                jobs = [made[id] for id in command.ids]
            else:
                jobs, nodes = self.control.command(command, now, loaded, known)
            reply = render(jobs, nodes)
            if isinstance(command, DeleteJob) and loaded is not None:
                self._deleted[loaded.id] = loaded
            if isinstance(command, RemoveNode):
                self._revoke_node(tick, command.id)
            return reply

        return await self._answer_once(decide, idempotency, load)

    async def command_apps(
        self, command: AppCommand, render: RenderApps, idempotency: Idempotency | None = None
    ) -> Reply:
        """See Controller.command_apps."""

        def decide(_tick: Tick, now: float) -> Generator[None, None, Reply]:
            yield from ()
            return render(self.control.apps.command(command, now))

        return await self._answer_once(decide, idempotency)

    async def _answer_once(
        self, decide: Decide, idempotency: Idempotency | None, load: Callable[[], Awaitable[None]] | None = None
    ) -> Reply:
        """After `load`, have `decide` decide in the next tick and its reply committed, unless its key was answered before."""
        if self.trouble:
            raise Unavailable(self.trouble)
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if idempotency is not None:
            if (first := self._in_flight.get(idempotency.key)) is not None:
                _check_same(first[0], idempotency)
                return await asyncio.shield(first[1])
            # Before anything is awaited: between asking the store and this line the first request could come to its end.
            self._in_flight[idempotency.key] = (idempotency.digest, waiting)
            waiting.add_done_callback(lambda _: self._in_flight.pop(idempotency.key, None))
        try:
            done = await self.replay(idempotency) if idempotency is not None else None
            if done is None and load is not None:
                await load()
        except BaseException as error:
            fail_reply(waiting, error if isinstance(error, DraasError) else Unavailable("the request was given up"))
            raise
        if done is not None:
            waiting.set_result(done)
            return done

        def take(tick: Tick, now: float) -> Iterator[None]:
            try:
                reply = yield from decide(tick, now)
            except DraasError as error:
                fail_reply(waiting, error)
                return
            tick.replies.append((waiting, reply))
            if idempotency is not None:
                tick.write = _with_answer(tick.write, idempotency, reply, now)

        self.post(take)
        return await asyncio.shield(waiting)

    async def app(self, name: str) -> App:
        """The app as it is, once that is durable. Raises NotFound."""
        app = self.control.cluster.app_named(name)
        await self._settled()
        if app is None:
            raise NotFound(f"there is no app {name!r}")
        return app

    async def apps(self) -> Sequence[App]:
        """All apps, by name."""
        found = sorted(self.control.cluster.apps.values(), key=lambda app: app.name)
        await self._settled()
        return found

    async def changed_app(self, name: str, seen: App) -> App:
        """The app as soon as a durable version of it differs from `seen`. Raises NotFound when it is removed meanwhile."""
        while True:
            watching = self._watched.setdefault(seen.id, asyncio.get_running_loop().create_future())
            app = await self.app(name)
            if app != seen:
                return app
            await asyncio.wait({watching})

    async def explain_app(self, name: str) -> Explanation:
        """Why an app is as it is."""
        app = await self.app(name)
        return self.control.explain_app(app, clock.steady())

    async def may_write(self, node_id: NodeId, id: AllocationId) -> bool:
        """Whether this node may add to this output: it was placed there, and whose it is still exists."""
        owner = id.rpartition(".")[0]
        app = self.control.cluster.apps.get(AppId(owner))
        if app is not None:
            return any(one.id == id and one.node_id == node_id for one in (*app.replicas, *app.past))
        try:
            job = await self.job(JobId(owner))
        except NotFound:
            return False
        return any(attempt.id == id and attempt.node_id == node_id for attempt in job.attempts)

    async def wanted_outputs(self, ids: Sequence[AllocationId]) -> set[AllocationId]:
        """Those of `ids` whose job or app exists."""
        owners = {id: id.rpartition(".")[0] for id in ids}
        apps = self.control.cluster.apps
        jobs = await self.jobs([JobId(owner) for owner in owners.values() if owner not in apps])
        return {id for id, owner in owners.items() if owner in apps or owner in jobs}

    async def _load_for(self, command: Command) -> tuple[Job | None, Mapping[JobId, JobState]]:
        """What a command needs of jobs that are not live."""
        if not isinstance(command, CancelJob | RetryJob | DeleteJob):
            return None, {}
        job = self._in_memory(command.id) or await self._store.job(command.id)
        if job is None or isinstance(command, CancelJob | DeleteJob):
            return job, {}
        needed = await self.jobs(job.spec.needs)
        return job, {id: need.state for id, need in needed.items()}

    async def replay(self, idempotency: Idempotency) -> Reply | None:
        """See Controller.replay."""
        answer = await self._store.answer(idempotency.key)
        if answer is None:
            return None
        _check_same(answer.digest, idempotency)
        return Reply(answer.status, answer.body)

    def _in_memory(self, id: JobId) -> Job | None:
        return self.control.cluster.jobs.get(id) or self.control.recent.get(id)

    async def job(self, id: JobId) -> Job:
        """The job as it is, once that is durable. Raises NotFound."""
        job = self._in_memory(id)
        await self._settled()
        job = job or await self._store.job(id)
        if job is None:
            raise NotFound(f"there is no job {id!r}")
        return job

    async def jobs(self, ids: Sequence[JobId]) -> dict[JobId, Job]:
        """Those of `ids` that exist."""
        found = {id: job for id in ids if (job := self._in_memory(id)) is not None}
        await self._settled()
        missing = [id for id in ids if id not in found]
        return {**found, **(await self._store.jobs(missing) if missing else {})}

    async def list_jobs(self, match: JobFilter, below: int | None, limit: int) -> Page:
        """A page of jobs as they are durable."""
        if self.trouble:
            raise Unavailable(self.trouble)
        return await self._store.list_jobs(match, below, limit)

    async def expired_jobs(self, limit: int) -> list[JobId]:
        """Jobs that ended longer ago than the policy keeps them, the oldest first."""
        return await self._store.expired_jobs(clock.now() - self.policy.job_retention_s, limit)

    def sources_in_use(self) -> Set[tuple[Repository, Digest]]:
        """See Controller.sources_in_use."""
        return sources_in_use(self.control.cluster).keys()

    async def explain(self, id: JobId) -> Explanation:
        """Why a job is where it is."""
        return self.control.explain(await self.job(id), clock.steady())

    async def nodes(self) -> Sequence[Node]:
        """All nodes, by name."""
        found = sorted(self.control.cluster.nodes.values(), key=lambda node: node.name)
        await self._settled()
        return found

    async def node(self, id_or_name: str) -> Node:
        """Raises NotFound."""
        found = self.control.cluster.find_node(id_or_name)
        await self._settled()
        if found is None:
            raise NotFound(f"there is no node {id_or_name!r}")
        return found

    def default_runtime(self) -> RuntimeName:
        """For a job that asks for neither a runtime nor an image."""
        return default_runtime(self.control.cluster.nodes.values(), self.runtime_without_nodes)

    def node_rights(self, node: NodeId) -> NodeRights:
        """See Controller.node_rights."""
        return node_rights(self.control.cluster, node)

    def reserved(self, node: Node) -> Resources:
        """What the allocations on `node` hold."""
        return self.control.fleet.reserved(node.id)

    async def write(self, write: Write) -> None:
        """Make keys, tokens, certificates, logins and events durable, and known from then on."""
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def take(tick: Tick, _now: float) -> None:
            tick.write = replace(
                tick.write,
                keys=(*tick.write.keys, *write.keys),
                gone_keys=(*tick.write.gone_keys, *write.gone_keys),
                tokens=(*tick.write.tokens, *write.tokens),
                gone_tokens=(*tick.write.gone_tokens, *write.gone_tokens),
                certificates=(*tick.write.certificates, *write.certificates),
                gone_certificates=(*tick.write.gone_certificates, *write.gone_certificates),
                registries=(*tick.write.registries, *write.registries),
                gone_registries=(*tick.write.gone_registries, *write.gone_registries),
            )
            self.control.record(write.plan.events)
            tick.replies.append((waiting, Reply(200, b"")))
            tick.then.append(lambda: self._learn(write))

        self.post(take)
        await asyncio.shield(waiting)

    def _learn(self, write: Write) -> None:
        self._keys.update({key.digest: key for key in write.keys})
        gone = set(write.gone_keys)
        for key in [key for key in self._keys.values() if key.id in gone]:
            del self._keys[key.digest]
            if key.node_id is not None:
                self.drop_link(key.node_id)
        self._tokens.update({token.digest: token for token in write.tokens})
        for digest in write.gone_tokens:
            self._tokens.pop(digest, None)
        if write.tokens:  # the store forgets expired ones, too
            now = clock.now()
            self._tokens = {digest: token for digest, token in self._tokens.items() if token.expires_at > now}
        self._registries.learn(write)
        if write.certificates or write.gone_certificates:
            self._certificates.update({one.host: one for one in write.certificates})
            for host in write.gone_certificates:
                self._certificates.pop(host, None)
            self._show_certificates()

    def _show_certificates(self) -> None:
        """Have the ingresses show what is durable."""
        shown = {}
        for host, certificate in self._certificates.items():
            try:
                shown[host] = pem_of(certificate, self.sealer)
            except Unsealable as error:
                log.error(
                    "a certificate's key cannot be opened; give the certificate again", host=host, reason=str(error)
                )
        self.control.apps.set_certificates(shown)
        self._wake.set()

    def show_challenges(self, challenges: Mapping[str, str]) -> None:
        """Have the ingresses answer these to an ACME server: token to key authorization."""
        self.control.apps.set_challenges(challenges)
        self._wake.set()

    def warn(self, app: str, warnings: tuple[str, ...]) -> None:
        """Have an app tell these, in the next tick."""
        self.post(lambda _tick, now: self.control.apps.warn(app, warnings, now))

    def certificates(self) -> Sequence[Certificate]:
        """All certificates, by host."""
        return sorted(self._certificates.values(), key=lambda one: one.host)

    def registries(self) -> Sequence[RegistryLogin]:
        """The logins of all projects, by project and host."""
        return self._registries.all()

    def _revoke_node(self, tick: Tick, node_id: NodeId) -> None:
        gone = tuple(key.id for key in self._keys.values() if key.node_id == node_id)
        tick.write = replace(tick.write, gone_keys=(*tick.write.gone_keys, *gone))
        tick.then.append(lambda: self._learn(Write(gone_keys=gone)))

    def key(self, digest: str) -> Key | None:
        return self._keys.get(digest)

    def key_with_id(self, id: str) -> Key | None:
        return next((key for key in self._keys.values() if key.id == id), None)

    def keys(self) -> Sequence[Key]:
        return sorted(self._keys.values(), key=lambda key: key.created_at)

    def token(self, digest: str) -> Token | None:
        return self._tokens.get(digest)

    async def events(self, after: int, limit: int, project: str | None = None) -> list[NumberedEvent]:
        """Durable events after number `after`."""
        return await self._store.events(after, limit, project)

    async def follow_events(self, after: int, project: str | None = None) -> AsyncIterator[NumberedEvent]:
        """Events after number `after`, for ever."""
        while True:
            news = self._new_events
            page = await self._store.events(after, EVENTS_PAGE, project)
            for numbered in page:
                yield numbered
                after = numbered.number
            if not page:
                await news.wait()

    def fleet_size(self) -> int:
        """How many machines have joined, also those that are not here now."""
        return sum(key.role == "node" for key in self._keys.values())

    async def samples(self, series: str, since: float, step_s: float) -> Samples:
        """See Controller.samples."""
        try:
            return await read_samples(self.history, self._store.samples, series, since, step_s, clock.steady())
        except StoreFailure as failure:
            raise Unavailable(failure.detail) from failure

    def misfits(self, project: str | None) -> Misfits | None:
        return self.control.misfits(project, clock.steady())

    def queue_length(self) -> int:
        return len(self.control.queue)

    @property
    def last_event(self) -> int:
        """The number of the newest durable event."""
        return self._last_event

    async def changed_job(self, id: JobId, seen: Job) -> Job:
        """The job as soon as a durable version of it differs from `seen`. Raises NotFound when it is deleted meanwhile."""
        while True:
            watching = self._watched.setdefault(id, asyncio.get_running_loop().create_future())
            job = await self.job(id)
            if job != seen:
                return job
            await asyncio.wait({watching})

    # --- what agents say (draas.server.link calls these) ---

    def on_hello(
        self,
        node_id: NodeId,
        name: str,
        facts: Facts,
        have: Mapping[AllocationId, Observed],
        complete: bool,
        welcome: Callable[[Assign, Routes | None], None],
    ) -> None:
        """The agent of a node (whose key bears `name`) connected.

        `welcome` is called with all that it should have, and serve where it is an ingress, once all of that is durable.
        """

        def connect(tick: Tick, now: float) -> None:
            if not self.control.connect(node_id, name, facts, have, complete, now):
                tick.then.append(lambda: self.drop_link(node_id))
                return
            orders = self.control.full_orders(node_id)
            routes = self.control.apps.full_routes(node_id)
            tick.then.append(lambda: welcome(self._complete(node_id, orders), routes))

        self._post_report(connect)

    def _complete(self, node_id: NodeId, assign: Assign) -> Assign:
        completed, failed = complete(assign, self.control.cluster.job_of, self.sealer)
        if failed:
            self.on_report(node_id, failed)
        put = [with_push(self._registries.with_logins(one, self.sealer), self.docker_hub) for one in completed.put]
        return msgspec.structs.replace(completed, put=put)

    def on_report(self, node_id: NodeId, observed: Mapping[AllocationId, Observed]) -> None:
        """An agent has seen something."""
        self._post_report(lambda _tick, now: self.control.report(node_id, observed, now, random.random()))

    def on_heartbeat(self, node_id: NodeId, load: Load, facts: Facts | None) -> None:
        """Fresh figures of a node; not worth waking the loop unless its facts changed."""
        self.control.heartbeat(node_id, load, facts, clock.steady())
        if node_id in self.control.cluster.nodes:
            self.history.note_load(node_id, load, clock.steady())
        if facts is not None:
            self._wake.set()

    def on_traffic(self, node_id: NodeId, traffic: Traffic) -> None:
        """What an ingress serves."""
        self.control.apps.take_traffic(node_id, traffic, clock.steady())
        if self.control.apps.is_due:
            self._wake.set()

    def on_usages(self, node_id: NodeId, usages: Usages) -> None:
        """What replicas use; not worth waking the loop."""
        self.control.apps.take_usages(node_id, usages, clock.steady())

    def on_closed(self, node_id: NodeId) -> None:
        """A link is gone."""
        self._post_report(lambda _tick, now: self.control.disconnect(node_id, now))


def _with_answer(write: Write, idempotency: Idempotency, reply: Reply, now: float) -> Write:
    answer = Answer(key=idempotency.key, digest=idempotency.digest, status=reply.status, body=reply.body, at=now)
    return replace(write, answers=(*write.answers, answer))


def _check_same(digest: str, idempotency: Idempotency) -> None:
    if digest != idempotency.digest:
        raise Conflict("this Idempotency-Key was used for another request; use a new key for a new request")
