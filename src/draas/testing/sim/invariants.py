"""What must hold after every step of a simulation. A violation raises Violated with the seed and the story."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from draas.model.allocation import (
    ALLOCATION_RANK,
    Allocation,
    AllocationId,
    AllocationState,
    Cause,
    Desired,
    NodeId,
    Observed,
)
from draas.model.job import Job, JobId, JobState
from draas.model.node import NodeState
from draas.model.resources import NOTHING
from draas.testing.sim.builds import fault_of_build, fault_of_event, fault_of_start
from draas.testing.sim.controller import Controller, Disk
from draas.testing.sim.machines import STOPPED_CODE, Container, Machine

_COUNTED = frozenset({Cause.EXIT, Cause.TIMEOUT, Cause.IMAGE})  # failures that use up a retry


class Violated(AssertionError):
    """An invariant does not hold."""


class Invariants:
    """Watches one run: the disk, the memory of the controller, and what really runs on the machines."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._checked: object = None  # what disk and memory were at the last look
        self._looked_at = -1
        self._acknowledged: dict[JobId, None] = {}
        self._delete_asked: set[JobId] = set()
        self._deleted: set[JobId] = set()
        self._drained: dict[NodeId, float] = {}  # since when
        self._said: dict[AllocationId, list[Observed]] = defaultdict(list)
        self._last_said: dict[tuple[AllocationId, int], Observed] = {}
        self._stopped: set[AllocationId] = set()  # by their agents
        self._spans: dict[AllocationId, tuple[float, float | None]] = {}
        self._cancelled: dict[JobId, int] = {}
        self._seen: dict[JobId, Job] = {}
        self._events_seen = 0
        self._running_exclusive: dict[JobId, dict[AllocationId, Machine]] = defaultdict(dict)
        self._starts: dict[AllocationId, int] = defaultdict(int)
        self._retried: dict[JobId, int] = defaultdict(int)

    # --- told by the scenario ---

    def acknowledged(self, job_ids: Iterable[JobId]) -> None:
        """The user was told that these jobs are taken."""
        self._acknowledged.update(dict.fromkeys(job_ids))
        self._looked_at = -1

    def delete_asked(self, job_id: JobId) -> None:
        """The user asked to forget this job (which may yet be lost with a crash)."""
        self._delete_asked.add(job_id)

    def may_be_deleted(self, job_id: JobId) -> bool:
        """Whether the user has asked to forget this job."""
        return job_id in self._delete_asked

    def deleted(self, job_id: JobId) -> None:
        """The user was told that this job is forgotten."""
        self._deleted.add(job_id)
        self._looked_at = -1

    def drained(self, node_id: NodeId, drain: bool, now: float) -> None:
        """The user was told that this node takes no new work, or takes it again."""
        if drain:
            self._drained[node_id] = now
        else:
            self._drained.pop(node_id, None)

    def retries_of(self, job_id: JobId) -> int:
        """How often the user has asked for a retry by now."""
        return self._retried[job_id]

    def cancelled(self, job_id: JobId, retries: int) -> None:
        """The user was told that this job is cancelled, which was asked for after `retries` retries.

        A retry that was asked for later may have been decided already when the word on the cancelling came.
        """
        self._cancelled[job_id] = retries
        self._looked_at = -1

    def retried(self, job_id: JobId) -> None:
        """The user asked for a retry (which may yet be lost with a crash)."""
        self._retried[job_id] += 1

    def started(self, machine: Machine, container: Container) -> None:
        """Something began to run on a machine."""
        id, job_id = container.id, container.assignment.job_id
        self._starts[id] += 1
        if self._starts[id] > 1:
            raise Violated(f"{id} was started twice")
        self._spans[id] = (machine.world.now, None)
        if fault := fault_of_start(container.assignment, machine.roles):
            raise Violated(f"{machine.node_id} runs {id}: {fault}")
        job = self._disk.jobs.get(job_id)
        if job is None and job_id in self._delete_asked:
            return  # a given-up attempt that comes to life late; it is stopped as soon as it is seen
        if job is None or all(attempt.id != id for attempt in job.attempts):
            raise Violated(f"{id} runs on {machine.node_id}, but no disk knows of it")
        for need in job.spec.needs:
            needed = self._disk.jobs.get(need)
            if needed is not None and needed.state is not JobState.SUCCEEDED and not self._retried[need]:
                raise Violated(f"{id} runs although {need} is {needed.state}")
        if container.assignment.exclusive:
            self._running_exclusive[job_id][id] = machine
            self._check_alone(job_id)

    def said(self, machine: Machine, id: AllocationId, observed: Observed) -> None:
        """An agent told the controller, or tried to, what it has seen."""
        before = self._last_said.get((id, machine.life))
        if before is not None and (before.cause is Cause.RUNTIME or _ended_unseen(before)):
            before = None  # the engine was away; what it still had is found anew
        if before is not None and ALLOCATION_RANK[observed.state] < ALLOCATION_RANK[before.state]:
            raise Violated(f"{machine.node_id} says that {id} went back from {before.state} to {observed.state}")
        self._last_said[id, machine.life] = observed
        self._said[id].append(observed)

    def ended(self, machine: Machine, container: Container) -> None:
        """It runs no more."""
        self._spans[container.id] = (self._spans[container.id][0], machine.world.now)
        if container.exit_code == STOPPED_CODE:
            self._stopped.add(container.id)
        self._running_exclusive[container.assignment.job_id].pop(container.id, None)

    def thawed(self, machine: Machine) -> None:
        """A machine that stood still goes on, after its watchdog has had a look at the time."""
        for job_id, running in self._running_exclusive.items():
            if any(one is machine for one in running.values()):
                self._check_alone(job_id)

    def _check_alone(self, job_id: JobId) -> None:
        """What stands still with its machine does not run."""
        awake = [f"{id} on {m.node_id}" for id, m in self._running_exclusive[job_id].items() if not m.frozen]
        if len(awake) > 1:
            raise Violated(f"{awake} of the same exclusive job run at once")

    # --- after every step ---

    def check(self, controller: Controller | None) -> None:
        """Disk and memory, as they are now. What has not changed since the last look is not looked at again."""
        if self._looked_at != self._disk.revision:
            self._check_disk()
            self._looked_at = self._disk.revision
        if controller is not None and controller.alive:
            control = controller.control
            books = control.fleet.books
            now = (control, control.cluster.revision, books.version, books.log_end)
            if now != self._checked:
                control.fleet.check(control.cluster)
                self._checked = now

    def _check_disk(self) -> None:
        jobs = self._disk.jobs
        for job_id in self._acknowledged:
            if job_id not in jobs and job_id not in self._delete_asked:
                raise Violated(f"{job_id} was acknowledged and is lost")
        for job_id in self._deleted:
            if job_id in jobs:
                raise Violated(f"{job_id} was deleted and is back")
        for job_id, retries in self._cancelled.items():
            job = jobs.get(job_id)
            if job is not None and job.state is not JobState.CANCELLED and self._retried[job_id] == retries:
                raise Violated(f"{job_id} was cancelled and is {job.state}")
        for event in self._disk.events[self._events_seen :]:
            if fault := fault_of_event(event):
                raise Violated(fault)
        self._events_seen = len(self._disk.events)
        for job_id, job in jobs.items():
            before = self._seen.get(job_id)
            if before is not job:
                self._check_step(before, job)
                self._seen[job_id] = job

    def _check_step(self, before: Job | None, job: Job) -> None:
        wins = sum(attempt.state is AllocationState.SUCCEEDED for attempt in job.attempts)
        if wins > 1 + self._retried[job.id]:
            raise Violated(f"{job.id} has {wins} results")
        held = [attempt for attempt in job.attempts if not attempt.ended]
        if len(held) > 1 or (held and held[0] is not job.attempts[-1]):
            raise Violated(f"{job.id} holds {[attempt.id for attempt in held]}")
        failures = sum(attempt.observed.cause in _COUNTED for attempt in job.attempts)
        if failures > (job.spec.retries + 1) * (1 + self._retried[job.id]):
            raise Violated(f"{job.id} has failed {failures} times with {job.spec.retries} retries")
        self._check_observed(job)
        if job.spec.build is not None and (fault := fault_of_build(job)):
            raise Violated(f"{job.id}, a build: {fault}")
        if before is None:
            return
        if before.ended and job.state is not before.state and not self._retried[job.id]:
            raise Violated(f"{job.id} went from {before.state} to {job.state}")
        if (job.spec, job.project, job.seq, job.created_at) != (
            before.spec,
            before.project,
            before.seq,
            before.created_at,
        ):
            raise Violated(f"{job.id} changed what nobody may write")
        for old, new in zip(before.attempts, job.attempts, strict=False):
            if old.id != new.id or (old.ended and new != old):
                raise Violated(f"the past of {job.id} was rewritten")
            if ALLOCATION_RANK[new.state] < ALLOCATION_RANK[old.state]:
                raise Violated(f"{new.id} went back from {old.state} to {new.state}")
            if old.desired is Desired.STOP and new.desired is Desired.RUN:
                raise Violated(f"{new.id} is wanted again")

    def _check_observed(self, job: Job) -> None:
        """What was observed is the agent's word, and nobody else's; only that something is lost is the controller's."""
        for attempt in job.attempts:
            self.check_allocation(attempt)
            seen = attempt.observed
            if seen.cause is Cause.TIMEOUT and attempt.id in self._stopped:
                began, ended = self._spans[attempt.id]
                if ended is None or ended - began < (job.spec.timeout_s or 0.0) - 0.001:
                    raise Violated(f"{attempt.id} timed out having run from {began} to {ended}")

    def check_allocation(self, held: Allocation) -> None:
        """Of a job or an app: it was placed where it may be, and what is known of it is its agent's word."""
        if held.assigned_at > self._drained.get(held.node_id, held.assigned_at):
            raise Violated(f"{held.id} was placed on {held.node_id}, which is draining")
        seen = held.observed
        if seen.state is not AllocationState.LOST and seen != Observed() and seen not in self._said[held.id]:
            raise Violated(f"no agent ever said {seen} of {held.id}")

    # --- at the very end ---

    def check_converged(
        self, controller: Controller, machines: list[Machine], replicas: Mapping[AllocationId, NodeId]
    ) -> None:
        """After healing: every job has ended, nothing but `replicas` runs, is held, and is remembered by any agent."""
        for job in self._disk.jobs.values():
            if not job.ended or job.current is not None:
                raise Violated(f"{job.id} is still {job.state} ({job.reason}); attempts {job.attempts}")
        for machine in machines:
            right = {id for id, node_id in replicas.items() if node_id == machine.node_id}
            known = set(machine.agent.locals) if machine.agent is not None else set()
            if set(machine.containers) != right or known != right:
                has = sorted(machine.containers)
                raise Violated(f"{machine.node_id} has containers {has} and knows {known}, and should have {right}")
        control = controller.control
        if len(control.cluster.jobs):
            raise Violated(f"memory still holds {list(control.cluster.jobs)}")
        for machine in machines:
            node = control.cluster.nodes.get(machine.node_id)
            if node is None or node.state is not NodeState.READY or node.drain:
                raise Violated(f"{machine.node_id} is healthy and is seen as {node}")
            reserved = control.fleet.reserved(node.id)
            if reserved != NOTHING and node.id not in replicas.values():
                raise Violated(f"{reserved} is still reserved on {node.id}")


def _ended_unseen(seen: Observed) -> bool:
    """Whether an agent has told something to be stopped that it had never seen run."""
    return seen.state is AllocationState.STOPPED and seen.started_at is None
