"""The simulated network: links that deliver in order while they are up, lose what is in flight when cut, and may stutter."""

from collections.abc import Callable
from dataclasses import dataclass, field

from draas.testing.sim.world import World

STALE_S = 6.0
LATENCY_S = (0.001, 0.05)


@dataclass(slots=True)
class Faults:
    """What the network does to messages, as probabilities."""

    duplicate: float = 0.02
    stale: float = 0.01  # delivered once more, seconds later and so out of order
    stale_reports: bool = True  # of what agents send, too
    late: float = 0.05  # delivered although the link was closed meanwhile: it was in the receiver's buffer


@dataclass(slots=True)
class Connection:
    """One TCP connection's two directions. `up` ends for good with a cut."""

    world: World
    faults: Faults
    up: bool = True
    _last: dict[str, float] = field(default_factory=dict)

    def send(self, direction: str, deliver: Callable[[], None]) -> None:
        """Deliver later and in order, or not at all if the connection is cut before."""
        if not self.up:
            return
        chance = self.world.chance
        at = max(self.world.now + chance.uniform(*LATENCY_S), self._last.get(direction, 0.0))
        self._last[direction] = at
        times = 2 if chance.random() < self.faults.duplicate else 1
        late = chance.random() < self.faults.late

        def arrive() -> None:
            if self.up or late:
                deliver()

        for _ in range(times):
            self.world.after(at - self.world.now, arrive)
        if chance.random() < self.faults.stale and (direction == "down" or self.faults.stale_reports):
            self.world.after(at - self.world.now + chance.uniform(0.1, STALE_S), arrive)

    def cut(self) -> None:
        """Lose what is in flight."""
        self.up = False
