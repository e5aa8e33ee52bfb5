"""FakeController: the Controller protocol in memory, without scheduling: tests say what happens to a job.

It keeps what the API relies on: idempotency with digests, events with numbers, waiters woken by changes, logs by attempt.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence, Set
from dataclasses import replace

from draas.lib import clock
from draas.lib.sealing import KEY_BYTES, Sealer
from draas.model.allocation import Allocation, AllocationId, AllocationState, Cause, Desired, NodeId, Observed
from draas.model.app import App
from draas.model.build import Built
from draas.model.certificate import Certificate
from draas.model.cluster import Cluster
from draas.model.command import AppCommand, CancelJob, Command, DeleteJob, PatchNode, RemoveNode, RetryJob, SubmitJobs
from draas.model.errors import Conflict, NotFound, Unavailable
from draas.model.event import Event
from draas.model.explanation import Explanation, Verdict
from draas.model.image_name import Digest, Repository
from draas.model.job import JOB_ENDS, Job, JobId, JobState, RuntimeName
from draas.model.node import Node, NodeState
from draas.model.node_rights import NodeRights, node_rights
from draas.model.registry import RegistryLogin
from draas.model.replica import Replica
from draas.model.resources import NOTHING, Resources
from draas.scheduler.default_runtime import default_runtime
from draas.scheduler.fleet import Fleet
from draas.scheduler.image_use import sources_in_use
from draas.scheduler.misfits import Misfits, find_misfits
from draas.scheduler.queue import Queue
from draas.server.services.controller import Idempotency, Reply
from draas.server.services.history import History
from draas.server.services.registries import Registries
from draas.server.services.samples import Samples, nothing_stored, read_samples
from draas.store.memory import matches
from draas.store.store import JobFilter, Key, NumberedEvent, Page, Token, Write
from draas.testing.fake_apps import FakeApps
from draas.testing.fake_logs import FakeLogs

Render = Callable[[Sequence[Job], Sequence[Node]], Reply]


class FakeController:
    """Implements draas.server.services.controller.Controller. `trouble` can be set; commands then raise Unavailable."""

    def __init__(self) -> None:
        self.logs = FakeLogs()
        self.history = History()
        self.trouble = ""
        self.commands: list[Command | AppCommand] = []
        self._jobs: dict[JobId, Job] = {}
        self._nodes: dict[NodeId, Node] = {}
        self._keys: dict[str, Key] = {}
        self._tokens: dict[str, Token] = {}
        self.sealer = Sealer(bytes(KEY_BYTES))
        self._certificates: dict[str, Certificate] = {}
        self._registries = Registries()
        self._answers: dict[str, tuple[str, Reply]] = {}
        self._events: list[NumberedEvent] = []
        self._changed = asyncio.Condition()
        self._seq = 0
        self.apps_now = FakeApps(lambda: sorted(self._nodes.values(), key=lambda node: node.name))

    # --- what the API asks ---

    async def samples(self, series: str, since: float, step_s: float) -> Samples:
        return await read_samples(self.history, nothing_stored, series, since, step_s, clock.steady())

    async def command(self, command: Command, render: Render, idempotency: Idempotency | None = None) -> Reply:
        if self.trouble:
            raise Unavailable(self.trouble)
        if idempotency is not None and (before := await self.replay(idempotency)) is not None:
            return before
        self.commands.append(command)
        reply = render(*await self._carry_out(command))
        if idempotency is not None:
            self._answers[idempotency.key] = (idempotency.digest, reply)
        return reply

    async def command_apps(
        self, command: AppCommand, render: Callable[[Sequence[App]], Reply], idempotency: Idempotency | None = None
    ) -> Reply:
        if self.trouble:
            raise Unavailable(self.trouble)
        if idempotency is not None and (before := await self.replay(idempotency)) is not None:
            return before
        self.commands.append(command)
        apps, kind = self.apps_now.carry_out(command)
        reply = render(apps)
        if idempotency is not None:
            self._answers[idempotency.key] = (idempotency.digest, reply)
        for app in apps:
            if app.removing:
                await self.logs.drop([replica.id for replica in (*app.replicas, *app.past)])
            await self._tell(kind, app.name, app.project)
        return reply

    async def app(self, name: str) -> App:
        return self.apps_now.get(name)

    async def apps(self) -> Sequence[App]:
        return self.apps_now.all

    async def changed_app(self, name: str, seen: App) -> App:
        async with self._changed:
            await self._changed.wait_for(lambda: self._app_or_none(name) != seen)
        return await self.app(name)

    def _app_or_none(self, name: str) -> App | None:
        return next((app for app in self.apps_now.all if app.name == name), None)

    async def explain_app(self, name: str) -> Explanation:
        app = await self.app(name)
        verdicts = tuple(
            Verdict(node=node.name, fits=False, lacks=("nothing runs here",)) for node in await self.nodes()
        )
        summary = app.reason or f"it is {app.state}"
        return Explanation(job_id=JobId(app.id), state=app.state, summary=summary, verdicts=verdicts)

    async def replay(self, idempotency: Idempotency) -> Reply | None:
        found = self._answers.get(idempotency.key)
        if found is not None and found[0] != idempotency.digest:
            raise Conflict("this Idempotency-Key was used for another request: use a fresh one")
        return found[1] if found is not None else None

    async def job(self, id: JobId) -> Job:
        if id not in self._jobs:
            raise NotFound(f"there is no job {id[:128]!r}")
        return self._jobs[id]

    async def changed_job(self, id: JobId, seen: Job) -> Job:
        async with self._changed:
            await self._changed.wait_for(lambda: self._jobs.get(id) != seen)
        return await self.job(id)

    async def jobs(self, ids: Sequence[JobId]) -> dict[JobId, Job]:
        return {id: self._jobs[id] for id in ids if id in self._jobs}

    async def list_jobs(self, match: JobFilter, below: int | None, limit: int) -> Page:
        found = [job for job in reversed(self._jobs.values()) if matches(job, match)]
        items = [job for job in found if below is None or job.seq < below]
        more = len(items) > limit
        return Page(items=items[:limit], next=items[limit - 1].seq if more else None, total=len(found))

    def sources_in_use(self) -> Set[tuple[Repository, Digest]]:
        return sources_in_use(Cluster(job for job in self._jobs.values() if job.live)).keys()

    async def explain(self, id: JobId) -> Explanation:
        job = await self.job(id)
        verdicts = tuple(
            Verdict(node=node.name, fits=False, lacks=("nothing runs here",)) for node in self._nodes.values()
        )
        return Explanation(job_id=id, state=job.state, summary="the fake controller places nothing", verdicts=verdicts)

    async def nodes(self) -> Sequence[Node]:
        return sorted(self._nodes.values(), key=lambda node: node.name)

    async def node(self, id_or_name: str) -> Node:
        found = self._nodes.get(NodeId(id_or_name))
        found = found or next((node for node in self._nodes.values() if node.name == id_or_name), None)
        if found is None:
            raise NotFound(f"there is no node {id_or_name[:128]!r}")
        return found

    def default_runtime(self) -> RuntimeName:
        return default_runtime(self._nodes.values())

    def node_rights(self, node: NodeId) -> NodeRights:
        cluster = Cluster(jobs=self._jobs.values(), nodes=self._nodes.values(), apps=self.apps_now.all)
        return node_rights(cluster, node)

    def reserved(self, node: Node) -> Resources:
        held = [job.spec.resources for job in self._jobs.values() if job.current and job.current.node_id == node.id]
        return sum(held, NOTHING)

    async def write(self, write: Write) -> None:
        for key in write.keys:
            self._keys[key.id] = key
        for id in write.gone_keys:
            self._keys.pop(id, None)
        for token in write.tokens:
            self._tokens[token.digest] = token
        for digest in write.gone_tokens:
            self._tokens.pop(digest, None)
        self._certificates.update({one.host: one for one in write.certificates})
        for host in write.gone_certificates:
            self._certificates.pop(host, None)
        self._registries.learn(write)
        for event in write.plan.events:
            self._events.append(NumberedEvent(number=len(self._events) + 1, event=event))
        async with self._changed:
            self._changed.notify_all()

    def certificates(self) -> Sequence[Certificate]:
        return sorted(self._certificates.values(), key=lambda one: one.host)

    def registries(self) -> Sequence[RegistryLogin]:
        return self._registries.all()

    def key(self, digest: str) -> Key | None:
        return next((key for key in self._keys.values() if key.digest == digest), None)

    def key_with_id(self, id: str) -> Key | None:
        return self._keys.get(id)

    def keys(self) -> Sequence[Key]:
        return list(self._keys.values())

    def token(self, digest: str) -> Token | None:
        return self._tokens.get(digest)

    async def events(self, after: int, limit: int, project: str | None = None) -> list[NumberedEvent]:
        return [one for one in self._events[after:] if project in (None, one.event.project)][:limit]

    async def follow_events(self, after: int, project: str | None = None) -> AsyncIterator[NumberedEvent]:
        while True:
            seen = self.last_event
            for one in self._events[after:seen]:
                if project in (None, one.event.project):
                    yield one
            after = seen
            async with self._changed:
                while self.last_event <= after:
                    await self._changed.wait()

    @property
    def last_event(self) -> int:
        return len(self._events)

    def misfits(self, project: str | None) -> Misfits | None:
        cluster = Cluster(nodes=self._nodes.values(), jobs=self._jobs.values())
        queue = Queue()
        for job in self._jobs.values():
            queue.put(job)
        queue.wake(clock.now())
        return find_misfits(Fleet.of(cluster), queue, self._jobs, project)

    def queue_length(self) -> int:
        return sum(job.state is JobState.QUEUED for job in self._jobs.values())

    # --- what tests say ---

    async def put_node(self, node: Node) -> None:
        """There is this node now."""
        self._nodes[node.id] = node
        await self._tell("node.ready", node.id)

    async def start(self, id: JobId, node: Node) -> AllocationId:
        """A new attempt of the job runs on `node`."""
        job = await self.job(id)
        attempt = Allocation(
            id=AllocationId(f"a-{id}-{len(job.attempts) + 1}"),
            number=len(job.attempts) + 1,
            node_id=node.id,
            node_name=node.name,
            assigned_at=clock.now(),
            observed=Observed(state=AllocationState.RUNNING, started_at=clock.now()),
        )
        await self._put(replace(job, state=JobState.RUNNING, attempts=(*job.attempts, attempt)), "running")
        return attempt.id

    async def finish(self, id: JobId, exit_code: int = 0, *, again: bool = False, built: Built | None = None) -> None:
        """The running attempt ends; with `again` the job is queued for another one. `built` is what a build made."""
        job = await self.job(id)
        last = job.attempts[-1]
        state = AllocationState.SUCCEEDED if exit_code == 0 else AllocationState.FAILED
        cause = Cause.NONE if exit_code == 0 else Cause.EXIT
        seen = replace(
            last.observed, state=state, cause=cause, exit_code=exit_code, finished_at=clock.now(), built=built
        )
        ended = JobState.SUCCEEDED if exit_code == 0 else JobState.FAILED
        after = JobState.QUEUED if again else ended
        await self.logs.close_output(last.id)
        attempts = (*job.attempts[:-1], last.observe(seen))
        at = None if again else clock.now()
        await self._put(replace(job, state=after, attempts=attempts, finished_at=at), after)

    async def place(self, name: str, node: Node) -> Replica:
        """A replica of the app's newest release is assigned to `node`."""
        replica = self.apps_now.place(name, node)
        await self._tell("app.placed", name)
        return replica

    async def observe(self, name: str, number: int, **seen: object) -> Replica:
        """What an agent says of a replica; see FakeApps.observe. The output of one that ended is complete."""
        replica = self.apps_now.observe(name, number, **seen)
        if replica.ended:
            await self.logs.close_output(replica.id)
        await self._tell("app.observed", name)
        return replica

    async def go_live(self, name: str) -> App:
        """The rolling release serves."""
        app = self.apps_now.go_live(name)
        await self._tell("app.live", name, app.project)
        return app

    async def fail_release(self, name: str, reason: str) -> App:
        """The rolling release fails."""
        app = self.apps_now.fail(name, reason)
        await self._tell("app.failed", name, app.project)
        return app

    # --- inside ---

    async def _carry_out(self, command: Command) -> tuple[Sequence[Job], Sequence[Node]]:
        match command:
            case SubmitJobs():
                return await self._submit(command), ()
            case CancelJob():
                return (await self._cancel(await self.job(command.id)),), ()
            case RetryJob():
                job = await self.job(command.id)
                if not job.ended:
                    raise Conflict(f"job {job.id} is {job.state}: only an ended job can be retried")
                return (await self._put(replace(job, state=JobState.QUEUED, finished_at=None), "queued"),), ()
            case DeleteJob():
                job = await self.job(command.id)
                if job.live:
                    raise Conflict(f"job {job.id} is {job.state}: cancel it first")
                del self._jobs[job.id]
                await self._tell(f"{job.spec.kind}.deleted", job.id, job.project)
                return (job,), ()
            case PatchNode():
                return (), (await self._patch(command),)
            case RemoveNode():
                node = self._nodes.pop(command.id)
                self._keys = {id: key for id, key in self._keys.items() if key.node_id != node.id}
                await self._tell("node.left", node.id)
                return (), (node,)

    async def _submit(self, command: SubmitJobs) -> list[Job]:
        made = []
        for id, spec in zip(command.ids, command.specs, strict=True):
            self._seq += 1
            state = JobState.WAITING if spec.needs else JobState.QUEUED
            job = Job(id=id, project=command.project, seq=self._seq, spec=spec, state=state, created_at=clock.now())
            made.append(job)
            self._jobs[id] = job
        for job in made:
            self._events.append(_numbered(len(self._events) + 1, f"{job.spec.kind}.{job.state}", job.id, job.project))
        async with self._changed:
            self._changed.notify_all()
        return made

    async def _cancel(self, job: Job) -> Job:
        if job.state is JobState.CANCELLED:
            return job
        if job.state in JOB_ENDS:
            raise Conflict(f"job {job.id} is {job.state}: it cannot be cancelled any more")
        attempts = job.attempts
        if (current := job.current) is not None:
            stopped = replace(current.observed, state=AllocationState.STOPPED, cause=Cause.CANCELLED)
            attempts = (*attempts[:-1], replace(current, desired=Desired.STOP, observed=stopped))
            await self.logs.close_output(current.id)
        cancelled = replace(job, state=JobState.CANCELLED, attempts=attempts, finished_at=clock.now())
        return await self._put(cancelled, "cancelled")

    async def _patch(self, command: PatchNode) -> Node:
        node = self._nodes[command.id]
        labels = {**node.labels, **command.labels}
        kept = {name: value for name, value in labels.items() if value is not None}
        drain = node.drain if command.drain is None else command.drain
        patched = replace(node, labels=kept, drain=drain, state=NodeState.DRAINING if drain else NodeState.READY)
        self._nodes[node.id] = patched
        await self._tell(f"node.{patched.state}", node.id)
        return patched

    async def _put(self, job: Job, verb: str) -> Job:
        self._jobs[job.id] = job
        await self._tell(f"{job.spec.kind}.{verb}", job.id, job.project)
        return job

    async def _tell(self, kind: str, subject: str, project: str = "") -> None:
        self._events.append(_numbered(len(self._events) + 1, kind, subject, project))
        async with self._changed:
            self._changed.notify_all()


def _numbered(number: int, kind: str, subject: str, project: str) -> NumberedEvent:
    return NumberedEvent(number=number, event=Event(at=clock.now(), kind=kind, subject=subject, project=project))
