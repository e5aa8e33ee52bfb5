"""App state: the truth about an app in one word and one sentence, from what was observed. Pure."""

from draas.model.allocation import AllocationState
from draas.model.app import App, AppState
from draas.model.probe import Health
from draas.model.release import CanaryPhase, Release, ReleaseState
from draas.model.replica import Replica
from draas.scheduler.apps import failures_of


def observed_state(app: App, now: float, fault: str = "") -> tuple[AppState, str]:
    """Its state, and why. Live means: every wanted replica runs the wanted image, has settled and passed its probe.

    `fault`: why an ingress does not take its routes.
    """
    rolling, live = app.rolling, app.release(app.live)
    if rolling is not None or app.pending is not None:
        return AppState.DEPLOYING, _progress(app, rolling, now)
    failed = _failed_release(app)
    if live is None:
        return AppState.FAILED, failed or "no release has come up"
    if app.wanted == 0:
        return (AppState.LIVE, "asleep: the next request wakes it") if app.sleeping else (AppState.STOPPED, "")
    state, reason = _steady(app, live, now)
    if fault and state is AppState.LIVE:
        return AppState.DEGRADED, f"the ingress refuses its routes: {fault}"
    return state, reason or (f"{failed}; release {live.number} serves" if failed else "")


def is_right(replica: Replica, release: Release, now: float) -> bool:
    """Whether it is what is wanted: this release, the image it is pinned to, healthy for the settling time."""
    return (
        replica.staying
        and replica.release == release.number
        and (not release.image or replica.observed.image in ("", release.image))
        and replica.settled(now, release.spec.deploy.healthy_after_s)
    )


def _steady(app: App, live: Release, now: float) -> tuple[AppState, str]:
    right = sum(is_right(replica, live, now) for replica in app.replicas)
    if right >= app.wanted:
        return AppState.LIVE, ""
    healthy = sum(replica.healthy and replica.staying for replica in app.replicas)
    trouble = _trouble(app, live)
    count = f"{healthy} of {app.wanted} replicas {'is' if healthy == 1 else 'are'} healthy"
    reason = f"{count}: {trouble}" if trouble else count
    if healthy == 0 and not _coming(app):
        return AppState.FAILED, reason
    return AppState.DEGRADED, reason


def _coming(app: App) -> bool:
    """Whether a first replacement is on its way, and nothing is known against it."""
    return app.crashes <= 1 and not app.refused and any(replica.staying for replica in app.replicas)


def _failed_release(app: App) -> str:
    newest = app.newest
    if newest is None or newest.state is not ReleaseState.FAILED:
        return ""
    return f"release {newest.number} failed: {newest.reason}"


def _progress(app: App, rolling: Release | None, now: float) -> str:
    if rolling is None:
        return ""
    if not rolling.command_done:
        return f"release {rolling.number}: its release command runs"
    own = [replica for replica in app.replicas if replica.release == rolling.number and replica.staying]
    settled = sum(replica.settled(now, rolling.spec.deploy.healthy_after_s) for replica in own)
    if rolling.canary is CanaryPhase.TESTING:
        return f"release {rolling.number}: the canary is up; promote or abort it"
    doing = _trouble(app, rolling) or _doing(own)
    return f"release {rolling.number}: {settled} of {app.wanted} replicas ready{f'; {doing}' if doing else ''}"


def _doing(replicas: list[Replica]) -> str:
    """What the replica that is furthest behind does."""
    for state in (AllocationState.ASSIGNED, AllocationState.PREPARING, AllocationState.STARTING):
        for replica in replicas:
            if replica.state is state:
                detail = replica.observed.detail or str(state)
                return f"{detail} on {replica.allocation.node_name}"
    waiting = next((replica for replica in replicas if not replica.healthy), None)
    return f"waits for the probe on {waiting.allocation.node_name}" if waiting is not None else ""


def _trouble(app: App, release: Release) -> str:
    """What stands in the way, the nearest cause first."""
    if app.refused:
        return app.refused
    unhealthy = next((replica for replica in app.replicas if replica.served.health is Health.UNHEALTHY), None)
    if unhealthy is not None and unhealthy.staying:
        return f"{unhealthy.id} on {unhealthy.allocation.node_name}: {unhealthy.served.detail}"
    failed = failures_of(app, release.number)
    if failed and app.crashes:
        last = failed[-1]
        return f"{last.id} on {last.allocation.node_name}: {last.observed.detail or last.observed.cause}"
    return ""
