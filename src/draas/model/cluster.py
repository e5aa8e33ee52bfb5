"""Cluster: every live object in memory, with the indexes that decisions need. `apply` is the only way to change it."""

from collections.abc import Iterable, Mapping

from draas.model.allocation import Allocation, AllocationId, NodeId
from draas.model.app import App, AppId
from draas.model.job import Job, JobId
from draas.model.node import Node
from draas.model.plan import Plan
from draas.model.replica import Replica


class Cluster:
    """Live jobs (see Job.live), all nodes and all apps. Reading is free; writing happens through `apply` alone."""

    def __init__(
        self, jobs: Iterable[Job] = (), nodes: Iterable[Node] = (), next_seq: int = 1, apps: Iterable[App] = ()
    ) -> None:
        self._jobs: dict[JobId, Job] = {}
        self._nodes: dict[NodeId, Node] = {}
        self._names: dict[str, NodeId] = {}
        self._allocations: dict[AllocationId, JobId] = {}
        self._on_node: dict[NodeId, dict[AllocationId, JobId]] = {}
        self._dependents: dict[JobId, dict[JobId, None]] = {}
        self._apps: dict[AppId, App] = {}
        self._app_names: dict[str, AppId] = {}
        self._replicas: dict[AllocationId, AppId] = {}
        self._replicas_on: dict[NodeId, dict[AllocationId, AppId]] = {}
        self.next_seq = next_seq
        self.revision = 0  # grows with every change
        self.apply(Plan(jobs=tuple(jobs), nodes=tuple(nodes), apps=tuple(apps)))

    @property
    def jobs(self) -> Mapping[JobId, Job]:
        return self._jobs

    @property
    def nodes(self) -> Mapping[NodeId, Node]:
        return self._nodes

    def node_named(self, name: str) -> Node | None:
        """The node of this name, if any."""
        found = self._names.get(name)
        return self._nodes[found] if found is not None else None

    def find_node(self, id_or_name: str) -> Node | None:
        """The node with this id or, failing that, this name."""
        return self._nodes.get(NodeId(id_or_name)) or self.node_named(id_or_name)

    def job_of(self, allocation: AllocationId) -> Job | None:
        """The live job whose current attempt this is."""
        found = self._allocations.get(allocation)
        return self._jobs[found] if found is not None else None

    def on_node(self, node: NodeId) -> list[tuple[Job, Allocation]]:
        """The allocations that hold resources there, oldest first."""
        held = self._on_node.get(node, {}).values()
        return [(job, current) for job in map(self._jobs.__getitem__, held) if (current := job.current) is not None]

    @property
    def apps(self) -> Mapping[AppId, App]:
        return self._apps

    def app_named(self, name: str) -> App | None:
        """The app of this name, if any."""
        found = self._app_names.get(name)
        return self._apps[found] if found is not None else None

    def app_of(self, allocation: AllocationId) -> App | None:
        """The app that has this replica, which has not ended."""
        found = self._replicas.get(allocation)
        return self._apps[found] if found is not None else None

    def replica(self, id: AllocationId) -> Replica | None:
        """The replica with this id that has not ended."""
        app = self.app_of(id)
        return next(one for one in app.replicas if one.id == id) if app is not None else None

    def replicas_on(self, node: NodeId) -> list[tuple[App, Replica]]:
        """The replicas that hold resources there, oldest first."""
        held = self._replicas_on.get(node, {})
        found = [(self._apps[app_id], id) for id, app_id in held.items()]
        return [(app, next(one for one in app.replicas if one.id == id)) for app, id in found]

    def dependents(self, job: JobId) -> list[Job]:
        """Live jobs that wait, or waited, for `job`, in order of arrival."""
        return [self._jobs[waiting] for waiting in self._dependents.get(job, ())]

    def apply(self, plan: Plan) -> None:
        """Take over what `plan` says. Jobs that are not live any more leave memory."""
        self.revision += 1
        for node in plan.nodes:
            old = self._nodes.get(node.id)
            if old is not None and old.name != node.name:
                del self._names[old.name]
            self._nodes[node.id] = node
            self._names[node.name] = node.id
        for node_id in plan.gone_nodes:
            self._names.pop(self._nodes.pop(node_id).name, None)
        for job in plan.jobs:
            self._put(job)
        for job_id in plan.gone_jobs:
            self._drop(job_id)
        for app in plan.apps:
            self._put_app(app)
        for app_id in plan.gone_apps:
            self._drop_app(app_id)

    def _put_app(self, app: App) -> None:
        before = self._apps.get(app.id)
        self._apps[app.id] = app
        self._app_names[app.name] = app.id
        self._index_replicas(app.id, before.replicas if before is not None else (), app.replicas)

    def _drop_app(self, app_id: AppId) -> None:
        app = self._apps.pop(app_id, None)
        if app is not None:
            del self._app_names[app.name]
            self._index_replicas(app_id, app.replicas, ())

    def _index_replicas(self, app_id: AppId, before: Iterable[Replica], after: Iterable[Replica]) -> None:
        held, holds = {one.id: one for one in before}, {one.id: one for one in after}
        for id in held.keys() - holds.keys():
            del self._replicas[id]
            del self._replicas_on[held[id].node_id][id]
        for id, replica in holds.items():
            if id not in held:
                self._replicas[id] = app_id
                self._replicas_on.setdefault(replica.node_id, {})[id] = app_id

    def _put(self, job: Job) -> None:
        self.next_seq = max(self.next_seq, job.seq + 1)
        before = self._jobs.get(job.id)
        held, holds = before.current if before else None, job.current
        if held is not None and (holds is None or holds.id != held.id):
            del self._allocations[held.id]
            del self._on_node[held.node_id][held.id]
        if not job.live:
            self._drop(job.id)
            return
        self._jobs[job.id] = job
        if holds is not None and (held is None or held.id != holds.id):
            self._allocations[holds.id] = job.id
            self._on_node.setdefault(holds.node_id, {})[holds.id] = job.id
        if before is None:
            for need in job.unmet:
                self._dependents.setdefault(need, {})[job.id] = None

    def _drop(self, job_id: JobId) -> None:
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        if (held := job.current) is not None and held.id in self._allocations:
            del self._allocations[held.id]
            del self._on_node[held.node_id][held.id]
        for need in job.spec.needs:  # all of them: `unmet` has shrunk since
            waiting = self._dependents.get(need)
            if waiting is not None:
                waiting.pop(job_id, None)
                if not waiting:
                    del self._dependents[need]
