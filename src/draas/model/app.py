"""App: something to keep running, its releases and replicas."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from draas.model.app_spec import AppSpec
from draas.model.job import ProjectName
from draas.model.release import Release, ReleaseState
from draas.model.replica import Replica

AppId = NewType("AppId", str)

PAST_KEPT = 20  # replicas that have ended, with their logs
SCALINGS_KEPT = 50


class AppState(StrEnum):
    """What was observed. live: every wanted replica runs the wanted image, has settled and passed its probe."""

    DEPLOYING = "deploying"
    LIVE = "live"
    DEGRADED = "degraded"  # serves, but not with all that is wanted
    FAILED = "failed"  # serves nothing that it should
    STOPPED = "stopped"  # no replicas are wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """One decision about how many, in words."""

    at: float
    before: int
    after: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """`wanted` is how many replicas there should be now. `replicas` holds those that have not ended, `past` those that have."""

    id: AppId
    name: str
    project: ProjectName
    created_at: float
    spec: AppSpec  # the newest that was asked for
    wanted: int
    releases: tuple[Release, ...] = ()  # oldest first
    live: int | None = None  # the release that serves
    state: AppState = AppState.DEPLOYING
    reason: str = ""
    replicas: tuple[Replica, ...] = ()
    past: tuple[Replica, ...] = ()
    placed: int = 0  # replicas ever placed: the next one's number is one more
    crashes: int = 0  # in a row, each soon after its start
    crashed_at: float = 0.0
    not_before: float = 0.0  # back-off: nothing is started before
    refused: str = ""  # why the next replica has no place, in words
    restarting: float | None = None  # replicas placed before this moment are to be replaced
    sleeping: bool = False  # scaled to zero, to be woken by a request
    removing: bool = False
    warnings: tuple[
        str, ...
    ] = ()  # what keeps people from it though it runs: domains that lead elsewhere, certificates
    scalings: tuple[Scaling, ...] = ()
    scaled_at: float = 0.0

    def release(self, number: int | None) -> Release | None:
        """The release of this number."""
        return next((release for release in self.releases if release.number == number), None)

    @property
    def rolling(self) -> Release | None:
        """The release that is being rolled out."""
        return next((release for release in self.releases if release.state is ReleaseState.ROLLING), None)

    @property
    def pending(self) -> Release | None:
        """The newest release that waits for its turn."""
        waiting = [release for release in self.releases if release.state is ReleaseState.PENDING]
        return waiting[-1] if waiting else None

    @property
    def newest(self) -> Release | None:
        return self.releases[-1] if self.releases else None
