"""Connections to the SQLite file, each of one thread, and transactions on them."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from draas.store.sql_failures import explain
from draas.store.store import StoreFailure

BUSY_S = 5.0  # only a backup or a shell can hold the file, and neither does so for long
CACHE_KIB = 16 * 1024  # a connection: the indexes of some hundred thousand jobs; taken only as it is needed
CHECKPOINT_PAGES = (
    4000  # 16 MB: a checkpoint costs two flushes, and pages changed often are written once for many commits
)
EXPECTED = (SQLAlchemyError, sqlite3.Error, OSError, msgspec.MsgspecError)


def connect_writer(path: Path) -> Connection:
    """The connection that changes things; its transactions take the write lock at once. Makes the file, for its owner only."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(file, 0o600)
    os.close(file)
    connection = _connect(path, "BEGIN IMMEDIATE")
    try:
        mode = _pragma(connection, "journal_mode=WAL")
        if mode != "wal":
            raise StoreFailure(f"the file system of {path.parent} cannot hold a shared database: choose a local folder")
        _pragma(connection, "synchronous=FULL")
        _pragma(connection, f"wal_autocheckpoint={CHECKPOINT_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> Connection:
    """A connection that changes nothing and waits for no commit."""
    connection = _connect(path, "BEGIN")
    _pragma(connection, "query_only=ON")
    return connection


@contextmanager
def transaction(connection: Connection, path: Path) -> Iterator[None]:
    """One transaction. Where anything fails nothing is changed, the connection can be used again, and StoreFailure is raised."""
    try:
        with connection.begin():
            yield
    except BaseException as error:
        _roll_back(connection)
        if isinstance(error, EXPECTED):
            raise explain(error, path) from error
        raise


def _roll_back(connection: Connection) -> None:
    raw = connection.connection.dbapi_connection
    if (
        isinstance(raw, sqlite3.Connection) and raw.in_transaction
    ):  # SQLAlchemy leaves it open if it is COMMIT that failed
        raw.rollback()


def _connect(path: Path, begin: str) -> Connection:
    # isolation_level None: sqlite3 would begin by itself, and only at the first change.
    options = {"timeout": BUSY_S, "isolation_level": None, "check_same_thread": False}
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool, connect_args=options)
    event.listen(engine, "begin", lambda connection: raw_of(connection).execute(begin))
    connection = engine.connect()
    _pragma(connection, f"cache_size=-{CACHE_KIB}")
    return connection


def _pragma(connection: Connection, setting: str) -> object:
    return next(iter(raw_of(connection).execute(f"PRAGMA {setting}").fetchone() or (None,)))


def raw_of(connection: Connection) -> sqlite3.Connection:
    """The driver's connection."""
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw
