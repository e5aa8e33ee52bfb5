"""The agent's data folder: made when it is missing, and held by one process. The controller's is held by its store."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from draas.lib.folder_lock import FolderHeld, FolderLock
from draas.model.errors import Conflict, Invalid


@contextlib.contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """Make `folder` and hold it for the length of the block.

    Raises Invalid where it cannot be written, Conflict where another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FolderLock(folder)
    except FolderHeld as held:
        raise Conflict(
            f"another {what} (process {held.holder}) uses {folder}: stop it, or choose another folder with --data-dir"
        ) from None
    except OSError as error:
        told = f"{error.filename or folder}: {error.strerror}"
        raise Invalid(f"the data folder cannot be used ({told}): choose another with --data-dir") from None
    try:
        yield
    finally:
        lock.release()
