"""Books: the numbers of all nodes in columns, one row a node in the order of names, and a log of the rows that changed."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from draas.scheduler.score import Bools, Floats, Ints

Value = TypeVar("Value", np.int64, np.float64, np.bool_)
Rows = npt.NDArray[np.intp]
_FIRST_ROOM = 16
_LOG_LEAST = 1024


class Books:
    """Columns with spare room at their end; only the first `count` rows mean something.

    `version` grows when something changed that concerns all rows of a ranking (who is open to work, the order of rows);
    anything less is in the log. Positions in the log count from the beginning of time.
    """

    def __init__(self) -> None:
        self.count = 0
        self.version = 0
        self.capacity: Ints = np.zeros((3, _FIRST_ROOM), np.int64)
        self.free: Ints = np.zeros((3, _FIRST_ROOM), np.int64)
        self.peak_cpu: Ints = np.zeros(_FIRST_ROOM, np.int64)  # most reserved at once since the last measurement
        self.measured: Floats = np.zeros(_FIRST_ROOM)
        self.failures: Floats = np.ones(_FIRST_ROOM)
        self.usable: Bools = np.zeros(_FIRST_ROOM, np.bool_)
        self.calm: Bools = np.zeros(_FIRST_ROOM, np.bool_)  # not kept busy by others' work
        self._log: Rows = np.zeros(_LOG_LEAST, np.intp)
        self._log_start = 0
        self.log_end = 0

    def append(self) -> int:
        """A new last row of zeros."""
        if self.count == self.free.shape[1]:
            self._grow()
        row = self.count
        self.count += 1
        self.capacity[:, row] = 0
        self.free[:, row] = 0
        self.peak_cpu[row] = 0
        self.measured[row] = 0.0
        self.failures[row] = 1.0
        self.usable[row] = False
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
        room = 2 * self.free.shape[1]
        self.capacity = _widen(self.capacity, room)
        self.free = _widen(self.free, room)
        self.peak_cpu = _widen(self.peak_cpu, room)
        self.measured = _widen(self.measured, room)
        self.failures = _widen(self.failures, room)
        self.usable = _widen(self.usable, room)
        self.calm = _widen(self.calm, room)

    def _columns(self) -> tuple[Ints | Floats | Bools, ...]:
        return (self.capacity, self.free, self.peak_cpu, self.measured, self.failures, self.usable, self.calm)


def _widen(column: npt.NDArray[Value], room: int) -> npt.NDArray[Value]:
    wider = np.zeros((*column.shape[:-1], room), column.dtype)
    wider[..., : column.shape[-1]] = column
    return wider
