"""Books: the numbers of all nodes in columns, one row a node in the order of names, and a log of the rows that changed."""

import numpy as np
import numpy.typing as npt

from draas.scheduler.score import Bools, Floats, Ints

Rows = npt.NDArray[np.intp]
_FIRST_ROOM = 16
_LOG_LEAST = 1024


class Books:
    """Columns with spare room at their end; only the first `count` rows mean something.

    `ints` are used and capacity (CPU, memory, GPUs each); `floats` the capacity of CPU and memory to divide by (at least 1),
    the shares of both that others use, and the failures part of the score.

    `version` grows when something changed that concerns all rows of a ranking (who is open to work, the order of rows);
    anything less is in the log. Positions in the log count from the beginning of time.
    """

    def __init__(self) -> None:
        self.count = 0
        self.version = 0
        self._log: Rows = np.zeros(_LOG_LEAST, np.intp)
        self._log_start = 0
        self.log_end = 0
        self._allot(_FIRST_ROOM)

    def _allot(self, room: int) -> None:
        self.ints: Ints = np.zeros((6, room), np.int64)
        self.floats: Floats = np.zeros((5, room))
        self.peak_cpu: Ints = np.zeros(room, np.int64)  # most reserved at once since the last measurement
        self.usable: Bools = np.zeros(room, np.bool_)
        self.calm: Bools = np.zeros(room, np.bool_)  # not kept busy by others' work
        self._name_parts()

    def _name_parts(self) -> None:
        """What several columns at once are read by (one `take` instead of six is a third of a placement's time)."""
        self.used, self.capacity = self.ints[:3], self.ints[3:]
        self.scale, self.others, self.failures = self.floats[:2], self.floats[2:4], self.floats[4]

    def append(self) -> int:
        """A new last row of zeros."""
        if self.count == self.ints.shape[1]:
            self._grow()
        row = self.count
        self.count += 1
        for column in self._columns():
            column[..., row] = 0
        self.scale[:, row] = 1.0
        self.failures[row] = 1.0
        self.calm[row] = True
        self.version += 1
        return row

    def reorder(self, order: Rows) -> None:
        """Keep the rows of `order` alone, in this order."""
        count = len(order)
        for column in self._columns():
            column[..., :count] = column[..., order]
        self.count = count
        self.version += 1
        self._log_start = self.log_end

    def resize(self, row: int, capacity: Ints) -> None:
        """Write a node's capacity, and what it is divided by."""
        self.capacity[:, row] = capacity
        self.scale[:, row] = np.maximum(capacity[:2], 1)
        self.version += 1

    def free(self, row: int) -> Ints:
        """What is left of a row's capacity; below zero where it shrank."""
        left: Ints = self.capacity[:, row] - self.used[:, row]
        return left

    def touch(self, row: int) -> None:
        """Note that the numbers of `row` changed."""
        at = self.log_end - self._log_start
        if at == len(self._log):
            at = self._make_room(1)
        self._log[at] = row
        self.log_end += 1

    def touch_all(self, rows: Rows) -> None:
        """Note that the numbers of `rows` changed. Each of them may be there once."""
        at = self.log_end - self._log_start
        if at + len(rows) > len(self._log):
            at = self._make_room(len(rows))
        self._log[at : at + len(rows)] = rows
        self.log_end += len(rows)

    def touched_since(self, position: int) -> Rows | None:
        """The rows touched after `position`, some perhaps twice; None where looking at all rows is cheaper or needed."""
        if position < self._log_start or self.log_end - position > max(64, self.count // 4):
            return None
        return self._log[position - self._log_start : self.log_end - self._log_start]

    def _make_room(self, wanted: int) -> int:
        """Forget the older half of the log, or all that has to go for `wanted` more. Returns where the log ends in the array."""
        used = self.log_end - self._log_start
        room = max(_LOG_LEAST, 2 * self.count, 2 * wanted)
        kept = min(used // 2, room - wanted)
        tail = self._log[used - kept : used].copy()
        if len(self._log) < room:
            self._log = np.zeros(room, np.intp)
        self._log[:kept] = tail
        self._log_start = self.log_end - kept
        return kept

    def _grow(self) -> None:
        before, count = self._columns(), self.count
        self._allot(2 * count)
        for old, new in zip(before, self._columns(), strict=True):
            new[..., :count] = old

    def _columns(self) -> tuple[Ints | Floats | Bools, ...]:
        return (self.ints, self.floats, self.peak_cpu, self.usable, self.calm)
