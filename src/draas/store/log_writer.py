"""LogWriter: appends to outputs. All chunks of a call become durable in one transaction. Lives in one thread.

Output waits in the index until there is enough for a segment, which is compressed and appended to the output's file, and
flushed, before the transaction that names it: what no committed row names is overwritten by the next segment.
"""

import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from draas.lib import clock, log
from draas.model.allocation import AllocationId
from draas.store import log_index as index
from draas.store.log_lines import LineCutter
from draas.wire.link import LogChunk
from draas.wire.records import payload_bytes, skip

SEGMENT_BYTES = 512 * 1024  # enough to compress well; a reader that wants one line unpacks no more than this in 2 ms
CLOSED_SEGMENT_BYTES = (
    64 * 1024
)  # what an output leaves at its end stays in the index if it is smaller: no file for small ones
COMPRESSION = 1  # zlib's fastest: 5 times smaller for text, at over 100 MB/s
OPEN_MOST = 2_000  # outputs remembered between appends; the others are looked up again
# Agents cut output at the policy's cap. One that does not must not fill the disk.
CAP_SLACK_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Output:
    """The writer's knowledge of one output. Not its tail: 2,000 of those would be a gigabyte."""

    row: index.OutputRow
    end: int

    @property
    def tail_bytes(self) -> int:
        """How much is in no segment yet."""
        return self.end - self.row.tail_offset


class Piece(NamedTuple):
    """Records that were stored, and where they begin."""

    allocation: AllocationId
    offset: int
    records: bytes


class LogWriter:
    """The only one that changes index and files. All methods raise StoreFailure and have changed nothing then."""

    def __init__(self, folder: Path, cap_bytes: int) -> None:
        self._folder = folder
        self._path = folder / "index.db"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = index.connect(self._path)
        self._open: dict[AllocationId, Output] = {}
        self._cap_bytes = cap_bytes + CAP_SLACK_BYTES

    def close(self) -> None:
        self._db.close()

    def append(self, chunks: Sequence[LogChunk]) -> tuple[Mapping[AllocationId, int], Sequence[Piece]]:
        """See LogStore.append; also what of the chunks is new."""
        touched: dict[AllocationId, Output] = {}
        ends: dict[AllocationId, int] = {}
        new: list[Piece] = []
        try:
            with index.transaction(self._db, self._path):
                for chunk in chunks:
                    id = chunk.allocation
                    output = touched.get(id) or self._recall(id)
                    touched[id] = output
                    ends[id] = self._take(output, chunk, new)
        except BaseException:
            self._forget(touched)
            raise
        self._remember(touched)
        return ends, new

    def ends(self, allocations: Iterable[AllocationId]) -> Mapping[AllocationId, int]:
        """See LogStore.ends."""
        with index.transaction(self._db, self._path, "BEGIN"):
            found = {id: self._find(id) for id in allocations}
        return {id: output.end if output is not None else 0 for id, output in found.items()}

    def close_outputs(self, allocations: Sequence[AllocationId]) -> None:
        """See LogStore.close_output; all of them in one transaction."""
        touched: dict[AllocationId, Output] = {}
        try:
            with index.transaction(self._db, self._path):
                for id in allocations:
                    touched[id] = touched.get(id) or self._recall(id)
                    self._shut(touched[id])
        except BaseException:
            self._forget(allocations)
            raise
        self._remember(touched)

    def drop(self, allocations: Iterable[AllocationId]) -> None:
        """See LogStore.drop."""
        numbers = []
        with index.transaction(self._db, self._path):
            for id in allocations:
                if (output := self._find(id)) is not None:
                    numbers.append(output.row.number)
                    self._delete_content(output.row.number)
                    self._db.execute("DELETE FROM outputs WHERE number = ?", (output.row.number,))
                self._open.pop(id, None)
        self._unlink(numbers)

    def expire(self, closed_before: float, limit: int) -> int:
        """Delete the content of at most `limit` outputs that were closed before then; their rows stay, to say so."""
        old = "SELECT number, allocation FROM outputs WHERE closed_at < ? AND expired = 0 ORDER BY closed_at LIMIT ?"
        with index.transaction(self._db, self._path):
            found = self._db.execute(old, (closed_before, limit)).fetchall()
            for number, allocation in found:
                self._delete_content(number)
                self._db.execute("UPDATE outputs SET expired = 1, tail_carry = x'' WHERE number = ?", (number,))
                self._open.pop(allocation, None)
        self._unlink([number for number, _ in found])
        return len(found)

    # --- inside a transaction ---

    def _find(self, id: AllocationId) -> Output | None:
        """What is known of an output, if anything."""
        known = self._open.get(id)
        if known is not None:
            return known
        row = self._db.execute(index.OUTPUT, (id,)).fetchone()
        if row is None:
            return None
        output = Output(index.OutputRow(*row), end=row[4])
        last = self._db.execute(index.LAST_PIECE, (output.row.number,)).fetchone()
        if last is not None:
            output.end = last[0] + payload_bytes(last[1])
        return output

    def _recall(self, id: AllocationId) -> Output:
        found = self._find(id)
        if found is not None:
            return found
        made = self._db.execute("INSERT INTO outputs (allocation) VALUES (?)", (id,))
        assert made.lastrowid is not None
        return Output(index.OutputRow(made.lastrowid, None, 0, 0, 0, 1, b""), end=0)

    def _remember(self, touched: Mapping[AllocationId, Output]) -> None:
        for id, output in touched.items():
            self._open.pop(id, None)
            if output.row.closed_at is None:
                self._open[id] = output
        while len(self._open) > OPEN_MOST:
            del self._open[next(iter(self._open))]

    def _forget(self, touched: Iterable[AllocationId]) -> None:
        """What was changed in memory did not become durable: look it up again next time."""
        for id in touched:
            self._open.pop(id, None)

    def _take(self, output: Output, chunk: LogChunk, new: list[Piece]) -> int:
        """Add what is new of `chunk`, to `new` too, nothing where it is not made of records; returns the output's end."""
        try:
            size = payload_bytes(chunk.records)
        except ValueError as error:  # one agent's nonsense must not keep the output of all others from being stored
            log.warning("a piece of output is not made of records", allocation=chunk.allocation, reason=str(error))
            return output.end
        if output.row.expired or output.end >= self._cap_bytes:
            return chunk.offset + size  # told to be stored, so that nobody sends it for ever
        if chunk.offset > output.end:
            return output.end
        known = output.end - chunk.offset
        size = max(size - known, 0)
        if size:
            records = skip(chunk.records, known) if known else chunk.records
            new.append(Piece(chunk.allocation, output.end, records))
            output.end += size
            if output.tail_bytes >= SEGMENT_BYTES:
                self._write_segment(output, records)
            else:
                put = "INSERT INTO pieces (output, offset, records) VALUES (?, ?, ?)"
                self._db.execute(put, (output.row.number, output.end - size, records))
        if chunk.last:
            self._shut(output)
        return output.end

    def _shut(self, output: Output) -> None:
        if output.row.closed_at is not None:
            return
        if output.tail_bytes >= CLOSED_SEGMENT_BYTES:
            self._write_segment(output)
        now = clock.now()
        self._db.execute("UPDATE outputs SET closed_at = ? WHERE number = ?", (now, output.row.number))
        output.row = output.row._replace(closed_at=now)

    def _write_segment(self, output: Output, newest: bytes = b"") -> None:
        """The whole tail, and records that are no piece of it yet, become a segment."""
        row = output.row
        pieces = self._db.execute(index.PIECES, (row.number, row.tail_offset)).fetchall()
        records = b"".join([*(records for _, records in pieces), newest])
        cutter = LineCutter(row.tail_line, row.tail_carry)
        first_ms, last_ms = cutter.skim(records)
        packed = zlib.compress(records, COMPRESSION)
        self._write_file(row.number, row.stored, packed)
        put = "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._db.execute(
            put,
            (
                row.number,
                row.tail_offset,
                row.stored,
                len(packed),
                row.tail_line,
                cutter.number,
                first_ms,
                last_ms,
                row.tail_carry,
            ),
        )
        self._db.execute("DELETE FROM pieces WHERE output = ?", (row.number,))
        tail = (row.stored + len(packed), output.end, cutter.number, cutter.carry)
        change = "UPDATE outputs SET stored = ?, tail_offset = ?, tail_line = ?, tail_carry = ? WHERE number = ?"
        self._db.execute(change, (*tail, row.number))
        output.row = index.OutputRow(row.number, row.closed_at, row.expired, *tail)

    def _write_file(self, number: int, place: int, packed: bytes) -> None:
        path = segment_path(self._folder, number)
        if place == 0:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            view, at = memoryview(packed), place
            while view:
                written = os.pwrite(file, view, at)
                view, at = view[written:], at + written
            os.fdatasync(file)
        finally:
            os.close(file)
        if place == 0:
            _flush_folder(path.parent)
            _flush_folder(self._folder)

    def _delete_content(self, number: int) -> None:
        self._db.execute("DELETE FROM pieces WHERE output = ?", (number,))
        self._db.execute("DELETE FROM segments WHERE output = ?", (number,))

    def _unlink(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            with suppress(
                OSError
            ):  # never had one, or a disk that fails: the next segment of this number overwrites it
                segment_path(self._folder, number).unlink()


def segment_path(folder: Path, number: int) -> Path:
    """An output's file. It is named by the output's number, so that no id that came over the network is ever part of a path."""
    return folder / f"{number % 256:02x}" / f"{number}.segments"


def _flush_folder(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
