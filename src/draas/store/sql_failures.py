"""What a failing database or disk means, in one sentence with its remedy."""

import errno
import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from draas.store.store import StoreFailure

_FULL = "there is no space left for the database {path}: free some on its disk"
_LOCKED = "another program holds the database {path} locked: end it (a backup, a database browser)"
_NOT_WRITABLE = (
    "the database {path} cannot be written: let the user that runs the controller write to its folder and file"
)
_DAMAGED = "the database {path} is damaged: stop the controller and restore a backup"
_DISK = "the disk under the database {path} fails ({cause}): see the system's log"
_OTHER = "the database {path} failed: {cause}"
_BY_CODE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_IOERR: _DISK,
}


def explain(error: BaseException, path: Path) -> StoreFailure:
    """The StoreFailure that tells `error`."""
    if isinstance(error, StoreFailure):
        return error
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFailure(_FULL.format(path=path))
    if isinstance(cause, OSError):
        return StoreFailure(
            f"the folder {path.parent} cannot be used ({cause.strerror}): choose another, or make it writable"
        )
    code = getattr(cause, "sqlite_errorcode", None)
    sentence = _BY_CODE.get(code & 0xFF, _OTHER) if code is not None else _OTHER
    return StoreFailure(sentence.format(path=path, cause=cause))
