"""What lies in the registry's folder: repositories, and entries of one folder with their sizes and times."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from draas.model.image_name import Repository

ENTRIES_AT_ONCE = 1_000  # of a folder, held in memory at a time


def repositories_in(folder: Path) -> list[Repository]:
    """All of them, in order. Raises OSError."""
    top = folder / "repositories"
    found, todo = [], [top]
    while todo:
        at = todo.pop()
        parts = [at / name for name, told in entries_in(at) if stat.S_ISDIR(told.st_mode)]
        todo += [part for part in parts if not part.name.startswith("_")]  # no part of a name begins so
        if any(part.name.startswith("_") for part in parts):
            found.append(Repository(str(at.relative_to(top))))
    return sorted(found)


def entries_in(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The names in `folder`, in no order; nothing where there is no such folder. Raises OSError."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    yield entry.name, entry.stat()
                except FileNotFoundError:
                    continue  # gone meanwhile
    except FileNotFoundError:
        return


def touch_file(path: Path) -> bool:
    """Make `path` as fresh as if it had been written now; False where there is none. Raises OSError."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True
