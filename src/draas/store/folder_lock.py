"""FolderLock: one controller, and one agent, a data folder. The system releases it whatever way the process ends."""

import fcntl
import os
from pathlib import Path

from draas.store.store import StoreFailure


class FolderLock:
    """Holds `folder`/lock from creation to `release`. Raises StoreFailure where another process has it, OSError where it cannot be."""

    def __init__(self, folder: Path, what: str = "controller") -> None:
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, 0)
            os.write(self._file, f"{os.getpid()}\n".encode())
        except BlockingIOError as error:
            holder = os.pread(self._file, 20, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise StoreFailure(
                f"another {what} (process {holder or 'unknown'}) uses {folder}: stop it, or choose another --data-dir"
            ) from error
        except OSError:
            os.close(self._file)
            raise

    def release(self) -> None:
        os.close(self._file)
