"""FolderLock: one process of a kind a data folder. The system releases it whatever way the process ends."""

import fcntl
import os
from pathlib import Path


class FolderHeld(Exception):
    """Another process has the folder. `holder` is its number, or "unknown"."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"held by process {holder}")
        self.holder = holder


class FolderLock:
    """Holds `folder`/lock from creation to `release`. Raises FolderHeld, or OSError where the file cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(self._file, 20, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise FolderHeld(holder or "unknown") from error
        except OSError:
            os.close(self._file)
            raise

    def release(self) -> None:
        os.close(self._file)
