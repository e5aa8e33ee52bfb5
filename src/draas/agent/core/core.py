"""The agent's core: events in, instructions out. Pure but for its own memory; told the time, never asking for it.

For each allocation it knows what is wanted (the controller's word), what was observed (its own), and which instruction is under way.
At most one of Prepare, Start, Stop, Remove is under way for an allocation at a time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from draas.agent.core import events as e
from draas.agent.core.exits import judge
from draas.agent.runtimes.runtime import Exited
from draas.model.allocation import AllocationId, AllocationState, Cause, Desired, Observed
from draas.model.job import RuntimeName
from draas.wire.link import Assign, Assignment

GRACE_S = 5.0  # of a job: TERM to KILL; cancelled jobs must be gone within 10 s
LEASE_GRACE_S = 0.0  # a lease that is over leaves no time to be polite
# After these an engine that does not answer may still run what it was asked to start. An exclusive job is over only when it is stopped.
_MAY_RUN = frozenset({Cause.RUNTIME, Cause.DISK, Cause.LEASE})
_CANCELLED = (Cause.CANCELLED, "cancelled")
_STOPPED_AS_FAILED = frozenset({Cause.TIMEOUT, Cause.RUNTIME, Cause.DISK})
_NO_ORDERS = (0, 0)
_ENDS = frozenset({AllocationState.SUCCEEDED, AllocationState.FAILED, AllocationState.STOPPED, AllocationState.LOST})


@dataclass(slots=True, kw_only=True)
class Local:
    """What this agent knows of one allocation."""

    id: AllocationId
    assignment: Assignment | None  # None: found here, and the controller has not spoken of it yet
    observed: Observed = field(default_factory=Observed)
    exclusive: bool = False
    wanted: bool = True  # the controller's set has it
    exists: bool = False  # a runtime may have something of it
    busy: bool = False  # Prepare, Start, Stop or Remove is under way
    stop_for: Cause = Cause.NONE
    stop_detail: str = ""
    stopping: bool = False  # told to stop, once and for all
    logs_safe: bool = False
    unwatched: bool = False  # nobody looks on any more: its end will not be told
    ran_s: float = 0.0  # how long it had run when it was first seen to run
    began_mono: float | None = None  # when it started, on the clock that timeouts are counted on
    looked_after: bool = False  # a replica: its probes run

    @property
    def ended(self) -> bool:
        return self.observed.state in _ENDS


class AgentCore:
    """All allocations of one agent."""

    def __init__(self) -> None:
        self.locals: dict[AllocationId, Local] = {}
        self._order = _NO_ORDERS  # (epoch, generation) of the last orders taken
        # Both on the monotonic clock. No lease known yet: nothing exclusive may begin, and what an earlier agent process began
        # is left to the watchdog that outlived it.
        self._lease_until: float | None = None
        self._mono = 0.0
        self._news: dict[AllocationId, None] = {}

    def on_event(self, event: e.Event, now: float) -> list[e.Instruction]:
        """Take in `event` and say what to do. `now` is Unix seconds."""
        match event:
            case e.Ordered(assign=assign):
                return list(self._on_orders(assign, now))
            case e.Ticked(mono=mono):
                return list(self._on_tick(mono))
            case e.LeaseRenewed(mono=mono, lease_s=lease_s):
                return list(self._on_lease(mono, lease_s))
            case e.Adopted():
                return list(self._on_adopted(event, now))
        local = self.locals.get(event.id)
        return list(self._on_own(local, event, now)) if local is not None else []

    @property
    def _has_orders(self) -> bool:
        """Before the first ones nothing is begun: what an earlier agent noted lacks the secrets that beginning may need."""
        return self._order != _NO_ORDERS

    @property
    def leases(self) -> dict[AllocationId, float] | None:
        """Until when (monotonic seconds) each exclusive allocation that may run has its lease; None before the first word on it."""
        until = self._lease_until
        if until is None:
            return None
        return {local.id: until for local in self.locals.values() if local.exclusive and not local.ended}

    def have(self) -> dict[AllocationId, Observed]:
        """Everything observed, for Hello."""
        self._news.clear()
        return {local.id: local.observed for local in self.locals.values()}

    def take_news(self) -> Mapping[AllocationId, Observed]:
        """What was observed since the last call, for Report."""
        news = {id: self.locals[id].observed for id in self._news if id in self.locals}
        self._news.clear()
        return news

    # --- orders ---

    def _on_orders(self, assign: Assign, now: float) -> Iterator[e.Instruction]:
        order = (assign.epoch, assign.generation)
        if order <= self._order:
            yield e.Refuse(detail=f"orders {order} are older than {self._order}")
            return
        self._order = order
        for assignment in assign.put:
            yield from self._on_put(assignment, now)
        if assign.full:
            wanted = {assignment.id for assignment in assign.put}
            forgotten = [id for id in self.locals if id not in wanted]
        else:
            forgotten = [id for id in assign.forget if id in self.locals]
        for id in forgotten:
            local = self.locals[id]
            local.wanted = False
            self._ask_stop(local, Cause.CANCELLED, "the controller does not want it any more")
            yield from self._step(local)

    def _on_put(self, assignment: Assignment, now: float) -> Iterator[e.Instruction]:
        local = self.locals.get(assignment.id)
        if local is None:
            local = Local(id=assignment.id, assignment=assignment, exclusive=assignment.exclusive)
            self.locals[assignment.id] = local
        local.assignment, local.exclusive, local.wanted = assignment, assignment.exclusive, True
        if assignment.desired is Desired.STOP:
            self._ask_stop(local, *(_why_replaced(local) if assignment.service is not None else _CANCELLED))
        yield from self._look_after(local)
        yield from self._step(local)

    def _on_adopted(self, event: e.Adopted, now: float) -> Iterator[e.Instruction]:
        if (known := self.locals.get(event.id)) is not None:
            known.exists = True
            return
        running = event.started_at is not None
        observed = Observed(
            state=AllocationState.RUNNING if running else AllocationState.STARTING,
            started_at=event.started_at,
            image=event.image,
            served=event.served if running else None,
        )
        local = Local(
            id=event.id, assignment=event.assignment, observed=observed, exclusive=event.exclusive, exists=True
        )
        local.ran_s = max(0.0, now - event.started_at) if event.started_at is not None else 0.0
        self.locals[event.id] = local
        self._news[event.id] = None
        if running:
            yield e.Watch(id=event.id)
            yield from self._look_after(local)
        if self._has_orders:  # found late, by a runtime that was away: all that is wanted has been put and is known
            local.wanted = False
            self._ask_stop(local, Cause.CANCELLED, "the controller does not want it any more")
            yield from self._step(local)

    # --- what instructions came to ---

    def _on_own(self, local: Local, event: e.Event, now: float) -> Iterator[e.Instruction]:
        match event:
            case e.Progressed() if local.ended:
                return
            case e.Progressed(text=text):
                self._observe(local, replace(local.observed, detail=text))
                return
            case e.Pinned(image=image):
                if not local.ended:
                    self._observe(local, replace(local.observed, image=image))
                return
            case e.LookedAfter(served=served):
                if local.observed.state is AllocationState.RUNNING and not local.stopping:
                    self._observe(local, replace(local.observed, served=served))
                return
            case e.Prepared():
                if local.observed.state is not AllocationState.PREPARING:
                    return  # stopped meanwhile: the Stop under way, or done, has the say
                local.busy = local.stopping
                self._observe(local, replace(local.observed, state=AllocationState.STARTING, detail=""))
            case e.Started(at=at):
                local.busy = False
                if not local.ended:
                    local.ran_s = max(0.0, now - at)
                    self._observe(
                        local, replace(local.observed, state=AllocationState.RUNNING, started_at=at, detail="")
                    )
                yield e.Watch(id=local.id)
                yield from self._look_after(local)
            case e.HasExited(ended=ended):
                if not local.ended:
                    by_us = local.stop_for if _is_stop(local, ended) else Cause.NONE
                    judged = judge(ended, by_us, local.stop_detail, local.assignment)
                    self._observe(local, replace(judged, image=local.observed.image))
            case e.Broke(cause=cause, detail=detail):
                local.busy = False
                self._on_broke(local, cause, detail, now)
            case e.HasStopped():
                local.busy = False
                if not local.ended and (local.unwatched or local.observed.state is not AllocationState.RUNNING):
                    self._end_unstarted(local, now)
            case e.LogsSafe():
                local.logs_safe = True
            case e.Removed():
                local.busy = False
                local.exists = False
        yield from self._step(local)

    def _on_broke(self, local: Local, cause: Cause, detail: str, now: float) -> None:
        if local.ended:
            return
        if local.exclusive and cause in _MAY_RUN:
            local.busy = local.stopping
            local.exists = local.unwatched = True
            self._ask_stop(local, cause, detail)
            return
        if local.stop_for is not Cause.NONE and local.observed.state is not AllocationState.RUNNING:
            self._end_unstarted(local, now)
            return
        failed = replace(
            local.observed, state=AllocationState.FAILED, cause=cause, detail=detail, finished_at=now, served=None
        )
        self._observe(local, failed)

    def _end_unstarted(self, local: Local, now: float) -> None:
        """It has been stopped, and how it would have ended is not known."""
        state = AllocationState.FAILED if local.stop_for in _STOPPED_AS_FAILED else AllocationState.STOPPED
        ended = replace(
            local.observed, state=state, cause=local.stop_for, detail=local.stop_detail, finished_at=now, served=None
        )
        self._observe(local, ended)

    # --- time ---

    def _on_lease(self, mono: float, lease_s: float) -> Iterator[e.Instruction]:
        self._lease_until = max(self._lease_until or 0.0, mono + lease_s)
        self._mono = max(self._mono, mono)
        for local in list(self.locals.values()):
            if local.exclusive and not local.busy and not local.ended and self._has_orders:
                yield from self._step(local)

    def _on_tick(self, mono: float) -> Iterator[e.Instruction]:
        self._mono = mono
        for local in list(self.locals.values()):
            if local.ended:
                continue
            if local.exclusive and self._lease_until is not None and mono >= self._lease_until and local.exists:
                self._ask_stop(local, Cause.LEASE, "its lease ran out: no word from the controller")
            elif (timeout_s := _timeout_passed(local, mono)) is not None:
                self._ask_stop(local, Cause.TIMEOUT, f"ran longer than its timeout of {timeout_s:g} s")
            else:
                continue
            yield from self._step(local)

    # --- what to do next for one allocation ---

    def _ask_stop(self, local: Local, cause: Cause, detail: str) -> None:
        if local.stop_for is Cause.NONE and not local.ended:
            local.stop_for, local.stop_detail = cause, detail

    def _step(self, local: Local) -> Iterator[e.Instruction]:
        """The next instruction for `local`, if one is due and none is under way."""
        if local.busy and not (local.stop_for is not Cause.NONE and self._is_preparing(local)):
            return
        if local.stop_for is not Cause.NONE and not local.ended:
            yield from self._step_stop(local)
        elif local.ended:
            yield from self._step_clear(local)
        elif local.exclusive and (self._lease_until is None or self._mono >= self._lease_until):
            return  # an exclusive job begins only under a lease; the next renewal comes back here
        elif local.assignment is not None and local.observed.state is AllocationState.ASSIGNED:
            yield from self._step_begin(local, local.assignment)
        elif local.assignment is not None and local.observed.state is AllocationState.STARTING:
            local.busy = local.exists = True
            yield e.Start(assignment=local.assignment)

    @staticmethod
    def _is_preparing(local: Local) -> bool:
        return local.observed.state is AllocationState.PREPARING and not local.stopping

    def _step_begin(self, local: Local, assignment: Assignment) -> Iterator[e.Instruction]:
        local.busy = True
        if assignment.runtime is RuntimeName.PROCESS:  # nothing to fetch
            local.exists = True
            self._observe(local, replace(local.observed, state=AllocationState.STARTING), news=False)
            yield e.Start(assignment=assignment)
            return
        local.exists = assignment.runtime is RuntimeName.BUILD  # its source is fetched to a folder of its own
        self._observe(local, replace(local.observed, state=AllocationState.PREPARING))
        yield e.Prepare(assignment=assignment)

    def _step_stop(self, local: Local) -> Iterator[e.Instruction]:
        if local.stopping:
            return
        local.busy = local.stopping = True
        yield e.Stop(id=local.id, grace_s=_grace_s(local))

    def _step_clear(self, local: Local) -> Iterator[e.Instruction]:
        """Ended: its traces go once the controller has taken its result (it is out of the set) and its output is safe."""
        if local.wanted:
            return
        if not local.exists:
            del self.locals[local.id]
            self._news.pop(local.id, None)
        elif local.logs_safe or local.observed.started_at is None:
            local.busy = True
            yield e.Remove(id=local.id)

    @staticmethod
    def _look_after(local: Local) -> Iterator[e.Instruction]:
        """Have a replica that runs looked after, once."""
        assignment = local.assignment
        if assignment is None or assignment.service is None or local.looked_after or local.stop_for is not Cause.NONE:
            return
        if local.observed.state is AllocationState.RUNNING:
            local.looked_after = True
            yield e.LookAfter(assignment=assignment, served=local.observed.served)

    def _observe(self, local: Local, observed: Observed, news: bool = True) -> None:
        local.observed = observed
        if news:
            self._news[local.id] = None


def _why_replaced(local: Local) -> tuple[Cause, str]:
    """What was wrong with it last is kept: its health goes with its end."""
    served = local.observed.served
    trouble = f"; it was not healthy: {served.detail}" if served is not None and served.detail else ""
    return Cause.REPLACED, f"not wanted any more{trouble}"


def _grace_s(local: Local) -> float:
    if local.stop_for is Cause.LEASE:
        return LEASE_GRACE_S
    service = local.assignment.service if local.assignment is not None else None
    return service.stop_grace_s if service is not None else GRACE_S


def _is_stop(local: Local, ended: Exited) -> bool:
    """Whether our stop ended it. Where the engine was away it may have ended by itself long before its timeout was noticed."""
    timeout_s = local.assignment.timeout_s if local.assignment is not None else None
    if local.stop_for is not Cause.TIMEOUT or timeout_s is None:
        return True
    return ended.finished_at - ended.started_at >= timeout_s


def _timeout_passed(local: Local, mono: float) -> float | None:
    """The timeout of `local` if it has run for longer. Counted on the monotonic clock from the first look on: setting the clock ends no job."""
    if local.assignment is None or local.assignment.timeout_s is None or local.observed.started_at is None:
        return None
    if local.assignment.service is not None:  # an app is not over by lasting
        return None
    if local.began_mono is None:
        local.began_mono = mono - local.ran_s
    timeout_s = local.assignment.timeout_s
    return timeout_s if mono >= local.began_mono + timeout_s else None
