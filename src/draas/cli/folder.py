"""The data folder: made when it is missing, and held by one process of each kind."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from draas.model.errors import Conflict, Invalid


@contextlib.contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """Make `folder` and hold it for the length of the block; the kernel lets go of it when the process dies.

    Raises Invalid where it cannot be written, Conflict where another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        told = f"{error.filename or folder}: {error.strerror}"
        raise Invalid(f"the data folder cannot be used ({told}): choose another with --data-dir") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise Conflict(
            f"another {what} (process {holder or 'unknown'}) uses {folder}: stop it, or choose another folder with --data-dir"
        ) from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
