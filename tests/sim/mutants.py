"""Planted bugs, one of each class that the promises of the architecture forbid. The simulation must catch every one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from draas.agent.core import events as e
from draas.agent.core.core import AgentCore, Local
from draas.model.allocation import AllocationId, NodeId, Observed
from draas.model.job import JobState
from draas.model.node import Facts
from draas.model.plan import Plan
from draas.scheduler.control import Control
from draas.testing.sim.controller import Controller, Pending
from draas.wire.link import Assign


class AnswersBeforeCommit(Controller):
    """Acknowledges, and sends orders, before anything is on disk."""

    def begin_commit(self, pending: Pending) -> None:
        for follow_up in pending.then:
            follow_up()
        for node_id, assign in pending.orders.items():
            connection = self._welcomed.get(node_id)
            if connection is not None:
                self._send(node_id, connection, [assign])
        super().begin_commit(replace_pending(pending))


def replace_pending(pending: Pending) -> Pending:
    """The same changes, with nothing left to answer or send."""
    return Pending(plan=pending.plan, orders={}, then=[])


class ForgetsToReserve(Control):
    """Books nothing for what it places."""

    def _apply(self, plan: Plan) -> None:
        super()._apply(plan)
        for job in plan.jobs:
            if job.current is not None:
                self.fleet.release(job.current.id)


class IgnoresNeeds(Control):
    """Queues a job although what it needs has not succeeded."""

    def _apply(self, plan: Plan) -> None:
        eager = tuple(
            replace(job, state=JobState.QUEUED, unmet=(), ready_at=0.0) if job.state is JobState.WAITING else job
            for job in plan.jobs
        )
        super()._apply(replace(plan, jobs=eager))


class ForgetsLeases(Control):
    """Re-runs an exclusive job as soon as its node is down."""

    def __init__(self, *args: object) -> None:
        *others, policy, now = args
        super().__init__(*others, replace(policy, lease_s=0.0, lease_margin_s=0.0), now)  # type: ignore[arg-type]


class BelievesTheSuperseded(Control):
    """Takes a result from an attempt that was given up."""

    def report(self, node_id: NodeId, observed: Mapping[AllocationId, Observed], now: float, chance: float) -> None:
        super().report(node_id, observed, now, chance)
        for allocation_id, seen in observed.items():
            job = self.cluster.jobs.get(allocation_id.rpartition(".")[0])  # type: ignore[call-overload]
            if job is not None and job.attempts and seen.exit_code == 0:
                attempts = tuple(
                    replace(attempt, observed=seen) if attempt.id == allocation_id else attempt
                    for attempt in job.attempts
                )
                if attempts != job.attempts:
                    self._do(Plan(jobs=(replace(job, attempts=attempts),)))


class RevivesTheCancelled(Control):
    """Lets a late result overrule a cancellation."""

    def report(self, node_id: NodeId, observed: Mapping[AllocationId, Observed], now: float, chance: float) -> None:
        for allocation_id in observed:
            job = self.cluster.job_of(allocation_id)
            if job is not None and job.state is JobState.CANCELLED:
                self._do(Plan(jobs=(replace(job, state=JobState.RUNNING, finished_at=None),)))
        super().report(node_id, observed, now, chance)


class LosesWaitingOrders(Control):
    """Forgets what is to be told to a node whose full set has just been sent."""

    def full_orders(self, node_id: NodeId) -> Assign:
        orders = super().full_orders(node_id)
        self._told.discard(node_id)
        return orders


class GivesUpWhatComesBack(Control):
    """Takes everything an agent has for lost when it connects again, and so runs it a second time at once."""

    def connect(
        self,
        node_id: NodeId,
        name: str,
        facts: Facts,
        have: Mapping[AllocationId, Observed],
        complete: bool,
        now: float,
    ) -> None:
        super().connect(node_id, name, facts, {}, True, now)


class TakesStaleOrders(AgentCore):
    """Does not compare generations."""

    def _on_orders(self, assign: Assign, now: float) -> Iterator[e.Instruction]:
        self._order = (0, 0)
        return super()._on_orders(assign, now)


class RunsWithoutLease(AgentCore):
    """Lets an exclusive job run on when no word comes from the controller, and has no watchdog either."""

    @property
    def leases(self) -> dict[AllocationId, float] | None:
        return dict.fromkeys(super().leases or (), 1000000000000.0)

    def _on_tick(self, mono: float, now: float) -> Iterator[e.Instruction]:
        until, self._lease_until = self._lease_until, 1e12
        instructions = list(super()._on_tick(mono, now))
        self._lease_until = until
        return iter(instructions)


class RemovesBeforeTheResultIsTaken(AgentCore):
    """Clears away what has ended although the controller has not taken its result."""

    def _step_clear(self, local: Local) -> Iterator[e.Instruction]:
        local.wanted = False
        return super()._step_clear(local)


class NeverClearsAway(AgentCore):
    """Keeps every container for ever."""

    def _step_clear(self, local: Local) -> Iterator[e.Instruction]:
        return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A broken class and the place it takes."""

    place: str
    broken: type


MUTANTS = (
    Mutant(place="controller", broken=AnswersBeforeCommit),
    Mutant(place="control", broken=ForgetsToReserve),
    Mutant(place="control", broken=IgnoresNeeds),
    Mutant(place="control", broken=ForgetsLeases),
    Mutant(place="control", broken=BelievesTheSuperseded),
    Mutant(place="control", broken=RevivesTheCancelled),
    Mutant(place="control", broken=LosesWaitingOrders),
    Mutant(place="control", broken=GivesUpWhatComesBack),
    Mutant(place="agent", broken=TakesStaleOrders),
    Mutant(place="agent", broken=RunsWithoutLease),
    Mutant(place="agent", broken=RemovesBeforeTheResultIsTaken),
    Mutant(place="agent", broken=NeverClearsAway),
)
