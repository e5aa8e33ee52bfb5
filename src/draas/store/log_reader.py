"""LogReader: finds the lines that a query wants, stretch by stretch, so that memory stays bounded. Any thread, one at a time."""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from draas.lib import log
from draas.model.allocation import AllocationId
from draas.store import log_index as index
from draas.store.log_lines import Filter, LineCutter
from draas.store.log_writer import segment_path
from draas.store.logs import Line, Query
from draas.wire.records import Stream, payload_bytes, skip

BATCH_LINES = 4_000  # of one answer; more are asked for by another call
SCAN_BYTES = 4 * 1024 * 1024  # looked at in one call, so that one reader does not hold up the others for long


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

    def pass_over(self, records: bytes, end: int) -> list[Line]:
        """The lines that are wanted of `records`, which follow and end at `end`."""
        self.offset = end
        return self.select(self.cutter.feed(records))

    def select(self, lines: list[Line]) -> list[Line]:
        """Those that are wanted of consecutive `lines`."""
        if lines and lines[0].number <= self.after_line:
            lines = lines[self.after_line + 1 - lines[0].number :]
        return lines if self.wanted.takes_all or not lines else self.wanted.select(lines)


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

    def __init__(self, folder: Path, scan_bytes: int = SCAN_BYTES) -> None:
        self._scan_bytes = scan_bytes
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
            cursor.ready += cursor.select(cursor.cutter.finish())
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
        found = cursor.select([line for _, records in held.pieces for line in cursor.cutter.feed(records)])
        cursor.offset = row.tail_offset + sum(payload_bytes(records) for _, records in held.pieces)
        if final:
            found += cursor.select(cursor.cutter.finish())
            cursor.cutter = LineCutter(cursor.cutter.number)
        for segment in reversed(held.segments):
            if len(found) >= tail:
                break
            if segment.end_line - 1 > cursor.after_line and cursor.wanted.may_match(segment.first_ms, segment.last_ms):
                found = self._segment_lines(cursor, held, segment) + found
        cursor.ready = found[len(found) - tail if tail < len(found) else 0 :]

    def _segment_lines(self, cursor: Cursor, held: _Held, segment: index.SegmentRow) -> list[Line]:
        try:
            records = self._unpack(held.row.number, segment)
        except _Damage:
            return self._notice(held, segment, next(end for end in _ends(held) if end > segment.offset))
        return cursor.select(LineCutter(segment.first_line, segment.carry).feed(records))

    # --- onwards ---

    def _scan(self, cursor: Cursor, held: _Held) -> bool:
        """Read on until there is a batch, the end, or enough has been looked at. Returns whether there is more to read."""
        seen = 0
        for records, end in self._from(cursor, held):
            if len(cursor.ready) >= BATCH_LINES or seen >= self._scan_bytes:
                return True
            seen += end - (cursor.offset or 0)
            cursor.ready += cursor.pass_over(records, end)
        return False

    def _from(self, cursor: Cursor, held: _Held) -> Iterator[tuple[bytes, int]]:
        """Records from the cursor on, and where they end. Segments that cannot hold anything wanted are passed over."""
        for at, (segment, end) in enumerate(zip(held.segments, _ends(held), strict=True), 1):
            offset = cursor.offset or 0
            if end <= offset:
                continue
            following = held.segments[at] if at < len(held.segments) else None
            if not cursor.wanted.may_match(segment.first_ms, segment.last_ms):
                _place_after(cursor, held, following)
                continue
            try:
                records = self._unpack(held.row.number, segment)
            except _Damage:
                cursor.ready += self._notice(held, segment, end)
                _place_after(cursor, held, following)
                continue
            yield skip(records, offset - segment.offset) if offset > segment.offset else records, end
        for offset, records in held.pieces:
            if offset >= (cursor.offset or 0):
                yield records, offset + payload_bytes(records)

    def _unpack(self, number: int, segment: index.SegmentRow) -> bytes:
        """A segment's records. Raises _Damage."""
        try:
            file = os.open(segment_path(self._folder, number), os.O_RDONLY | os.O_CLOEXEC)
            try:
                return zlib.decompress(os.pread(file, segment.stored, segment.place))
            finally:
                os.close(file)
        except (OSError, zlib.error) as error:
            raise _Damage(str(error)) from error

    def _notice(self, held: _Held, segment: index.SegmentRow, end: int) -> list[Line]:
        """In the place of what cannot be read, for the rest is worth having. Nothing where it was deleted meanwhile."""
        with index.transaction(self._db, self._path, "BEGIN"):
            there = self._db.execute(index.HAS_SEGMENT, (held.row.number, segment.offset)).fetchone()
        if there is None:
            return []
        log.error("a part of an output cannot be read", file=str(segment_path(self._folder, held.row.number)))
        told = f"{end - segment.offset} bytes of this output are damaged on the controller's disk"
        return [Line(segment.first_line, segment.last_ms, Stream.NOTICE, told.encode())]


class _Damage(Exception):
    """A segment that is not there or does not unpack."""


def _ends(held: _Held) -> list[int]:
    return [*(segment.offset for segment in held.segments[1:]), held.row.tail_offset][: len(held.segments)]


def _place(cursor: Cursor, offset: int, line: int, carry: bytes) -> None:
    cursor.offset, cursor.cutter = offset, LineCutter(line, carry)


def _place_after(cursor: Cursor, held: _Held, following: index.SegmentRow | None) -> None:
    """To where `following` begins, or where there is none, the tail."""
    if following is not None:
        _place(cursor, following.offset, following.first_line, following.carry)
    else:
        _place(cursor, held.row.tail_offset, held.row.tail_line, held.row.tail_carry)


def _expired_line() -> Line:
    return Line(1, 0, Stream.NOTICE, b"this output was kept as long as the retention allows and then deleted")
