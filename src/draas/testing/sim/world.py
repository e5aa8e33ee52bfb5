"""Time and chance of a simulation: a heap of things to happen, and one seeded source of randomness."""

import heapq
import random
from collections.abc import Callable


class World:
    """`now` is simulated Unix seconds. Things planned for the same instant happen in the order of planning."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.now = 1_000_000.0
        self.steps = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._planned = 0
        self.story: list[str] = []

    def after(self, delay_s: float, thing: Callable[[], None]) -> None:
        """Let `thing` happen `delay_s` from now."""
        self._planned += 1
        heapq.heappush(self._heap, (self.now + delay_s, self._planned, thing))

    def tell(self, line: str) -> None:
        """Add to the run's story, which a failure prints."""
        self.story.append(f"{self.now - 1_000_000.0:9.3f} {line}")

    def run_until(self, end: float, after_each: Callable[[], None]) -> None:
        """Let everything happen that is due before `end`, calling `after_each` after each."""
        while self._heap and self._heap[0][0] <= end:
            self.now, _, thing = heapq.heappop(self._heap)
            thing()
            self.steps += 1
            after_each()
        self.now = max(self.now, end)
