"""Durable files: folders and small files of which a power cut forgets nothing once the function has returned."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def make_folder(path: Path) -> None:
    """Make `path` and what lacks above it, for us alone. Raises OSError."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Names that were made, moved or removed in `path` stay so. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes, scratch: Path) -> None:
    """Make or replace `path` whole. `scratch` is a folder on the same disk; one that failed leaves nothing there.

    Raises OSError; `path` is then as it was before.
    """
    make_folder(path.parent)
    temporary = scratch / secrets.token_hex(16)
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_file(path: Path) -> bool:
    """Whether there was one. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
    return True
