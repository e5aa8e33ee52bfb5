"""Policy: the spans and limits by which the controller decides, each with its argument."""

from dataclasses import dataclass

from draas.model.job import SAMPLE_IMAGE
from draas.model.release import RELEASES_KEPT

MAX_HEARTBEAT_S = 2.5  # below disconnected_after_s, so that a fleet that shrinks does not seem silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Seconds everywhere. The defaults suit a few dozen machines on ordinary networks."""

    heartbeat_s: float = 1.0  # of a fleet of up to `heartbeats_per_s` machines; see heartbeat_of
    heartbeats_per_s: float = 400.0  # all machines together: a few per cent of a core
    disconnected_after_s: float = 3.0  # three heartbeats: one lost packet is no news
    away_after_s: float = 4.0  # an agent has mostly restarted by then; see scheduler.nodes.is_away
    down_after_s: float = 6.0  # long enough for an agent to restart, short enough to re-run work soon
    lease_s: float = 30.0  # an exclusive job's right to run without word from the controller
    lease_margin_s: float = 2.0  # stopping takes time; re-run only when surely over
    mass_loss_hold_s: float = 60.0  # most of a fleet gone at once is more likely our own network
    retry_base_s: float = 1.0
    retry_cap_s: float = 300.0
    log_cap_bytes: int = 100_000_000
    job_retention_s: float = 30 * 86400.0
    log_retention_s: float = 14 * 86400.0
    event_retention_s: float = 30 * 86400.0
    placements_per_tick: int = 256  # keeps a tick, and so the wait of an API call, short
    images_keep_releases: int = RELEASES_KEPT  # of each app, besides the newest: as many as can be rolled back to
    images_keep_builds: int = 10  # in each repository, of those that only a build's id names
    images_keep_tags: int = 0  # in each repository, of those that people named; 0: all
    images_untagged_s: float = 86400.0  # a tag moves on: who still means the old image has a day to say so
    sources_kept_s: float = 7 * 86400.0  # to build again from; also of other blobs that no image refers to
    uploads_kept_s: float = 86400.0  # unfinished: a laptop that was closed goes on tomorrow
    images_quota_bytes: int = 0  # of the registry: beyond it the oldest that nothing uses go; 0: none
    apps_domain: str = "localhost"  # an app's name under it leads to it; browsers resolve *.localhost to themselves
    default_image: str = SAMPLE_IMAGE  # of container jobs that name none

    def heartbeat_of(self, nodes: int) -> float:
        """Seconds between the heartbeats of each of `nodes` machines."""
        return min(max(self.heartbeat_s, nodes / self.heartbeats_per_s), max(self.heartbeat_s, MAX_HEARTBEAT_S))

    def patience_of(self, nodes: int) -> float:
        """By how much more silence is allowed in such a fleet than in a small one."""
        return self.heartbeat_of(nodes) / self.heartbeat_s
