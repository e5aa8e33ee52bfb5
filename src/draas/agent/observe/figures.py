"""Figures: what an agent says of itself to monitoring."""

from collections.abc import Sequence
from dataclasses import dataclass

from draas.model.allocation import AllocationState
from draas.model.node import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One look at an agent. `shipped_bytes` of output are durable at the controller, `waiting_bytes` are sent and not yet."""

    linked: bool = False
    states: Sequence[AllocationState] = ()
    load: Load = Load()
    cpu_cores: float = 0.0  # for jobs, as are the next
    memory_bytes: int = 0
    shipped_bytes: int = 0
    waiting_bytes: int = 0
