"""From what replicas have used so far to what they use now. Pure."""

from collections.abc import Mapping

from draas.agent.runtimes.runtime import Used
from draas.model.allocation import AllocationId
from draas.wire.link import Usage


class Meter:
    """Remembers each replica's CPU time, to say how much of a core it took since."""

    def __init__(self) -> None:
        self._before: dict[AllocationId, tuple[float, float]] = {}  # (CPU seconds, monotonic time)

    def usages(self, used: Mapping[AllocationId, Used], mono: float) -> dict[AllocationId, Usage]:
        """What each uses; a replica that is seen for the first time is left out, as its rate is not known yet."""
        found: dict[AllocationId, Usage] = {}
        for id, one in used.items():
            if (before := self._before.get(id)) is not None and mono > before[1]:
                millis = round(1000 * max(one.cpu_s - before[0], 0.0) / (mono - before[1]))
                found[id] = Usage(millis, one.memory_bytes)
        self._before = {id: (one.cpu_s, mono) for id, one in used.items()}
        return found
