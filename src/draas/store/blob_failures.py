"""What a failing disk under the images means, in one sentence with its remedy."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from draas.store.blobs import StorageFull
from draas.store.store import StoreFailure

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def told_failures(folder: Path) -> Iterator[None]:
    """Raises StorageFull or StoreFailure for an OSError inside."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"there is no space left for images in {folder}: free some on its disk") from error
        raise StoreFailure(
            f"images in {folder} cannot be read or written ({error.strerror or error}): see its disk and its permissions"
        ) from error
