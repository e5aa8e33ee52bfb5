"""What must hold after every step of a simulation. A violation raises Violated with the seed and the story."""

from collections import defaultdict

from draas.model.allocation import ALLOCATION_RANK, AllocationId, AllocationState, Desired
from draas.model.job import Job, JobId, JobState
from draas.testing.sim.controller import Controller, Disk
from draas.testing.sim.machines import Container, Machine


class Violated(AssertionError):
    """An invariant does not hold."""


class Invariants:
    """Watches one run: the disk, the memory of the controller, and what really runs on the machines."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._acknowledged: dict[JobId, None] = {}
        self._cancelled: dict[JobId, int] = {}
        self._seen: dict[JobId, Job] = {}
        self._running_exclusive: dict[JobId, set[AllocationId]] = defaultdict(set)
        self._starts: dict[AllocationId, int] = defaultdict(int)
        self._retried: dict[JobId, int] = defaultdict(int)

    # --- told by the scenario ---

    def acknowledged(self, job_id: JobId) -> None:
        """The user was told that this job is taken."""
        self._acknowledged[job_id] = None

    def cancelled(self, job_id: JobId) -> None:
        """The user was told that this job is cancelled."""
        self._cancelled[job_id] = self._retried[job_id]

    def retried(self, job_id: JobId) -> None:
        """The user asked for a retry (which may yet be lost with a crash)."""
        self._retried[job_id] += 1

    def started(self, machine: Machine, container: Container) -> None:
        """Something began to run on a machine."""
        id, job_id = container.id, container.assignment.job_id
        self._starts[id] += 1
        if self._starts[id] > 1:
            raise Violated(f"{id} was started twice")
        job = self._disk.jobs.get(job_id)
        if job is None or all(attempt.id != id for attempt in job.attempts):
            raise Violated(f"{id} runs on {machine.node_id}, but no disk knows of it")
        for need in job.spec.needs:
            needed = self._disk.jobs.get(need)
            if needed is not None and needed.state is not JobState.SUCCEEDED and not self._retried[need]:
                raise Violated(f"{id} runs although {need} is {needed.state}")
        if container.assignment.exclusive:
            others = self._running_exclusive[job_id]
            if others:
                raise Violated(f"{id} runs on {machine.node_id} while {sorted(others)} of the same exclusive job runs")
            others.add(id)

    def ended(self, machine: Machine, container: Container) -> None:
        """It runs no more."""
        self._running_exclusive[container.assignment.job_id].discard(container.id)

    # --- after every step ---

    def check(self, controller: Controller | None) -> None:
        """Disk and memory, as they are now."""
        self._check_disk()
        if controller is not None and controller.alive:
            control = controller.control
            control.fleet.check(control.cluster)

    def _check_disk(self) -> None:
        jobs = self._disk.jobs
        for job_id in self._acknowledged:
            if job_id not in jobs:
                raise Violated(f"{job_id} was acknowledged and is lost")
        for job_id, retries in self._cancelled.items():
            job = jobs.get(job_id)
            if job is not None and job.state is not JobState.CANCELLED and self._retried[job_id] == retries:
                raise Violated(f"{job_id} was cancelled and is {job.state}")
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
        if job.failures > job.spec.retries + 1:
            raise Violated(f"{job.id} has failed {job.failures} times with {job.spec.retries} retries")
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

    # --- at the very end ---

    def check_converged(self, controller: Controller, machines: list[Machine]) -> None:
        """After healing: every job has ended, nothing runs, nothing is held, no agent remembers anything."""
        for job in self._disk.jobs.values():
            if not job.ended or job.current is not None:
                raise Violated(f"{job.id} is still {job.state} ({job.reason}); attempts {job.attempts}")
        for machine in machines:
            running = [container.id for container in machine.containers.values()]
            known = list(machine.agent.locals) if machine.agent is not None else []
            if running or known:
                raise Violated(f"{machine.node_id} still has containers {running} and knows {known}")
        if len(controller.control.cluster.jobs):
            raise Violated(f"memory still holds {list(controller.control.cluster.jobs)}")
