"""Rules of apps: what must hold of every app as it stands, and of every step that it takes. Pure; raises RuleBroken."""

from draas.model.allocation import ALLOCATION_RANK, AllocationState, Desired
from draas.model.app import App, AppState
from draas.model.app_spec import same_containers
from draas.model.release import Release, ReleaseState
from draas.model.replica import Replica

_FINAL = frozenset({ReleaseState.FAILED, ReleaseState.REPLACED})


class RuleBroken(AssertionError):
    """An app is as none may be."""


def check_app(app: App) -> None:
    """As it stands after a decision about it."""
    ids = [one.id for one in (*app.replicas, *app.past)]
    _hold(len(ids) == len(set(ids)), app, f"a replica is there twice: {ids}")
    for state in (ReleaseState.LIVE, ReleaseState.ROLLING):
        numbers = [release.number for release in app.releases if release.state is state]
        _hold(len(numbers) <= 1, app, f"releases {numbers} are {state} at once")
    live = app.release(app.live)
    _hold(live is None or live.state is ReleaseState.LIVE, app, "what serves is not live")
    staying = sum(one.staying for one in app.replicas)
    most = most_staying(app)
    _hold(staying <= most, app, f"{staying} replicas stay, {app.wanted} are wanted, at most {most} may")
    if app.state is AppState.LIVE and not app.sleeping and not app.removing:
        assert live is not None
        right = sum(one.staying and one.release == live.number and one.healthy for one in app.replicas)
        _hold(right >= app.wanted, app, f"it is green with {right} of {app.wanted} replicas")


def most_staying(app: App) -> int:
    """How many replicas may stay at once: those wanted, those that are started ahead, and the first part of a roll-out."""
    serving = [one for one in (app.rolling, app.release(app.live)) if one is not None]
    batch = max((_batch_of(one, app.wanted) for one in serving), default=1)
    first = max((one.spec.deploy.canary.replicas if one.spec.deploy.canary else 1 for one in serving), default=1)
    left = app.newest is not None and not app.newest.spec.deploy.rollback_auto
    beside = max(first + batch if app.rolling is not None else 0, app.wanted if left else 0)
    return app.wanted + batch + beside


def _batch_of(release: Release, wanted: int) -> int:
    batch = release.spec.deploy.batch
    return max(batch, wanted) if release.rollback_of is not None else batch


def check_app_step(before: App | None, after: App) -> None:
    """From one decided state to a later one. `before` None: it is new."""
    if before is not None:
        same = (before.id, before.name, before.project, before.created_at)
        _hold(same == (after.id, after.name, after.project, after.created_at), after, "nobody may write this")
        _hold(after.removing or not before.removing, after, "it was removed and is wanted again")
        _check_releases(before, after)
        _check_scale_down(before, after)
    _check_rollbacks(before, after)
    _check_placed(before, after)
    known = {one.id: one for one in (*before.replicas, *before.past)} if before is not None else {}
    for replica in (*after.replicas, *after.past):
        if (old := known.get(replica.id)) is not None:
            _check_replica(after, old, replica)


def _check_releases(before: App, after: App) -> None:
    for old in before.releases:
        new = after.release(old.number)
        if new is None:
            continue
        _hold((old.spec, old.created_at) == (new.spec, new.created_at), after, f"release {old.number} was rewritten")
        _hold(old.image in ("", new.image), after, f"release {old.number} was {old.image} and is {new.image}")
        _hold(old.state not in _FINAL or new.state is old.state, after, f"release {old.number} was {old.state}")
        if new.state is ReleaseState.LIVE and old.state is not ReleaseState.LIVE:
            _check_came_up(before, after, new)


def _check_came_up(before: App, after: App, release: Release) -> None:
    """Live are releases whose own replicas are healthy, and those that need no other containers than were live before."""
    live = before.release(before.live)
    if live is not None and same_containers(live.spec, release.spec):
        return
    own = sum(one.staying and one.healthy and one.release == release.number for one in after.replicas)
    _hold(own >= after.wanted, after, f"release {release.number} is live with {own} of {after.wanted} replicas")


def _check_rollbacks(before: App | None, after: App) -> None:
    for release in after.releases:
        if before is not None and before.release(release.number) is not None:
            continue
        target = after.release(release.rollback_of)
        if target is not None:
            _hold(release.image == target.image, after, f"release {release.number} brings back {release.image!r}")


def _check_placed(before: App | None, after: App) -> None:
    placed = before.placed if before is not None else 0
    _hold(after.placed >= placed, after, f"{placed} replicas had been placed")
    idle = before is not None and ((before.removing and after.removing) or not (before.wanted or after.wanted))
    _hold(not idle or after.placed == placed, after, "it is stopped or removed and places a replica")
    for replica in (*after.replicas, *after.past):
        if replica.allocation.number > placed:
            _check_new(before, after, replica)


def _check_new(before: App | None, after: App, replica: Replica) -> None:
    was = before.release(replica.release) if before is not None else None
    _hold(was is None or was.state not in _FINAL, after, f"{replica.id} is of a release that was {was and was.state}")
    release = after.release(replica.release)
    _hold(release is not None and release.command_done, after, f"{replica.id} is there before its release command")


def _check_replica(app: App, old: Replica, new: Replica) -> None:
    id = new.id
    _hold(not old.ended or old.observed == new.observed, app, f"the past of {id} was rewritten")
    forward = ALLOCATION_RANK[new.state] >= ALLOCATION_RANK[old.state]
    _hold(forward, app, f"{id} went back from {old.state} to {new.state}")
    was, now = old.allocation, new.allocation
    _hold((was.node_id, was.number, was.assigned_at) == (now.node_id, now.number, now.assigned_at), app, f"{id} moved")
    _hold(old.leaving_at in (None, new.leaving_at), app, f"{id} was leaving and stays")
    _hold(not old.stopping or new.allocation.desired is Desired.STOP, app, f"{id} is wanted again")
    _hold(old.release == new.release or new.release == app.live, app, f"{id} changed its release")


def _check_scale_down(before: App, after: App) -> None:
    """Where fewer are wanted, those that do not run yet go before those that serve."""
    old = {one.id: one for one in before.replicas}
    went = [
        one
        for one in after.replicas
        if one.leaving_for == "fewer replicas are wanted" and one.id in old and old[one.id].leaving_at is None
    ]
    if not any(one.healthy for one in went) or after.restarting is not None:
        return
    releases = {one.release for one in went if one.healthy}
    for one in after.replicas:
        early = one.id in old and one.staying and one.state is not AllocationState.RUNNING and not one.moving_for
        _hold(not early or one.release not in releases, after, f"{one.id} does not run yet and stays, healthy ones go")


def _hold(rule: bool, app: App, broken: str) -> None:
    if not rule:
        raise RuleBroken(f"{broken}: {tell_app(app)}")


def tell_app(app: App) -> str:
    """The app in a few lines, for whoever has to find out what went wrong."""
    flags = {"removing": app.removing, f"restarting {app.restarting}": app.restarting is not None, app.refused: True}
    lines = [
        f"{app.id} {app.state} ({app.reason}), {app.wanted} wanted, live {app.live}",
        *(k for k, v in flags.items() if v and k),
    ]
    for release in app.releases:
        of = f" of {release.rollback_of}" if release.rollback_of is not None else ""
        canary = f" canary {release.canary}" if release.canary else ""
        deploy = f"{release.spec.deploy.order} by {release.spec.deploy.batch}"
        image = release.image or f"{release.spec.image} (not pinned)"
        lines.append(f"release {release.number}{of}: {release.state}{canary}, {image}, {deploy}; {release.reason}")
    lines += [_tell_replica(one) for one in app.replicas]
    lines += [f"ended: {_tell_replica(one)}" for one in app.past[-6:]]
    return "\n  ".join(lines)


def _tell_replica(one: Replica) -> str:
    moves = one.leaving_for or one.moving_for
    stop = ", told to stop" if one.stopping else ""
    health = f"{one.served.health} since {one.healthy_at}" if not one.ended else f"{one.observed.cause}"
    return (
        f"{one.id} of release {one.release} on {one.node_id} since {one.allocation.assigned_at}: "
        f"{one.state}, {health}{', ' if moves else ''}{moves}{stop}"
    )
