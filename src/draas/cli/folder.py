"""The data folder: made when it is missing. The agent's is held by one process here, the controller's by its store."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from draas.lib.folder_lock import FolderHeld, FolderLock
from draas.model.errors import Conflict, Invalid


def ensure_folder(folder: Path) -> None:
    """Make `folder`, for this user alone. Raises Invalid where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise _unusable(folder, error) from None


def _unusable(folder: Path, error: OSError) -> Invalid:
    told = f"{error.filename or folder}: {error.strerror}"
    return Invalid(f"the data folder cannot be used ({told}): choose another with --data-dir")


@contextlib.contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """Make `folder` and hold it for the length of the block.

    Raises Invalid where it cannot be written, Conflict where another process holds it.
    """
    ensure_folder(folder)
    try:
        lock = FolderLock(folder)
    except FolderHeld as held:
        raise Conflict(
            f"another {what} (process {held.holder}) uses {folder}: stop it, or choose another folder with --data-dir"
        ) from None
    except OSError as error:
        raise _unusable(folder, error) from None
    try:
        yield
    finally:
        lock.release()
