"""Rollout: the reconciler of apps. What to start, what to take out of the traffic, what to stop, which release is live. Pure.

`reconcile` looks at one app as it is and says the next step towards what is wanted; called again after each change it converges.
Replicas that stay are either fresh or movers (another release, a draining node, failed probes, a restart): fresh ones are
started until there are as many as wanted, at most `batch` beyond that at a time; movers leave as fresh ones have settled.
A replica that leaves gets no new requests, finishes what it has, and is stopped then.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from draas.lib.values import replace
from draas.model.allocation import AllocationId, AllocationState, NodeId
from draas.model.app import App
from draas.model.app_spec import Deploy, Order, same_containers
from draas.model.command import SubmitJobs
from draas.model.event import Event
from draas.model.job import Job, JobId, JobSpec, JobState
from draas.model.node import Node, NodeState
from draas.model.probe import Health
from draas.model.release import RELEASE_TABLE, RELEASES_KEPT, CanaryPhase, Release, ReleaseState
from draas.model.replica import Replica
from draas.model.state import advance
from draas.scheduler.app_state import observed_state
from draas.scheduler.apps import app_event, failures_of, leave, put_release, put_replica, stop

FAILURES_MOST = 3  # starts of a new release that may fail before it is given up
RELEASE_COMMAND_TIMEOUT_S = 900.0
NEW_CONTROLLER_S = 15.0  # by then every agent that lives has found a controller that has just started


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a decision about an app needs to know of the rest. `is_drained`: no ingress has anything under way on this replica.

    `began_at`: since when this controller decides. What was to be told before may not have been.
    """

    nodes: Mapping[NodeId, Node]
    is_drained: Callable[[AllocationId], bool]
    find_job: Callable[[JobId], Job | None]
    fault_of: Callable[[str], str]  # by an app's name: why an ingress refuses its routes; "" if none does
    began_at: float
    is_away: Callable[[NodeId, float], bool]  # whether a node has been silent for long, at this time


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """So many more replicas of a release are to be placed."""

    release: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The app as it should be, what is still to be placed, and a release command to be run. `gone`: nothing is left of it."""

    app: App
    starts: tuple[Start, ...] = ()
    submit: SubmitJobs | None = None
    events: tuple[Event, ...] = ()
    gone: bool = False


def reconcile(app: App, view: View, now: float) -> Step:
    """The next step for `app`."""
    if app.removing:
        return _remove(app, view, now)
    before = app
    app = _begin_release(app, now)
    app, submit = _run_release_command(app, view, now)
    app = _fail_release(app, view, now)
    app = _take_over(app, now)
    app, starts = _balance(app, view, now)
    if not starts:
        app = replace(app, refused="")
    app = _finish_release(app, now)
    app = _stop_left(app, view, now)
    app = _forget_releases(app)
    state, reason = observed_state(app, now, view.fault_of(app.name))
    app = replace(app, state=state, reason=reason)
    return Step(app=app, starts=starts, submit=submit, events=tuple(_events(before, app, now)))


def is_quiet(app: App) -> bool:
    """Whether nothing about `app` changes by the mere passing of time."""
    return (
        app.rolling is None
        and app.pending is None
        and app.restarting is None
        and not app.removing
        and len(app.replicas) == app.wanted
        and all(replica.staying and replica.healthy and not replica.moving_for for replica in app.replicas)
        and app.state in _CALM
    )


# --- releases ---


def _move(app: App, release: Release, state: ReleaseState, now: float, **changes: object) -> App:
    moved = replace(release, state=advance(RELEASE_TABLE, release.state, state, release), **changes)
    if state is ReleaseState.ROLLING:
        return put_release(app, replace(moved, rolling_at=now))
    return put_release(app, replace(moved, finished_at=now))


def _begin_release(app: App, now: float) -> App:
    """Of the releases that wait, the newest; a roll-out that gets nowhere makes way for it."""
    newest = app.pending
    if newest is None:
        return app
    for waiting in app.releases:
        if waiting.state is ReleaseState.PENDING and waiting.number != newest.number:
            app = _move(app, waiting, ReleaseState.REPLACED, now, reason=f"release {newest.number} was asked for")
    rolling = app.rolling
    if rolling is not None:
        if rolling.canary is not CanaryPhase.TESTING and not failures_of(app, rolling.number):
            return app
        app = _move(app, rolling, ReleaseState.REPLACED, now, reason=f"release {newest.number} was asked for")
    return _move(app, newest, ReleaseState.ROLLING, now)


def _run_release_command(app: App, view: View, now: float) -> tuple[App, SubmitJobs | None]:
    """Before any replica of a new release: its command, run to its end as a job."""
    rolling = app.rolling
    if rolling is None or rolling.command_done:
        return app, None
    command = rolling.spec.release_command
    if command is None or rolling.rollback_of is not None:
        return put_release(app, replace(rolling, command_done=True)), None
    job_id = release_job_id(app, rolling)
    job = view.find_job(job_id)
    if job is None:
        return app, _release_job(app, rolling, job_id)
    if job.state is JobState.SUCCEEDED:
        image = rolling.image or job.attempts[-1].observed.image
        return put_release(app, replace(rolling, command_done=True, image=image)), None
    if job.ended:
        why = f"its release command {job.state}: {job.reason or job.state} (draas logs {job.spec.name})"
        return _move(app, rolling, ReleaseState.FAILED, now, reason=why), None
    return app, None


def release_job_id(app: App, release: Release) -> JobId:
    """The job that runs the release's command."""
    return JobId(f"{app.id}-release-{release.number}")


def _release_job(app: App, release: Release, job_id: JobId) -> SubmitJobs:
    spec = release.spec
    job = JobSpec(
        command=spec.release_command or "true",
        name=f"{app.name}-release-{release.number}",
        image=release.image or spec.image,
        resources=spec.resources,
        env=spec.env,
        constraints=spec.constraints,
        architectures=spec.architectures,
        timeout_s=RELEASE_COMMAND_TIMEOUT_S,
        priority=100,
        labels={"draas.app": app.name},
    )
    return SubmitJobs(project=app.project, ids=(job_id,), specs=(job,), known={})


def _fail_release(app: App, view: View, now: float) -> App:
    """A release that cannot come up is given up; what was live before was never touched, or is made whole again."""
    rolling = app.rolling
    if rolling is None:
        return app
    why = _why_failed(app, rolling, now)
    return _move(app, rolling, ReleaseState.FAILED, now, reason=why) if why else app


def _why_failed(app: App, rolling: Release, now: float) -> str:
    failed = failures_of(app, rolling.number)
    if len(failed) >= FAILURES_MOST:
        last = failed[-1]
        return f"{last.observed.detail or last.observed.cause} ({last.id} on {last.allocation.node_name})"
    for replica in app.replicas:
        if replica.release == rolling.number and replica.staying and _overdue(replica, rolling.spec.deploy, now):
            detail = replica.served.detail or "its probe has not passed"
            where = f"{replica.id} on {replica.allocation.node_name}"
            return f"not healthy {rolling.spec.deploy.deadline_s:g} s after its start: {detail} ({where})"
    return ""


def _overdue(replica: Replica, deploy: Deploy, now: float) -> bool:
    return (
        replica.state is AllocationState.RUNNING
        and not replica.healthy
        and replica.running_at is not None
        and now - replica.running_at > deploy.deadline_s
    )


def _take_over(app: App, now: float) -> App:
    """A release that differs in its routes alone takes over the replicas that are there."""
    rolling, live = app.rolling, app.release(app.live)
    if rolling is None or live is None or not rolling.command_done or rolling.canary is CanaryPhase.TESTING:
        return app
    pinned_alike = not rolling.image or rolling.image == live.image
    if not same_containers(rolling.spec, live.spec) or not pinned_alike:
        return app
    replicas = tuple(
        replace(replica, release=rolling.number) if replica.release == live.number else replica
        for replica in app.replicas
    )
    taken = put_release(replace(app, replicas=replicas), replace(rolling, image=live.image))
    return _make_live(taken, taken.rolling or rolling, now)


def _finish_release(app: App, now: float) -> App:
    """Live: as many replicas as wanted have settled, and nothing else stays."""
    rolling = app.rolling
    if rolling is None or not rolling.command_done:
        return app
    deploy = rolling.spec.deploy
    fresh = [replica for replica in app.replicas if replica.staying and replica.release == rolling.number]
    settled = [replica for replica in fresh if replica.settled(now, deploy.healthy_after_s)]
    if _awaits_verdict(app, rolling):
        assert deploy.canary is not None
        if rolling.canary is CanaryPhase.NONE and len(settled) >= min(deploy.canary.replicas, app.wanted):
            return put_release(app, replace(rolling, canary=CanaryPhase.TESTING))
        return app
    others = any(replica.staying and replica.release != rolling.number for replica in app.replicas)
    if len(settled) >= app.wanted and not others:
        return _make_live(app, rolling, now)
    return app


def _awaits_verdict(app: App, release: Release) -> bool:
    """Whether a person has the last word on it. Not on a first release: beside what would its canary be tried?"""
    tried = release.spec.deploy.canary is not None and release.canary is not CanaryPhase.PROMOTED
    return tried and release.rollback_of is None and app.live is not None


def _make_live(app: App, release: Release, now: float) -> App:
    old = app.release(app.live)
    if old is not None and old.state is ReleaseState.LIVE:
        app = _move(app, old, ReleaseState.REPLACED, now, reason=f"release {release.number} took over")
    return replace(_move(app, release, ReleaseState.LIVE, now, reason=""), live=release.number)


def _forget_releases(app: App) -> App:
    """Keep the last ones to roll back to, the live one and what is under way."""
    kept = app.releases[-(RELEASES_KEPT + 1) :]
    older = tuple(release for release in app.releases if release not in kept and release.number == app.live)
    return app if len(kept) == len(app.releases) else replace(app, releases=(*older, *kept))


# --- replicas ---


def _balance(app: App, view: View, now: float) -> tuple[App, tuple[Start, ...]]:
    """Towards the wanted number of replicas of the wanted release."""
    rolling, live = app.rolling, app.release(app.live)
    if rolling is not None and not rolling.command_done:
        rolling = None
    if rolling is None:
        return _balance_steady(app, live, view, now)
    deploy = rolling.spec.deploy
    first = _first_part(app, rolling, deploy)
    if first is None:
        return _balance_group(app, rolling, app.replicas, app.wanted, view, now)
    # The first part of a roll-out stands beside what is live.
    own = [replica for replica in app.replicas if replica.release == rolling.number]
    others = [replica for replica in app.replicas if replica.release != rolling.number]
    app, starts = _balance_group(app, rolling, own, first, view, now)
    if live is None:
        return app, starts
    app, more = _balance_group(app, live, others, app.wanted, view, now)
    return app, (*starts, *more)


def _first_part(app: App, rolling: Release, deploy: Deploy) -> int | None:
    """How many replicas come first and alone: a canary; or one, until it is known what its tag means. None: it is for all."""
    if _awaits_verdict(app, rolling):
        assert deploy.canary is not None
        return min(deploy.canary.replicas, app.wanted) if rolling.image else min(1, app.wanted)
    known = rolling.image or app.wanted <= 1 or deploy.order is Order.STOP_FIRST
    return None if known else 1


def _balance_steady(app: App, live: Release | None, view: View, now: float) -> tuple[App, tuple[Start, ...]]:
    """No roll-out is under way. The replicas of a failed release go, unless they were to be left for a look at them."""
    newest = app.newest
    left = newest is not None and newest.state is ReleaseState.FAILED and not newest.spec.deploy.rollback_auto
    if live is not None and not left:
        return _balance_group(app, live, app.replicas, app.wanted, view, now)
    if not left:
        for replica in app.replicas:
            app = put_replica(app, leave(replica, "its release failed", now))
        return app, ()
    others = [replica for replica in app.replicas if replica.staying and (not live or replica.release != live.number)]
    for replica in _worst_first(others, view)[: max(0, len(others) - app.wanted)]:
        app = put_replica(app, leave(replica, "fewer replicas are wanted", now))
    if live is None:
        return app, ()
    own = [replica for replica in app.replicas if replica.release == live.number]
    serving = sum(replica.healthy for replica in others)  # the sick are there to be looked at, and take nobody's place
    return _balance_group(app, live, own, max(0, app.wanted - serving), view, now)


def _balance_group(
    app: App, release: Release, members: Iterable[Replica], target: int, view: View, now: float
) -> tuple[App, tuple[Start, ...]]:
    """Start what lacks of `release` among `members`, and let leave what is too much."""
    deploy, batch = _deploy_of(release, target)
    staying = [replica for replica in members if replica.staying]
    why = {replica.id: _why_moves(app, replica, release, view, now) for replica in staying}
    movers = [replica for replica in staying if why[replica.id]]
    fresh = [replica for replica in staying if not why[replica.id]]
    settled = [replica for replica in fresh if replica.settled(now, deploy.healthy_after_s)]
    leaving = [replica for replica in members if not replica.staying and not replica.ended]
    if deploy.order is Order.START_FIRST:
        start = min(target - len(fresh), target + batch - len(staying))
        keep = max(0, target - len(settled))
    else:
        start = min(target - len(fresh), target - len(staying) - len(leaving))
        keep = max(0, target - batch - len(settled))
    keep = min(keep, max(0, target + batch - min(len(fresh), target)))
    for replica in _worst_first(movers, view)[: max(0, len(movers) - keep)]:
        app = put_replica(app, leave(replica, why[replica.id], now))
    for replica in _worst_first(fresh, view)[: max(0, len(fresh) - target)]:
        app = put_replica(app, leave(replica, "fewer replicas are wanted", now))
    if app.restarting is not None and not movers and app.rolling is None:
        app = replace(app, restarting=None)
    if start <= 0 or now < app.not_before:
        return app, ()
    return app, (Start(release=release.number, count=start),)


def _deploy_of(release: Release, target: int) -> tuple[Deploy, int]:
    """How its replicas are replaced. A rollback goes in one batch: what it brings back has proven itself."""
    deploy = release.spec.deploy
    return deploy, max(deploy.batch, target) if release.rollback_of is not None else deploy.batch


def _why_moves(app: App, replica: Replica, release: Release, view: View, now: float) -> str:
    """Why another replica is to take this one's place; "" if it may stay."""
    if replica.release != release.number:
        return f"release {release.number} takes over"
    if release.image and replica.observed.image not in ("", release.image):
        return f"its tag meant {replica.observed.image} there, and not {release.image}"
    if replica.moving_for:
        return replica.moving_for
    if app.restarting is not None and replica.allocation.assigned_at < app.restarting:
        return "the app is restarted"
    node = view.nodes.get(replica.node_id)
    if node is not None and (node.drain or node.state is NodeState.DRAINING):
        return f"{node.name} is drained"
    if view.is_away(replica.node_id, now) and now - view.began_at >= NEW_CONTROLLER_S:
        return f"nothing is heard of {replica.allocation.node_name}"
    if replica.served.health is Health.UNHEALTHY and _overdue(replica, release.spec.deploy, now):
        return f"unhealthy: {replica.served.detail}"
    return ""


def _worst_first(replicas: list[Replica], view: View) -> list[Replica]:
    """Who leaves first: what does not run yet, what is unhealthy, what shares its node with most others; then the newest."""
    on_node: dict[NodeId, int] = {}
    for replica in replicas:
        on_node[replica.node_id] = on_node.get(replica.node_id, 0) + 1

    def worth(replica: Replica) -> tuple[bool, bool, bool, int, int]:
        node = view.nodes.get(replica.node_id)
        usable = node is not None and node.state is NodeState.READY
        running = replica.state is AllocationState.RUNNING
        return (running, replica.healthy, usable, -on_node[replica.node_id], -replica.allocation.number)

    return sorted(replicas, key=worth)


def _stop_left(app: App, view: View, now: float) -> App:
    """Those that leave are stopped once they have finished what they serve."""
    for replica in app.replicas:
        if replica.leaving_at is None or replica.stopping:
            continue
        release = app.release(replica.release)
        drain_s = release.spec.deploy.drain_s if release is not None else 0.0
        idle = not replica.served.endpoint or view.is_drained(replica.id)
        if idle or now - max(replica.leaving_at, view.began_at) >= drain_s:
            app = put_replica(app, stop(replica))
    return app


def _remove(app: App, view: View, now: float) -> Step:
    if not app.replicas:
        return Step(app=app, events=(app_event("app.removed", app, now),), gone=True)
    for replica in app.replicas:
        if not replica.stopping:
            app = put_replica(app, stop(leave(replica, "the app is removed", now)))
    return Step(app=app)


# --- telling ---


_CALM = frozenset({"live", "stopped"})


def _events(before: App, after: App, now: float) -> Iterable[Event]:
    old = {release.number: release.state for release in before.releases}
    for release in after.releases:
        if old.get(release.number) is not release.state:
            yield app_event(
                f"release.{release.state}", after, now, release=release.number, reason=release.reason or None
            )
    if after.state is not before.state:
        yield app_event(f"app.{after.state}", after, now, reason=after.reason or None)
