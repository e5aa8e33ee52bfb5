"""Allocation: one placement of a job's attempt or an app's replica on one node. The only thing an agent knows."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from draas.lib.values import replace
from draas.model.build import Built
from draas.model.probe import Served
from draas.model.state import advance

AllocationId = NewType("AllocationId", str)
NodeId = NewType("NodeId", str)


class AllocationState(StrEnum):
    ASSIGNED = "assigned"
    PREPARING = "preparing"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


_ENDS = frozenset({AllocationState.SUCCEEDED, AllocationState.FAILED, AllocationState.STOPPED, AllocationState.LOST})
# States only grow. Steps may be skipped: a short job can be over before its start was reported.
ALLOCATION_TABLE = {
    AllocationState.ASSIGNED: _ENDS | {AllocationState.PREPARING, AllocationState.STARTING, AllocationState.RUNNING},
    AllocationState.PREPARING: _ENDS | {AllocationState.STARTING, AllocationState.RUNNING},
    AllocationState.STARTING: _ENDS | {AllocationState.RUNNING},
    AllocationState.RUNNING: _ENDS,
    AllocationState.SUCCEEDED: frozenset[AllocationState](),
    AllocationState.FAILED: frozenset[AllocationState](),
    AllocationState.STOPPED: frozenset[AllocationState](),
    AllocationState.LOST: frozenset[AllocationState](),
}
ALLOCATION_RANK = {state: rank for rank, state in enumerate(ALLOCATION_TABLE)}


class Desired(StrEnum):
    """What the controller wants of an allocation; the controller alone writes it."""

    RUN = "run"
    STOP = "stop"


class Cause(StrEnum):
    """Why an attempt did not succeed. A type, so that nobody has to find it in a text."""

    NONE = ""
    EXIT = "exit"  # ended by itself with a code other than 0
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    IMAGE = "image"  # not found, wrong architecture, registry down
    REFUSED = "refused"  # the node's owner does not allow it
    RUNTIME = "runtime"  # the engine or the sandbox failed
    CANCELLED = "cancelled"
    LEASE = "lease"  # an exclusive job's lease ran out
    DRAINED = "drained"
    NODE_LOST = "node_lost"
    DISK = "disk"
    UNHEALTHY = "unhealthy"  # a replica that failed its probe
    REPLACED = "replaced"  # a replica that is not wanted any more: another release, fewer replicas, another node


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the agent has seen of an allocation; the agent alone writes it. Times in Unix seconds."""

    state: AllocationState = AllocationState.ASSIGNED
    detail: str = ""  # progress ("pulling 43 %") or cause and remedy in words
    cause: Cause = Cause.NONE
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    oom: bool = False
    peak_memory_bytes: int | None = None
    cpu_s: float | None = None
    log_bytes: int | None = None  # size of the whole output; known at the end
    image: str = ""  # what its image was resolved to: name@sha256:…, or the image's id
    served: Served | None = None  # of an app's replica
    built: Built | None = None  # of a build that succeeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """One attempt of a job, or one replica of an app, on one node. `number` counts them from 1."""

    id: AllocationId
    number: int
    node_id: NodeId
    node_name: str
    assigned_at: float
    desired: Desired = Desired.RUN
    stop_cause: Cause = Cause.NONE  # why desired became STOP
    observed: Observed = Observed()

    @property
    def state(self) -> AllocationState:
        return self.observed.state

    @property
    def ended(self) -> bool:
        return self.observed.state in _ENDS

    def observe(self, observed: Observed) -> "Allocation":
        """This allocation with what the agent saw. Raises IllegalMove where the state would go back."""
        if observed.state != self.state:
            advance(ALLOCATION_TABLE, self.state, observed.state, self)
        return replace(self, observed=observed)


def is_news(old: Observed, new: Observed) -> bool:
    """Whether a report tells something: a later state, or more about the same one that has not ended."""
    if old.state in _ENDS:
        return False
    return ALLOCATION_RANK[new.state] > ALLOCATION_RANK[old.state] or (new.state == old.state and new != old)
