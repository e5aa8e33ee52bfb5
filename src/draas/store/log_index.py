"""The index of all outputs: where each one's segments are, and what of it is not in a segment yet. One SQLite file.

    outputs   one row an attempt: how far it is durable, and the state of its tail (what is in no segment)
    pieces    the tail itself: records as they came, gone once they are in a segment
    segments  stretches of an output in its file: place, lines, times, and the lines unfinished where it begins

Form 1 (2026-11): first form; `user_version` says which one a file has.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from draas.store.sql_failures import explain
from draas.store.store import StoreFailure

FORM = 1
BUSY_S = 5.0
CHECKPOINT_PAGES = 4000  # 16 MB: most pages are written many times between two checkpoints
_TABLES = """
CREATE TABLE outputs (
  number INTEGER PRIMARY KEY, allocation TEXT NOT NULL UNIQUE, closed_at REAL, expired INTEGER NOT NULL DEFAULT 0,
  stored INTEGER NOT NULL DEFAULT 0, tail_offset INTEGER NOT NULL DEFAULT 0, tail_line INTEGER NOT NULL DEFAULT 1,
  tail_carry BLOB NOT NULL DEFAULT x'');
CREATE INDEX outputs_closed ON outputs (closed_at) WHERE closed_at IS NOT NULL AND expired = 0;
CREATE TABLE pieces (output INTEGER NOT NULL, offset INTEGER NOT NULL, records BLOB NOT NULL);
CREATE INDEX pieces_output ON pieces (output, offset);
CREATE TABLE segments (
  output INTEGER NOT NULL, offset INTEGER NOT NULL, place INTEGER NOT NULL, stored INTEGER NOT NULL,
  first_line INTEGER NOT NULL, end_line INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
  carry BLOB NOT NULL, PRIMARY KEY (output, offset)) WITHOUT ROWID;
"""


class OutputRow(NamedTuple):
    """`stored` bytes of its file are in use; its tail begins at `tail_offset`, line `tail_line`, with `tail_carry` unfinished."""

    number: int
    closed_at: float | None
    expired: int
    stored: int
    tail_offset: int
    tail_line: int
    tail_carry: bytes


class SegmentRow(NamedTuple):
    """A compressed stretch of an output: `stored` bytes at `place` of its file. Lines `first_line` to before `end_line`."""

    offset: int
    place: int
    stored: int
    first_line: int
    end_line: int
    first_ms: int
    last_ms: int
    carry: bytes


OUTPUT = (
    "SELECT number, closed_at, expired, stored, tail_offset, tail_line, tail_carry FROM outputs WHERE allocation = ?"
)
SEGMENTS = (
    "SELECT offset, place, stored, first_line, end_line, first_ms, last_ms, carry FROM segments WHERE output = ?"
    " ORDER BY offset"
)
PIECES = "SELECT offset, records FROM pieces WHERE output = ? AND offset >= ? ORDER BY offset"
HAS_SEGMENT = "SELECT 1 FROM segments WHERE output = ? AND offset = ?"
LAST_PIECE = "SELECT offset, records FROM pieces WHERE output = ? ORDER BY offset DESC LIMIT 1"


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection for one thread at a time. Raises sqlite3.Error, or StoreFailure for a file of a newer version."""
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        else:
            _make_tables(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    if form > FORM:
        raise StoreFailure(f"{path} has form {form}, this version reads up to {FORM}: a newer draas wrote it, use that")
    if form == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {FORM}; COMMIT;")


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """One transaction. Where anything fails nothing is changed; what the disk or the file cannot do becomes StoreFailure."""
    try:
        connection.execute(begin)
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, OSError | sqlite3.Error):
            raise explain(error, path) from error
        raise
