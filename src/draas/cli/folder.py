"""The data folder: made where it is missing, and an agent's held by one process."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from draas.model.errors import Invalid


def ensure_folder(folder: Path) -> None:
    """Make `folder`, for this user alone. Raises Invalid where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        told = f"{error.filename or folder}: {error.strerror}"
        raise Invalid(f"the data folder cannot be used ({told}): choose another with --data-dir") from None


@contextlib.contextmanager
def held_by_agent(folder: Path) -> Iterator[None]:
    """Hold `folder` for the length of the block. Raises Invalid where it cannot be used, StoreFailure where another agent has it."""
    from draas.store.folder_lock import FolderLock

    ensure_folder(folder)
    lock = FolderLock(folder, "agent")
    try:
        yield
    finally:
        lock.release()
