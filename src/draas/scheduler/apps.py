"""Apps: what a report, a loss or a placement means for an app and its replicas. Pure. What to do next is draas.scheduler.rollout's."""

from draas.lib.values import replace
from draas.model.allocation import Allocation, AllocationId, AllocationState, Cause, Desired, Observed
from draas.model.app import PAST_KEPT, App
from draas.model.event import Event
from draas.model.node import Node
from draas.model.plan import EMPTY, Plan
from draas.model.release import Release, ReleaseState
from draas.model.replica import Replica

# The first restart is immediate; then the wait doubles from this on.
RESTART_BASE_S = 1.0
RESTART_CAP_S = 60.0
SOUND_AFTER_S = 60.0  # a replica that was healthy for so long did not fail to start: its end begins a new count
# Ends that say nothing against the app.
BLAMELESS = frozenset({Cause.NODE_LOST, Cause.REPLACED, Cause.DRAINED, Cause.CANCELLED, Cause.RUNTIME})


def app_event(kind: str, app: App, now: float, **detail: str | int | float | bool | None) -> Event:
    """An event about `app`. `kind` is noun.verb."""
    return Event(at=now, kind=kind, subject=app.id, project=app.project, detail={"name": app.name, **detail})


def put_release(app: App, release: Release) -> App:
    """`app` with this version of one of its releases."""
    return replace(app, releases=tuple(release if old.number == release.number else old for old in app.releases))


def put_replica(app: App, replica: Replica) -> App:
    """`app` with this version of one of its replicas that have not ended."""
    return replace(app, replicas=tuple(replica if old.id == replica.id else old for old in app.replicas))


def find_replica(app: App, id: AllocationId) -> Replica | None:
    """The replica with this id that has not ended."""
    return next((replica for replica in app.replicas if replica.id == id), None)


def add_replica(app: App, release: int, node: Node, now: float) -> App:
    """One more replica of `release`, on `node`."""
    number = app.placed + 1
    allocation = Allocation(
        id=next_replica_id(app), number=number, node_id=node.id, node_name=node.name, assigned_at=now
    )
    replica = Replica(allocation=allocation, release=release)
    return replace(app, placed=number, replicas=(*app.replicas, replica), refused="")


def next_replica_id(app: App) -> AllocationId:
    """The id of the replica that is placed next. It says whose it is, so that no chance is needed to make one."""
    return AllocationId(f"{app.id}.{app.placed + 1}")


def leave(replica: Replica, why: str, now: float) -> Replica:
    """The replica on its way out: it gets no new requests."""
    return replica if replica.leaving_at is not None else replace(replica, leaving_at=now, leaving_for=why)


def stop(replica: Replica) -> Replica:
    """The replica told to stop."""
    stopped = replace(replica.allocation, desired=Desired.STOP, stop_cause=Cause.REPLACED)
    return replace(replica, allocation=stopped)


def observe_replica(app: App, id: AllocationId, observed: Observed, now: float) -> Plan:
    """What the agent saw of a replica, and what follows from it at once: its end, the back-off, the image its release is pinned to."""
    replica = find_replica(app, id)
    if replica is None:
        return EMPTY
    seen = _see(replica, observed, now)
    app = _pin(app, seen)
    if not seen.ended:
        return Plan(apps=(put_replica(app, seen),))
    rest = tuple(other for other in app.replicas if other.id != id)
    app = replace(app, replicas=rest, past=(*app.past, seen)[-PAST_KEPT:])
    if replica.stopping or replica.leaving_at is not None:
        return Plan(apps=(app,))
    reason = observed.detail or str(observed.cause)
    event = app_event(
        "replica.lost" if seen.state is AllocationState.LOST else "replica.failed",
        app,
        now,
        replica=id,
        node=replica.allocation.node_name,
        reason=reason,
        exit_code=observed.exit_code,
        oom=observed.oom or None,
    )
    if observed.cause not in BLAMELESS:
        app = _count_crash(app, seen, now)
    return Plan(apps=(app,), events=(event,))


def _see(replica: Replica, observed: Observed, now: float) -> Replica:
    """The replica with what was observed of it, and when that was heard of."""
    seen = replace(replica, allocation=replica.allocation.observe(observed))
    if seen.ended:
        return seen
    running_at, healthy_at = replica.running_at, replica.healthy_at
    if running_at is None and seen.state is AllocationState.RUNNING:
        running_at = now
    if not seen.healthy:
        healthy_at = None
    elif healthy_at is None or seen.served.since != replica.served.since:
        healthy_at = now
    return replace(seen, running_at=running_at, healthy_at=healthy_at)


def lose_replica(app: App, id: AllocationId, detail: str, now: float) -> Plan:
    """The replica is given up: its node is gone, or says that it has no such thing."""
    replica = find_replica(app, id)
    if replica is None:
        return EMPTY
    observed = replace(
        replica.observed, state=AllocationState.LOST, cause=Cause.NODE_LOST, detail=detail, finished_at=now
    )
    return observe_replica(app, id, observed, now)


def failures_of(app: App, release: int) -> list[Replica]:
    """The ended replicas of `release` that failed by themselves, oldest first."""
    return [
        replica
        for replica in app.past
        if replica.release == release
        and replica.state is AllocationState.FAILED
        and replica.leaving_at is None
        and replica.observed.cause not in BLAMELESS
    ]


def _pin(app: App, replica: Replica) -> App:
    """Whatever the first replica's tag was resolved to is what all of its release run."""
    release = app.release(replica.release)
    if release is None or release.image or not replica.observed.image:
        return app
    return put_release(app, replace(release, image=replica.observed.image))


def _count_crash(app: App, replica: Replica, now: float) -> App:
    """One more start in vain; several replicas that were started together count once."""
    if replica.allocation.assigned_at < app.crashed_at:
        return app
    sound = replica.healthy_at is not None and now - replica.healthy_at >= SOUND_AFTER_S
    crashes = 1 if sound else app.crashes + 1
    wait_s = 0.0 if crashes == 1 else min(RESTART_CAP_S, RESTART_BASE_S * 2.0 ** min(crashes - 2, 16))
    return replace(app, crashes=crashes, crashed_at=now, not_before=now + wait_s)


def serves(release: Release) -> bool:
    """Whether the release is the one whose replicas are wanted, now or soon."""
    return release.state in (ReleaseState.LIVE, ReleaseState.ROLLING)
