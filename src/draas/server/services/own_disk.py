"""OwnDisk: the disk under the controller's data folder, and refusing what needs room on it when it is full."""

from collections.abc import Callable
from pathlib import Path

from draas.lib import clock
from draas.lib.disk import Disk, disk_of
from draas.model.errors import DraasError
from draas.scheduler.disks import warnings_of
from draas.scheduler.filters import DISK_FULL_SHARE

MEASURED_S = 1.0  # how old a figure may be: uploads ask often


class NoRoom(DraasError):
    """The controller's disk is too full for it. Trying again helps nothing until somebody makes room."""


class OwnDisk:
    """`measure` gives the disk that holds `folder`; one that cannot be measured counts as empty."""

    def __init__(self, folder: Path, measure: Callable[[Path], Disk] = disk_of) -> None:
        self._folder = folder
        self._measure = measure
        self._known = (-MEASURED_S, Disk())

    def look(self) -> Disk:
        """The disk as it is, or was a moment ago."""
        at, disk = self._known
        now = clock.monotonic()
        if now - at >= MEASURED_S:
            try:
                disk = self._measure(self._folder)
            except OSError:
                disk = Disk()
            self._known = (now, disk)
        return disk

    def warnings(self) -> list[str]:
        """What people are to know of it."""
        return warnings_of(self.look(), is_controller=True)

    def check_room(self, what: str) -> None:
        """Raises NoRoom where the disk is too full for `what`."""
        share = self.look().share
        if share >= DISK_FULL_SHARE:
            raise NoRoom(
                f"the controller takes {what} no more: its disk ({self._folder}) is {share * 100:.0f} % full, and from "
                f"{DISK_FULL_SHARE * 100:.0f} % on it keeps what is left for running work; run `draas images prune`, or free some"
            )
