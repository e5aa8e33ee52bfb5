"""History: an hour of each node's load, in memory. Longer ones are for Prometheus, which scrapes GET /metrics."""

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from draas.model.allocation import NodeId
from draas.model.node import Load

EVERY_S = 10.0
KEPT = 360  # samples of a node: an hour, 14 kB


class Sample(NamedTuple):
    """A node's load at a time, or the mean over some time from then on."""

    at: float
    cpu_percent: float
    memory_used_bytes: float
    disk_used_bytes: float
    load_1m: float


WIDTH = len(Sample._fields)


class History:
    """One row of numbers a node, the oldest first; beyond KEPT samples the oldest go."""

    def __init__(self) -> None:
        self._rows: dict[NodeId, array[float]] = {}

    def note(self, node_id: NodeId, load: Load, now: float) -> None:
        """Keep `load`, unless the last one is less than EVERY_S old."""
        row = self._rows.setdefault(node_id, array("d"))
        if row and now - row[-WIDTH] < EVERY_S:
            return
        row.extend((now, load.cpu_percent, load.memory_used_bytes, load.disk_used_bytes, load.load_1m))
        if len(row) > KEPT * WIDTH:
            del row[:WIDTH]

    def forget(self, node_id: NodeId) -> None:
        """The node is gone for good."""
        self._rows.pop(node_id, None)

    def samples(self, node_id: NodeId, since: float, step_s: float) -> list[Sample]:
        """From `since` on, oldest first; the mean of each `step_s` seconds (counted from the epoch) that have any."""
        row = self._rows.get(node_id, array("d"))
        steps: dict[int, list[Sample]] = {}
        for at in range(0, len(row), WIDTH):
            sample = Sample(*row[at : at + WIDTH])
            if sample.at >= since:
                steps.setdefault(int(sample.at // step_s), []).append(sample)
        return [_mean(some) for some in steps.values()]


def _mean(some: Sequence[Sample]) -> Sample:
    if len(some) == 1:
        return some[0]
    columns = list(zip(*some, strict=True))
    return Sample(columns[0][0], *(sum(column) / len(some) for column in columns[1:]))
