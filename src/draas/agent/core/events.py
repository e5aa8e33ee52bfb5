"""What can happen to an agent (events) and what it can decide to do about it (instructions). Data only."""

from collections.abc import Sequence
from dataclasses import dataclass

from draas.agent.runtimes.runtime import Exited
from draas.model.allocation import AllocationId, Cause
from draas.model.probe import Served
from draas.wire.link import Assign, Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A runtime has this from before the agent's start. `assignment` is None where nothing is known of it but its id.

    `image` and `served` are what the agent before it had last reported of a replica.
    """

    id: AllocationId
    assignment: Assignment | None
    started_at: float | None
    exclusive: bool
    image: str = ""
    served: Served | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """The controller says what this agent should have."""

    assign: Assign


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRenewed:
    """The controller has answered a heartbeat that was sent at `mono`: exclusive jobs may run for a lease from then."""

    mono: float
    lease_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    id: AllocationId
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """What its image is exactly: name@sha256:…, or an image id."""

    id: AllocationId
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    id: AllocationId


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    id: AllocationId
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAfter:
    """What its probes say has changed."""

    id: AllocationId
    served: Served


@dataclass(frozen=True, slots=True, kw_only=True)
class HasExited:
    id: AllocationId
    ended: Exited


@dataclass(frozen=True, slots=True, kw_only=True)
class Broke:
    """An instruction failed in an expected way."""

    id: AllocationId
    cause: Cause
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HasStopped:
    """Nothing of it runs any more."""

    id: AllocationId


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsSafe:
    """All of its output is durable at the controller, or nobody wants it."""

    id: AllocationId


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    id: AllocationId


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time went by. `mono` is for leases and timeouts."""

    mono: float


Event = (
    Adopted
    | Ordered
    | LeaseRenewed
    | Progressed
    | Pinned
    | Prepared
    | Started
    | LookedAfter
    | HasExited
    | Broke
    | HasStopped
    | LogsSafe
    | Removed
    | Ticked
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    assignment: Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    assignment: Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Wait for its end, and ship its output."""

    id: AllocationId


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAfter:
    """Probe this replica from now on, until it is stopped or has ended. `served` is what was known of it before."""

    assignment: Assignment
    served: Served | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    id: AllocationId
    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Remove every trace of it."""

    id: AllocationId


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Stale orders, told to the log only."""

    detail: str


Instruction = Prepare | Start | Watch | LookAfter | Stop | Remove | Refuse
Instructions = Sequence[Instruction]
