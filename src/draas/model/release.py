"""Release: one immutable version of an app."""

from dataclasses import dataclass
from enum import StrEnum

from draas.model.app_spec import AppSpec


class ReleaseState(StrEnum):
    PENDING = "pending"
    ROLLING = "rolling"
    LIVE = "live"
    FAILED = "failed"
    REPLACED = "replaced"  # it was live, or never began because a newer one was asked for


# live > replaced: a newer release took over. pending > replaced: of several that wait, the newest wins.
RELEASE_TABLE = {
    ReleaseState.PENDING: frozenset({ReleaseState.ROLLING, ReleaseState.FAILED, ReleaseState.REPLACED}),
    ReleaseState.ROLLING: frozenset({ReleaseState.LIVE, ReleaseState.FAILED, ReleaseState.REPLACED}),
    ReleaseState.LIVE: frozenset({ReleaseState.REPLACED}),
    ReleaseState.FAILED: frozenset[ReleaseState](),
    ReleaseState.REPLACED: frozenset[ReleaseState](),
}
RELEASES_KEPT = 10  # to roll back to, besides the newest


class CanaryPhase(StrEnum):
    NONE = ""
    TESTING = "testing"  # its share is up and waits for promote or abort
    PROMOTED = "promoted"  # rolled out to all


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """`image` is what the tag in `spec` was resolved to, once: name@sha256:…, or an image id; "" until it is known."""

    number: int
    spec: AppSpec
    state: ReleaseState
    created_at: float
    image: str = ""
    rolling_at: float | None = None
    finished_at: float | None = None
    reason: str = ""  # why it is in this state: cause and remedy of a failure
    rollback_of: int | None = None  # the release whose content this one repeats
    canary: CanaryPhase = CanaryPhase.NONE
    command_done: bool = False  # its release command has succeeded, or it has none
