"""Disk: how full the one that holds a folder is."""

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """In bytes. What is reserved for root counts as used."""

    used_bytes: int = 0
    total_bytes: int = 0

    @property
    def share(self) -> float:
        """0..1; 0 where nothing is known."""
        return self.used_bytes / self.total_bytes if self.total_bytes > 0 else 0.0


def disk_of(folder: Path) -> Disk:
    """The disk that holds `folder` now. Raises OSError."""
    found = shutil.disk_usage(folder)
    return Disk(used_bytes=found.total - found.free, total_bytes=found.total)
