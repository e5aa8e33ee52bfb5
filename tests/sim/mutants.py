"""Planted bugs, one of each class that the promises of the architecture forbid. The simulation must catch every one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from draas.agent.core import events as e
from draas.agent.core.core import AgentCore, Local
from draas.model.allocation import AllocationId, AllocationState, Cause, NodeId, Observed
from draas.model.job import JobState
from draas.model.node import Facts, Load, NodeState
from draas.model.plan import Plan
from draas.scheduler import nodes
from draas.scheduler.control import Control
from draas.server.services.secrets import open_secrets
from draas.testing.sim.builds import SEALER
from draas.testing.sim.controller import Controller, Pending
from draas.wire.link import Assign


class AnswersBeforeCommit(Controller):
    """Acknowledges, and sends orders, before anything is on disk."""

    def begin_commit(self, pending: Pending) -> None:
        self.answer_and_send(pending)
        super().begin_commit(Pending(plan=pending.plan, orders={}, routes={}, then=[], replies=[]))


class GoesOnInMemory(Controller):
    """Answers and acts although the disk is full, as if what it decided were durable."""

    def _commit(self, pending: Pending) -> None:
        if self.alive and self.disk.full:
            self._act(pending)
        else:
            super()._commit(pending)


class ForgetsSecrets(Controller):
    """Sends a build as it was decided, with its secrets still sealed."""

    def complete(self, assign: Assign) -> Assign:
        return assign


class TellsSecrets(Control):
    """Opens secrets before the commit, and says one in a reason."""

    def _do(self, plan: Plan) -> None:
        told = tuple(
            replace(job, reason=f"with {dict(open_secrets(job, SEALER))}") if job.spec.build is not None else job
            for job in plan.jobs
        )
        super()._do(replace(plan, jobs=told))


class CountsTheFirstImage(Control):
    """Takes the image of the first attempt that ever made one for that of each later one."""

    def report(self, node_id: NodeId, observed: Mapping[AllocationId, Observed], now: float, chance: float) -> None:
        made = self.__dict__.setdefault("made", {})
        kept = {
            id: replace(seen, built=made.setdefault("first", seen.built)) if seen.built is not None else seen
            for id, seen in observed.items()
        }
        super().report(node_id, kept, now, chance)


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


class SkipsNobody(Control):
    """Lets a job wait on although what it needs has failed."""

    def _apply(self, plan: Plan) -> None:
        waiting = tuple(
            replace(job, state=JobState.WAITING, unmet=job.spec.needs, finished_at=None)
            if job.state is JobState.SKIPPED
            else job
            for job in plan.jobs
        )
        super()._apply(replace(plan, jobs=waiting))


class RetriesForEver(Control):
    """Does not count failures."""

    def _do(self, plan: Plan) -> None:
        super()._do(replace(plan, jobs=tuple(replace(job, failures=0) for job in plan.jobs)))


class WritesForTheAgent(Control):
    """Says that an allocation is being prepared because it was sent, not because its agent said so."""

    def orders(self) -> dict[NodeId, Assign]:
        orders = super().orders()
        for assign in orders.values():
            for sent in assign.put:
                job = self.cluster.job_of(sent.id)
                if job is not None and (held := job.current) is not None and held.state is AllocationState.ASSIGNED:
                    seen = Observed(state=AllocationState.PREPARING, detail="sent")
                    self._do(Plan(jobs=(replace(job, attempts=(*job.attempts[:-1], replace(held, observed=seen))),)))
        return orders


class IgnoresDrains(Control):
    """Places on nodes that drain."""

    def _apply(self, plan: Plan) -> None:
        super()._apply(plan)
        for node in plan.nodes:
            if node.state is NodeState.DRAINING:
                self.fleet.put_node(replace(node, state=NodeState.READY, drain=False))


class KeepsWhatIsDeleted(Control):
    """Says that a job is deleted and does not forget it."""

    def take(self) -> Plan:
        return replace(super().take(), gone_jobs=())


class DeafToTheSilent(Control):
    """Does not hear a node again that was silent for long on a link that stayed open."""

    def heartbeat(self, node_id: NodeId, load: Load, facts: Facts | None, now: float) -> None:
        if node_id in self.cluster.nodes:
            self._apply(Plan(nodes=(nodes.see_node(self.cluster.nodes[node_id], load, facts, now),)))


class KeepsOrphans(Control):
    """Never says that what it sends to a fresh link is the whole set."""

    def full_orders(self, node_id: NodeId) -> Assign:
        return structs.replace(super().full_orders(node_id), full=False)


class ForgetsLeases(Control):
    """Re-runs an exclusive job as soon as its node is down."""

    def __init__(self, *args: object) -> None:
        *others, policy, now, app_list = args
        hasty = replace(policy, lease_s=0.0, lease_margin_s=0.0)  # type: ignore[type-var]
        super().__init__(*others, hasty, now, app_list)  # type: ignore[arg-type]


class BelievesTheSuperseded(Control):
    """Takes a result from an attempt that was given up."""

    def report(self, node_id: NodeId, observed: Mapping[AllocationId, Observed], now: float, chance: float) -> None:
        super().report(node_id, observed, now, chance)
        self._believe(observed)

    def connect(self, *args: Any, **more: Any) -> bool:
        taken = super().connect(*args, **more)
        self._believe(args[3])
        return taken

    def _believe(self, observed: Mapping[AllocationId, Observed]) -> None:
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
    ) -> bool:
        return super().connect(node_id, name, facts, {}, True, now)


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

    def _on_tick(self, mono: float) -> Iterator[e.Instruction]:
        until, self._lease_until = self._lease_until, 1e12
        instructions = list(super()._on_tick(mono))
        self._lease_until = until
        return iter(instructions)


class RemovesBeforeTheResultIsTaken(AgentCore):
    """Clears away what has ended although the controller has not taken its result."""

    def _step_clear(self, local: Local) -> Iterator[e.Instruction]:
        local.wanted = False
        return super()._step_clear(local)


class BelievesASilentEngine(AgentCore):
    """Takes an exclusive job for failed because the engine does not answer, though its container may run on."""

    def _on_broke(self, local: Local, cause: Cause, detail: str, now: float) -> None:
        exclusive, local.exclusive = local.exclusive, False
        super()._on_broke(local, cause, detail, now)
        local.exclusive = exclusive


class KeepsWhatIsFoundLate(AgentCore):
    """Treats what an engine still has when it is back as if orders were yet to come."""

    def _on_adopted(self, event: e.Adopted, now: float) -> Iterator[e.Instruction]:
        order, self._order = self._order, (0, 0)
        instructions = list(super()._on_adopted(event, now))
        self._order = order
        return iter(instructions)


class BelievesTheWallClock(AgentCore):
    """Counts timeouts on a clock that can be set."""

    def on_event(self, event: e.Event, now: float) -> list[e.Instruction]:
        if isinstance(event, e.Ticked):
            for local in self.locals.values():
                local.began_mono = event.mono - (now - (local.observed.started_at or now))
        return super().on_event(event, now)


class TellsThePast(AgentCore):
    """Says of what runs that it is starting."""

    def _on_lease(self, mono: float, lease_s: float) -> Iterator[e.Instruction]:
        for local in self.locals.values():
            if local.observed.state is AllocationState.RUNNING:
                self._observe(local, replace(local.observed, state=AllocationState.STARTING))
        return super()._on_lease(mono, lease_s)


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
    Mutant(place="controller", broken=GoesOnInMemory),
    Mutant(place="controller", broken=ForgetsSecrets),
    Mutant(place="control", broken=TellsSecrets),
    Mutant(place="control", broken=CountsTheFirstImage),
    Mutant(place="control", broken=ForgetsToReserve),
    Mutant(place="control", broken=SkipsNobody),
    Mutant(place="control", broken=RetriesForEver),
    Mutant(place="control", broken=WritesForTheAgent),
    Mutant(place="control", broken=IgnoresDrains),
    Mutant(place="control", broken=KeepsWhatIsDeleted),
    Mutant(place="control", broken=DeafToTheSilent),
    Mutant(place="control", broken=KeepsOrphans),
    Mutant(place="control", broken=IgnoresNeeds),
    Mutant(place="control", broken=ForgetsLeases),
    Mutant(place="control", broken=BelievesTheSuperseded),
    Mutant(place="control", broken=RevivesTheCancelled),
    Mutant(place="control", broken=LosesWaitingOrders),
    Mutant(place="control", broken=GivesUpWhatComesBack),
    Mutant(place="agent", broken=TakesStaleOrders),
    Mutant(place="agent", broken=RunsWithoutLease),
    Mutant(place="agent", broken=RemovesBeforeTheResultIsTaken),
    Mutant(place="agent", broken=BelievesASilentEngine),
    Mutant(place="agent", broken=KeepsWhatIsFoundLate),
    Mutant(place="agent", broken=BelievesTheWallClock),
    Mutant(place="agent", broken=TellsThePast),
    Mutant(place="agent", broken=NeverClearsAway),
)
