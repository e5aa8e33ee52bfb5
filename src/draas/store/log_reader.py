"""LogReader: finds the lines that a query wants, stretch by stretch, so that memory stays bounded. Any thread, one at a time."""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from draas.model.allocation import AllocationId
from draas.store import log_index as index
from draas.store.log_lines import Filter, LineCutter
from draas.store.log_writer import segment_path
from draas.store.logs import Line, Query
from draas.wire.records import Stream, payload_bytes, skip

BATCH_LINES = 4_000  # of one answer; more are asked for by another call
SCAN_BYTES = 4 * 1024 * 1024  # looked at in one call, so that a search does not hold the reader for long


@dataclass(slots=True)
class Cursor:
    """Where one reader is: the next byte wanted, and the lines unfinished there. `ready` are lines found but not handed out."""

    wanted: Filter
    after_line: int
    tail: int | None
    left: int | None
    offset: int | None = None  # None: not begun
    cutter: LineCutter = field(default_factory=LineCutter)
    ready: list[Line] = field(default_factory=list)

    @classmethod
    def of(cls, query: Query) -> "Cursor":
        return cls(Filter(query), query.after_line, query.tail, query.limit)


@dataclass(frozen=True, slots=True)
class Step:
    """What a call found. `more`: call again at once. `closed`: nothing will be added any more."""

    lines: list[Line]
    more: bool
    closed: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """An output as one transaction saw it."""

    row: index.OutputRow
    segments: list[index.SegmentRow]
    pieces: list[tuple[int, bytes]]


class LogReader:
    """Reads index and files. Raises StoreFailure."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "index.db"
        self._db = index.connect(self._path, read_only=True)

    def close(self) -> None:
        self._db.close()

    def closed(self, allocation: AllocationId) -> bool:
        """See LogStore.closed."""
        with index.transaction(self._db, self._path, "BEGIN"):
            row = self._db.execute(index.OUTPUT, (allocation,)).fetchone()
        return row is not None and index.OutputRow(*row).closed_at is not None

    def step(self, allocation: AllocationId, cursor: Cursor, follow: bool) -> Step:
        """The next lines. Without `follow`, or where the output is closed, unfinished lines come last."""
        held = self._look(allocation, cursor.offset or 0)
        if held is None:
            return Step([], more=False, closed=cursor.offset is not None)
        closed = held.row.closed_at is not None
        if held.row.expired:
            return Step([_expired_line()] if cursor.offset is None else [], more=False, closed=True)
        if cursor.offset is None:
            self._begin(cursor, held, final=closed or not follow)
        more = bool(cursor.ready) or self._scan(cursor, held)
        if not more and (closed or not follow):
            cursor.ready += [line for line in cursor.cutter.finish() if self._is_wanted(cursor, line)]
            cursor.cutter = LineCutter(cursor.cutter.number)
        return Step(*self._hand_out(cursor, more), closed=closed)

    def _hand_out(self, cursor: Cursor, more: bool) -> tuple[list[Line], bool]:
        most = BATCH_LINES if cursor.left is None else min(BATCH_LINES, cursor.left)
        lines, cursor.ready = cursor.ready[:most], cursor.ready[most:]
        if cursor.left is not None:
            cursor.left -= len(lines)
            if cursor.left == 0:
                return lines, False
        return lines, more or bool(cursor.ready)

    def _look(self, allocation: AllocationId, offset: int) -> _Held | None:
        with index.transaction(self._db, self._path, "BEGIN"):
            found = self._db.execute(index.OUTPUT, (allocation,)).fetchone()
            if found is None:
                return None
            row = index.OutputRow(*found)
            behind = offset < row.tail_offset
            segments = self._db.execute(index.SEGMENTS, (row.number,)).fetchall() if behind else []
            # A cursor in the tail stands at the beginning of a piece: it moves by whole ones.
            pieces = self._db.execute(index.PIECES, (row.number, max(offset, row.tail_offset))).fetchall()
        return _Held(row, [index.SegmentRow(*segment) for segment in segments], pieces)

    # --- where to begin ---

    def _begin(self, cursor: Cursor, held: _Held, *, final: bool) -> None:
        if cursor.tail is not None:
            self._begin_at_tail(cursor, held, final=final)
            return
        for segment in held.segments:
            if segment.end_line - 1 > cursor.after_line and cursor.wanted.may_match(segment.first_ms, segment.last_ms):
                _place(cursor, segment.offset, segment.first_line, segment.carry)
                return
        _place(cursor, held.row.tail_offset, held.row.tail_line, held.row.tail_carry)

    def _begin_at_tail(self, cursor: Cursor, held: _Held, *, final: bool) -> None:
        """Collect the last lines from behind, then go on at the end."""
        tail, cursor.tail = cursor.tail or 0, None
        row = held.row
        _place(cursor, row.tail_offset, row.tail_line, row.tail_carry)
        found = [
            line for _, records in held.pieces for line in cursor.cutter.feed(records) if self._is_wanted(cursor, line)
        ]
        cursor.offset = row.tail_offset + sum(payload_bytes(records) for _, records in held.pieces)
        if final:
            found += [line for line in cursor.cutter.finish() if self._is_wanted(cursor, line)]
            cursor.cutter = LineCutter(cursor.cutter.number)
        for segment in reversed(held.segments):
            if len(found) >= tail:
                break
            if segment.end_line - 1 > cursor.after_line and cursor.wanted.may_match(segment.first_ms, segment.last_ms):
                lines = LineCutter(segment.first_line, segment.carry).feed(self._unpack(held.row.number, segment))
                found = [line for line in lines if self._is_wanted(cursor, line)] + found
        cursor.ready = found[len(found) - tail if tail < len(found) else 0 :]

    # --- onwards ---

    def _scan(self, cursor: Cursor, held: _Held) -> bool:
        """Read on until there is a batch, the end, or enough has been looked at. Returns whether there is more to read."""
        seen = 0
        for records in self._from(cursor, held):
            if len(cursor.ready) >= BATCH_LINES or seen >= SCAN_BYTES:
                return True
            cursor.ready += [line for line in cursor.cutter.feed(records) if self._is_wanted(cursor, line)]
            size = payload_bytes(records)
            cursor.offset = (cursor.offset or 0) + size
            seen += size
        return False

    def _from(self, cursor: Cursor, held: _Held) -> Iterator[bytes]:
        """Records from the cursor on; segments that cannot hold anything wanted are passed over."""
        for segment, end in zip(held.segments, _ends(held), strict=True):
            at = cursor.offset or 0
            if end <= at:
                continue
            if not cursor.wanted.may_match(segment.first_ms, segment.last_ms):
                following = next((s for s in held.segments if s.offset == end), None)
                line, carry = (
                    (following.first_line, following.carry) if following else (held.row.tail_line, held.row.tail_carry)
                )
                _place(cursor, end, line, carry)
                continue
            records = self._unpack(held.row.number, segment)
            yield skip(records, at - segment.offset) if at > segment.offset else records
        yield from (records for offset, records in held.pieces if offset >= (cursor.offset or 0))

    def _is_wanted(self, cursor: Cursor, line: Line) -> bool:
        return line.number > cursor.after_line and (cursor.wanted.takes_all or cursor.wanted.matches(line))

    def _unpack(self, number: int, segment: index.SegmentRow) -> bytes:
        try:
            file = os.open(segment_path(self._folder, number), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""  # deleted since the index was read
        try:
            return zlib.decompress(os.pread(file, segment.stored, segment.place))
        finally:
            os.close(file)


def _ends(held: _Held) -> list[int]:
    return [*(segment.offset for segment in held.segments[1:]), held.row.tail_offset][: len(held.segments)]


def _place(cursor: Cursor, offset: int, line: int, carry: bytes) -> None:
    cursor.offset, cursor.cutter = offset, LineCutter(line, carry)


def _expired_line() -> Line:
    return Line(1, 0, Stream.NOTICE, b"this output was kept as long as the retention allows and then deleted")
