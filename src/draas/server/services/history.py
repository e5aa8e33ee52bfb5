"""History: what nodes and apps did in the last hour, in memory. What is older is in the store (draas.server.loops.sampling)."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from math import isnan

from draas.model.allocation import NodeId
from draas.model.node import Load
from draas.model.sample import NOT_KNOWN, NodeSample, Point
from draas.server.services.levels import FINEST

STEP_S = FINEST.step_s
KEPT = FINEST.kept_s // STEP_S + 1  # steps: an hour, and the one that is being measured


class _Row:
    """The steps of one node or app that have a sample, the oldest first: 28 bytes each, of six columns."""

    __slots__ = ("_counts", "_slot", "_slots", "_sums", "_values")

    def __init__(self, width: int) -> None:
        self._slots = array("I")  # in steps since the epoch
        self._values = array("f")
        self._slot = 0  # the step that is being measured
        self._sums = [0.0] * width
        self._counts = [0] * width

    def note(self, slot: int, values: Sequence[float]) -> None:
        if slot > self._slot:
            self._close(slot)
        for column, value in enumerate(values):
            if not isnan(value):
                self._sums[column] += value
                self._counts[column] += 1

    def _close(self, slot: int) -> None:
        """The step that was being measured is over."""
        if self._slot:
            self._slots.append(self._slot)
            self._values.extend(self._measured())
        width = len(self._sums)
        gone = bisect_left(self._slots, slot - KEPT)
        del self._slots[:gone], self._values[: gone * width]
        self._slot, self._sums, self._counts = slot, [0.0] * width, [0] * width

    def _measured(self) -> tuple[float, ...]:
        pairs = zip(self._sums, self._counts, strict=True)
        return tuple(total / count if count else NOT_KNOWN for total, count in pairs)

    def points(self, since: float, until: float) -> Iterator[Point]:
        width = len(self._sums)
        for at in range(bisect_left(self._slots, since / STEP_S), len(self._slots)):
            begin = self._slots[at] * STEP_S
            if begin >= until:
                return
            yield Point(float(begin), tuple(self._values[at * width : (at + 1) * width]))
        if self._slot and since <= self._slot * STEP_S < until:
            yield Point(float(self._slot * STEP_S), self._measured())

    def put_before(self, points: Iterable[Point]) -> None:
        """What was known before any of this, the oldest first."""
        first = self._slots[0] if self._slots else self._slot or None
        older = [(int(at) // STEP_S, values) for at, values in points]
        older = [one for one in older if first is None or one[0] < first]
        self._slots[:0] = array("I", [slot for slot, _ in older])
        self._values[:0] = array("f", [value for _, values in older for value in values])


class History:
    """The means of STEP_S seconds each, by the id of a node or an app. Beyond KEPT steps the oldest go."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}

    def note(self, series: str, values: Sequence[float], now: float) -> None:
        """`values` are those of a NodeSample or AppSample. Several in one step are averaged."""
        row = self._rows.get(series)
        if row is None:
            row = self._rows[series] = _Row(len(values))
        row.note(int(now // STEP_S), values)

    def note_load(self, node_id: NodeId, load: Load, now: float) -> None:
        """A node's load as it is now."""
        self.note(node_id, sample_of(load), now)

    def restore(self, series: str, width: int, points: Iterable[Point]) -> None:
        """Take over what was known before a restart; columns that there were not yet are not known."""
        filled = (Point(at, (*values, *[NOT_KNOWN] * (width - len(values)))[:width]) for at, values in points)
        self._rows.setdefault(series, _Row(width)).put_before(filled)

    def forget(self, series: str) -> None:
        """The node or app is gone for good."""
        self._rows.pop(series, None)

    def series(self) -> list[str]:
        """All that something is known of."""
        return list(self._rows)

    def points(self, series: str, since: float, until: float = float("inf")) -> list[Point]:
        """Those that begin in this time, the oldest first; the last one is of a step that may not be over yet."""
        row = self._rows.get(series)
        return list(row.points(since, until)) if row is not None else []


def sample_of(load: Load) -> NodeSample:
    """What is kept of a load."""
    return NodeSample(
        cpu_percent=load.cpu_percent,
        memory_used_bytes=load.memory_used_bytes,
        disk_used_bytes=load.disk_used_bytes,
        load_1m=load.load_1m,
        received_bytes_per_s=NOT_KNOWN if load.received_bytes_per_s is None else load.received_bytes_per_s,
        sent_bytes_per_s=NOT_KNOWN if load.sent_bytes_per_s is None else load.sent_bytes_per_s,
    )
