"""SmallCluster: a real Control with verbs for what users do, agents say and time brings."""

from draas.model.allocation import Allocation, AllocationId, AllocationState, Cause, NodeId, Observed
from draas.model.command import CancelJob, DeleteJob, PatchNode, RemoveNode, RetryJob, SubmitJobs
from draas.model.explanation import Explanation
from draas.model.job import DEFAULT_PROJECT, Job, JobId, JobSpec, JobState, ProjectName
from draas.model.node import Facts, Load, Node
from draas.model.plan import Plan
from draas.model.policy import Policy
from draas.scheduler.control import Control
from draas.testing.builders import NOW, a_spec, some_facts
from draas.wire.link import Assign


class SmallCluster:
    """Jobs are j1, j2, … in the order of submission. All verbs happen at `now`, which only `wait` moves."""

    def __init__(self, *nodes: str, policy: Policy | None = None) -> None:
        self.now = NOW
        self.policy = policy or Policy()
        self.control = Control((), (), 1, 1, self.policy, self.now)
        self.sent: dict[str, list[Assign]] = {}
        self._count = 0
        for name in nodes:
            self.joins(name)

    # --- users ---

    def submit(self, *specs: JobSpec, project: str = DEFAULT_PROJECT, known: dict[str, JobState] | None = None) -> str:
        """New jobs in one request; returns the id of the last. Raises as the command does."""
        specs = specs or (a_spec(),)
        ids = [JobId(f"j{self._count + number + 1}") for number in range(len(specs))]
        states = {JobId(id): state for id, state in (known or {}).items()}
        command = SubmitJobs(project=ProjectName(project), ids=ids, specs=specs, known=states)
        self.control.command(command, self.now)
        self._count += len(specs)
        return ids[-1]

    def cancel(self, id: str) -> Job:
        return self.control.command(CancelJob(id=JobId(id)), self.now)[0][0]

    def retry(self, id: str, known: dict[JobId, JobState] | None = None) -> Job:
        return self.control.command(RetryJob(id=JobId(id)), self.now, known=known)[0][0]

    def delete(self, id: str) -> None:
        self.control.command(DeleteJob(id=JobId(id)), self.now)

    def drain(self, name: str, drain: bool = True) -> None:
        self.control.command(PatchNode(id=NodeId(name), labels={}, drain=drain), self.now)

    def label(self, name: str, **labels: str | None) -> None:
        self.control.command(PatchNode(id=NodeId(name), labels=labels), self.now)

    def remove(self, name: str) -> None:
        self.control.command(RemoveNode(id=NodeId(name)), self.now)

    def explain(self, id: str) -> Explanation:
        return self.control.explain(self.job(id), self.now)

    # --- agents ---

    def joins(self, name: str, facts: Facts | None = None, **have: Observed) -> bool:
        """An agent connects; `have` is what it has, `j1_1` for attempt j1.1."""
        observed = {self._allocation(key): seen for key, seen in have.items()}
        taken = self.control.connect(NodeId(name), name, facts or some_facts(), observed, True, self.now)
        if taken:
            self.sent.setdefault(name, []).append(self.control.full_orders(NodeId(name)))
        return taken

    def unlinks(self, name: str) -> None:
        self.control.disconnect(NodeId(name), self.now)

    def beats(self, *names: str, load: Load | None = None) -> None:
        for name in names:
            self.control.heartbeat(NodeId(name), load or Load(), None, self.now)

    def says(self, id: str, seen: Observed, node: str | None = None, chance: float = 0.5) -> None:
        """The agent reports on a job's newest attempt."""
        held = self.attempt(id)
        self.control.report(NodeId(node or held.node_id), {held.id: seen}, self.now, chance)

    def starts(self, id: str) -> None:
        self.says(id, Observed(state=AllocationState.RUNNING, started_at=self.now))

    def succeeds(self, id: str) -> None:
        self.says(id, Observed(state=AllocationState.SUCCEEDED, exit_code=0, finished_at=self.now))

    def fails(self, id: str, cause: Cause = Cause.EXIT, detail: str = "exit code 1", chance: float = 0.5) -> None:
        seen = Observed(state=AllocationState.FAILED, cause=cause, detail=detail, exit_code=1, finished_at=self.now)
        self.says(id, seen, chance=chance)

    def stops(self, id: str, cause: Cause = Cause.CANCELLED) -> None:
        self.says(id, Observed(state=AllocationState.STOPPED, cause=cause, finished_at=self.now))

    # --- time ---

    def tick(self) -> Plan:
        """One tick of the loop; returns what it would commit, and keeps what it would send."""
        self.control.tick(self.now)
        plan = self.control.take()
        for node_id, assign in self.control.orders().items():
            self.sent.setdefault(node_id, []).append(assign)
        self.control.fleet.check(self.control.cluster)
        return plan

    def wait(self, seconds: float, *beating: str) -> None:
        """Time goes by, a tick each half second; the nodes of `beating` are heard of meanwhile."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.5)
            self.beats(*beating)
            self.tick()

    # --- looking ---

    def job(self, id: str) -> Job:
        """The job, live or ended not long ago."""
        return self.control.cluster.jobs.get(JobId(id)) or self.control.recent[JobId(id)]

    def attempt(self, id: str) -> Allocation:
        return self.job(id).attempts[-1]

    def where(self, id: str) -> str | None:
        """The node that a job is on, if any."""
        held = self.job(id).current
        return held.node_name if held is not None else None

    def node(self, name: str) -> Node:
        return self.control.cluster.nodes[NodeId(name)]

    def states(self) -> dict[str, str]:
        """Every job's state."""
        return {f"j{number}": str(self.job(f"j{number}").state) for number in range(1, self._count + 1)}

    def told(self, name: str) -> Assign:
        """The last orders sent to a node."""
        return self.sent[name][-1]

    @staticmethod
    def _allocation(key: str) -> AllocationId:
        return AllocationId(key.replace("_", "."))
