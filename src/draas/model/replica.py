"""Replica: one placement of an app's release on one node."""

from dataclasses import dataclass

from draas.model.allocation import Allocation, AllocationId, AllocationState, Desired, NodeId, Observed
from draas.model.probe import Health, Served

NOTHING_SERVED = Served()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """`leaving_at`: since when it gets no new requests; it is told to stop once it has finished what it serves.

    `running_at`, `healthy_at`: since when the controller has known it to run and to be healthy. Its agent's clock may be minutes off.
    """

    allocation: Allocation
    release: int
    moving_for: str = ""  # why another one is to take its place, in words; "" if none is
    leaving_at: float | None = None
    leaving_for: str = ""  # why, in words
    running_at: float | None = None
    healthy_at: float | None = None

    @property
    def id(self) -> AllocationId:
        return self.allocation.id

    @property
    def node_id(self) -> NodeId:
        return self.allocation.node_id

    @property
    def observed(self) -> Observed:
        return self.allocation.observed

    @property
    def state(self) -> AllocationState:
        return self.allocation.state

    @property
    def served(self) -> Served:
        return self.allocation.observed.served or NOTHING_SERVED

    @property
    def ended(self) -> bool:
        return self.allocation.ended

    @property
    def stopping(self) -> bool:
        """Told to stop."""
        return self.allocation.desired is Desired.STOP

    @property
    def staying(self) -> bool:
        """Counts towards what is wanted: it has not ended and is not on its way out."""
        return not self.ended and not self.stopping and self.leaving_at is None

    @property
    def healthy(self) -> bool:
        return self.state is AllocationState.RUNNING and self.served.health is Health.HEALTHY

    def settled(self, now: float, after_s: float) -> bool:
        """Whether it has been healthy for `after_s`."""
        return self.healthy and self.healthy_at is not None and now - self.healthy_at >= after_s
