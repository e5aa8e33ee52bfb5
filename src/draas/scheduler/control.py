"""Control: the controller's decisions in one place, and the memory they are made on. Pure: told the time, chance and input.

A shell feeds it (draas.server.loops.control, and the simulation): each method decides and applies; `take` hands over what is to be
made durable, and after that has happened, `orders` what the agents are to be told.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from draas.lib.values import replace
from draas.model.allocation import AllocationId, NodeId, Observed, is_news
from draas.model.app import App
from draas.model.build import BuildSpec
from draas.model.cluster import Cluster
from draas.model.command import CancelJob, Command, DeleteJob, PatchNode, RemoveNode, RetryJob, SubmitJobs
from draas.model.errors import Conflict, NotFound
from draas.model.event import Event
from draas.model.explanation import Explanation
from draas.model.job import Job, JobId, JobState, RuntimeName
from draas.model.node import Facts, Load, Node, NodeState
from draas.model.plan import Plan, merge
from draas.model.policy import Policy
from draas.scheduler import explain, jobs, nodes
from draas.scheduler.app_control import AppControl
from draas.scheduler.fleet import Fleet
from draas.scheduler.misfits import Misfits, find_misfits
from draas.scheduler.place import plan_round
from draas.scheduler.queue import Queue
from draas.wire.link import Assign, Assignment, BuildOrder

RECENT_KEPT = 5_000  # many times what can end while one request is read from disk
SILENCE_EVERY_S = 0.25  # ticks may come a hundred times a second; a look at every node need not


class Control:
    """The cluster in memory and every decision about it. One instance leads at a time; `epoch` says which."""

    def __init__(
        self,
        job_list: Iterable[Job],
        node_list: Iterable[Node],
        next_seq: int,
        epoch: int,
        policy: Policy,
        now: float,
        app_list: Iterable[App] = (),
    ) -> None:
        self.cluster = Cluster(next_seq=next_seq)
        self.fleet = Fleet(policy.default_image)
        self.queue = Queue()
        self.policy = policy
        self.epoch = epoch
        self.held: Mapping[NodeId, JobId] = {}  # nodes kept free for a job that has starved, as of the last tick
        self.behind = False  # the last tick stopped at its limit: more can be placed at once
        self._silence_at = now
        self._generation = 0
        self._pending: list[Plan] = []
        self._put: dict[NodeId, dict[AllocationId, None]] = {}
        self._forget: dict[NodeId, dict[AllocationId, None]] = {}
        self.recent: OrderedDict[JobId, Job] = OrderedDict()  # ended not long ago: fresher than what is read from disk
        self._deleted: OrderedDict[JobId, None] = (
            OrderedDict()
        )  # not long ago: what is read from disk may have them yet
        self._left: set[NodeId] = set()
        self._told: set[NodeId] = set()  # nodes whose link has been given its full set: they get what changes
        self.apps = AppControl(self.cluster, self.fleet, policy, epoch, self._do, self._find_job, now)
        self._apply(Plan(jobs=tuple(job_list), nodes=tuple(node_list), apps=tuple(app_list)))
        self._do(nodes.begin(self.cluster, now))

    # --- what users ask ---

    def command(
        self, command: Command, now: float, loaded: Job | None = None, known: Mapping[JobId, JobState] | None = None
    ) -> tuple[list[Job], list[Node]]:
        """Carry out `command`; returns the jobs or nodes it concerns, as they are now.

        `loaded` is the job where it is not live; `known` the states of needed jobs that are not live. Raises DraasError.
        """
        match command:
            case SubmitJobs():
                made = {job.id: job for some in self.submit(command, now) for job in some}
                return [made[id] for id in command.ids], []
            case CancelJob(id=id):
                job = self._job(id, loaded)
                self._do(jobs.cancel_job(self.cluster, job, now))
                return [self._now(id, job)], []
            case RetryJob(id=id):
                job = self._job(id, loaded)
                self._do(jobs.retry_job(job, self._needed(job, known or {}), now))
                return [self._now(id, job)], []
            case DeleteJob(id=id):
                job = self._job(id, loaded)
                self._do(jobs.delete_job(job, now))
                return [job], []
            case PatchNode(id=id):
                self._do(nodes.patch_node(self._node(id), command, now))
                return [], [self._node(id)]
            case RemoveNode(id=id):
                node = self._node(id)
                self._do_each(nodes.remove_node(self.cluster, node, self.policy, now))
                return [], [node]

    def submit(self, command: SubmitJobs, now: float) -> Iterator[Sequence[Job]]:
        """Take a batch slice by slice, so that others can have their turn in between. Raises DraasError before the first."""
        fresher = {id: self.recent[id].state for id in command.known if id in self.recent}
        for plan in jobs.submit_in_slices(self.cluster, command, {**command.known, **fresher}, now):
            self._do(plan)
            yield plan.jobs

    def explain(self, job: Job, now: float) -> Explanation:
        """Why `job` is where it is."""
        return explain.explain(self.fleet, self.queue, job, now, self.cluster.nodes.values(), self.held)

    def misfits(self, project: str | None, now: float) -> Misfits | None:
        """Queued jobs that no machine could take."""
        self.queue.wake(now)
        return find_misfits(self.fleet, self.queue, self.cluster.jobs, project)

    def explain_app(self, app: App, now: float) -> Explanation:
        """Why `app` is as it is."""
        return explain.explain_app(self.fleet, app, now, self.cluster.nodes.values(), self.held)

    def record(self, events: Sequence[Event]) -> None:
        """Note what happened outside of all decisions."""
        self._do(Plan(events=tuple(events)))

    # --- what agents say ---

    def connect(
        self,
        node_id: NodeId,
        name: str,
        facts: Facts,
        have: Mapping[AllocationId, Observed],
        complete: bool,
        now: float,
    ) -> bool:
        """An agent said hello. The first time its node comes into being, under `name` or one like it.

        False where the node was removed meanwhile: it does not come back under this id.
        """
        if node_id in self._left:
            return False
        if node_id not in self.cluster.nodes:
            self._do(nodes.add_node(self.cluster, node_id, name, now))
        node = self._node(node_id)
        self._do_each(nodes.connect_node(self.cluster, node, facts, have, complete, self.policy, now))
        return True

    def disconnect(self, node_id: NodeId, now: float) -> None:
        """Its link closed."""
        self._told.discard(node_id)
        self.apps.unlink(node_id)
        node = self.cluster.nodes.get(node_id)
        if node is not None:
            self._do(nodes.unlink_node(node, now))

    def heartbeat(self, node_id: NodeId, load: Load, facts: Facts | None, now: float) -> None:
        """Fresh figures. They are kept in memory only, but for changed facts."""
        node = self.cluster.nodes.get(node_id)
        if node is None:
            return
        seen = nodes.see_node(node, load, facts, now)
        if facts is not None:
            self._do(Plan(nodes=(seen,)))
        else:
            self._apply(Plan(nodes=(seen,)))
        self._do(nodes.wake_node(seen, now))

    def report(self, node_id: NodeId, observed: Mapping[AllocationId, Observed], now: float, chance: float) -> None:
        """What an agent has newly seen of its allocations. Reports about superseded attempts change nothing."""
        for allocation_id, seen in observed.items():
            if (replica := self.cluster.replica(allocation_id)) is not None:
                if replica.node_id == node_id and is_news(replica.observed, seen):
                    self.apps.report(allocation_id, seen, now)
                    self._blame(node_id, seen, now)
                continue
            job = self.cluster.job_of(allocation_id)
            held = job.current if job is not None else None
            if job is None or held is None or held.node_id != node_id or not is_news(held.observed, seen):
                continue
            self._do(jobs.observe(self.cluster, job, seen, self.policy, now, chance))
            self._blame(node_id, seen, now)

    def _blame(self, node_id: NodeId, seen: Observed, now: float) -> None:
        node = self.cluster.nodes.get(node_id)
        if node is not None:
            self._do(nodes.blame_for(node, seen.cause, now))

    # --- time ---

    def tick(self, now: float) -> None:
        """What is due by the clock, then place what can be placed."""
        if now >= self._silence_at:
            self._silence_at = now + SILENCE_EVERY_S
            self._do_each(nodes.check_silence(self.cluster, self.policy, now))
        self.held, self.behind = {}, self.apps.tick(now)
        if not len(self.queue):
            return
        limit = self.policy.placements_per_tick
        placed, self.held = plan_round(self.fleet, self.queue, now, limit)
        self.behind |= len(placed) == limit
        if placed:
            pairs = [(placement.job_id, self.cluster.nodes[placement.node_id]) for placement in placed]
            self._do(jobs.assign_jobs(self.cluster, pairs, now))

    # --- what the shell takes away ---

    def take(self) -> Plan:
        """All changes since the last call, to be committed in one transaction. Each job and node is in it once, as it is now."""
        plan = merge(self._pending)
        self._pending = []
        newest = {job.id: job for job in plan.jobs}
        members = {node.id: node for node in plan.nodes}
        apps = {app.id: app for app in plan.apps if app.id not in plan.gone_apps}
        if len(newest) == len(plan.jobs) and len(members) == len(plan.nodes) and len(apps) == len(plan.apps):
            return plan
        return replace(plan, jobs=tuple(newest.values()), nodes=tuple(members.values()), apps=tuple(apps.values()))

    def orders(self) -> dict[NodeId, Assign]:
        """What has changed for the linked agents since the last call. To be sent after the commit, and after their full set."""
        changed = (self._put.keys() | self._forget.keys()) & self._told
        out = {node_id: self._delta(node_id) for node_id in sorted(changed)}
        self._put.clear()
        self._forget.clear()
        return out

    def full_orders(self, node_id: NodeId) -> Assign:
        """The whole set that an agent should have: what a fresh link begins with."""
        self._told.add(node_id)
        self._generation += 1
        put = [self._assignment(job, held.id) for job, held in self.cluster.on_node(node_id)]
        put += [self.apps.assignment(app, replica) for app, replica in self.cluster.replicas_on(node_id)]
        self._put.pop(node_id, None)
        self._forget.pop(node_id, None)
        return Assign(epoch=self.epoch, generation=self._generation, put=put, full=True)

    def _delta(self, node_id: NodeId) -> Assign:
        self._generation += 1
        put = []
        for allocation_id in self._put.get(node_id, ()):
            job = self.cluster.job_of(allocation_id)
            app = self.cluster.app_of(allocation_id)
            replica = self.cluster.replica(allocation_id)
            if job is not None:
                put.append(self._assignment(job, allocation_id))
            elif app is not None and replica is not None:
                put.append(self.apps.assignment(app, replica))
        return Assign(
            epoch=self.epoch, generation=self._generation, put=put, forget=list(self._forget.get(node_id, ()))
        )

    def _assignment(self, job: Job, allocation_id: AllocationId) -> Assignment:
        held, spec = job.attempts[-1], job.spec
        return Assignment(
            id=allocation_id,
            job_id=job.id,
            project=job.project,
            number=held.number,
            name=spec.name,
            runtime=spec.runtime,
            image=spec.image or (self.policy.default_image if spec.runtime is RuntimeName.DOCKER else None),
            command=spec.command,
            env=spec.env,
            resources=spec.resources,
            timeout_s=spec.timeout_s,
            exclusive=spec.exclusive,
            desired=held.desired,
            log_cap_bytes=self.policy.log_cap_bytes,
            build=order_of(spec.build) if spec.build is not None else None,
        )

    # --- applying ---

    def _do(self, plan: Plan) -> None:
        if plan:
            self._apply(plan)
            self._pending.append(plan)

    def _do_each(self, plans: Iterable[Plan]) -> None:
        for plan in plans:
            self._do(plan)

    def _apply(self, plan: Plan) -> None:
        self.apps.note(plan)
        for job in plan.jobs:
            self._note_orders(self.cluster.jobs.get(job.id), job)
        for app in plan.apps:
            self._note_replicas(self.cluster.apps.get(app.id), app)
        self.cluster.apply(plan)
        for app in plan.apps:
            self.fleet.put_app(app)
        for app_id in plan.gone_apps:
            self.fleet.drop_app(app_id)
        for job in plan.jobs:
            self.fleet.put_job(job)
            if job.state is JobState.QUEUED and job.current is None:
                self.queue.put(job)
            else:
                self.queue.drop(job.id)
            if job.live:
                self.recent.pop(job.id, None)
            else:
                self.recent[job.id] = job
        for job_id in plan.gone_jobs:
            self.queue.drop(job_id)
            self.recent.pop(job_id, None)
            self._deleted[job_id] = None
        while len(self.recent) > RECENT_KEPT:
            self.recent.popitem(last=False)
        while len(self._deleted) > RECENT_KEPT:
            self._deleted.popitem(last=False)
        for node in plan.nodes:
            self.fleet.put_node(node)
        for node_id in plan.gone_nodes:
            self.fleet.drop_node(node_id)
            self._told.discard(node_id)
            self._left.add(node_id)

    def _note_orders(self, before: Job | None, after: Job) -> None:
        """Remember what the agents are to be told: a new or stopping allocation, or one that is over."""
        held, holds = before.current if before else None, after.current
        if held is not None and holds is None:
            self._put.get(held.node_id, {}).pop(held.id, None)
            self._forget.setdefault(held.node_id, {})[held.id] = None
        elif holds is not None and (held is None or held.id != holds.id or held.desired is not holds.desired):
            self._put.setdefault(holds.node_id, {})[holds.id] = None

    def _note_replicas(self, before: App | None, after: App) -> None:
        """The same for replicas."""
        held = {one.id: one for one in before.replicas} if before is not None else {}
        holds = {one.id: one for one in after.replicas}
        for id, replica in held.items():
            if id not in holds:
                self._put.get(replica.node_id, {}).pop(id, None)
                self._forget.setdefault(replica.node_id, {})[id] = None
        for id, replica in holds.items():
            if id not in held or held[id].allocation.desired is not replica.allocation.desired:
                self._put.setdefault(replica.node_id, {})[id] = None

    # --- finding ---

    def _find_job(self, id: JobId) -> Job | None:
        return self.cluster.jobs.get(id) or self.recent.get(id)

    def _job(self, id: JobId, loaded: Job | None) -> Job:
        job = self.cluster.jobs.get(id) or self.recent.get(id) or loaded
        if job is None or id in self._deleted:
            raise NotFound(f"there is no job {id!r}")
        return job

    def _now(self, id: JobId, before: Job) -> Job:
        """The job as it has become."""
        return self.cluster.jobs.get(id) or self.recent.get(id) or before

    def _needed(self, job: Job, known: Mapping[JobId, JobState]) -> dict[JobId, JobState]:
        """The states of what `job` needs. Raises Conflict where one was deleted before `job` could begin."""
        states = {}
        for need in job.spec.needs:
            live = self.cluster.jobs.get(need) or self.recent.get(need)
            state = live.state if live is not None else known.get(need)
            if need in self._deleted or state is None:
                if not job.attempts:
                    raise Conflict(f"job {job.id} needs {need}, which was deleted; submit both again")
                state = JobState.SUCCEEDED  # or the job could not have run before
            states[need] = state
        return states

    def _node(self, id: NodeId) -> Node:
        node = self.cluster.nodes.get(id)
        if node is None or node.state is NodeState.LEFT:
            raise NotFound(f"there is no node {id!r}")
        return node


def order_of(build: BuildSpec) -> BuildOrder:
    """What the agent is told of a build. Its secrets are sealed: whoever sends the order opens them."""
    return BuildOrder(
        repository=build.repository,
        source=build.source,
        git=build.git,
        tags=build.tags,
        folder=build.folder,
        dockerfile=build.dockerfile,
        target=build.target,
        args=build.args,
        platform=build.platform,
        disk_bytes=build.disk_bytes,
        cache=build.cache,
    )
