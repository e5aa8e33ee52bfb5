"""App commands: what users may do to an app. Pure. Each gives the app as it is wanted; draas.scheduler.rollout gets it there."""

from collections.abc import Iterable

from draas.lib.values import replace
from draas.model.app import SCALINGS_KEPT, App, Scaling
from draas.model.app_spec import AppSpec, same_release
from draas.model.command import DecideCanary, PutApp, RollbackApp, ScaleApp
from draas.model.errors import Conflict, Fault, Invalid
from draas.model.plan import EMPTY, Plan
from draas.model.release import RELEASE_TABLE, CanaryPhase, Release, ReleaseState
from draas.model.state import advance
from draas.scheduler.apps import app_event, leave, put_release, put_replica
from draas.scheduler.routes import host_paths


def put_app(command: PutApp, old: App | None, others: Iterable[App], apps_domain: str, now: float) -> Plan:
    """A new app, or a new release of one, or another number of replicas; nothing where it is wanted so already.

    Raises Conflict where the name or a domain is another's.
    """
    _check_domains(command, others, apps_domain)
    spec = command.spec
    if old is None:
        app = App(
            id=command.id,
            name=command.name,
            project=command.project,
            created_at=now,
            spec=spec,
            wanted=_at_first(spec),
            releases=(_release(1, spec, now),),
        )
        return Plan(apps=(app,), events=(app_event("app.created", app, now),))
    if old.project != command.project:
        raise Conflict(f"the name {old.name} is taken by an app of project {old.project}; choose another")
    if old.removing:
        raise Conflict(f"{old.name} is being removed; try again in a moment")
    newest = old.newest
    releases = not same_release(spec, old.spec) or (newest is not None and newest.state is ReleaseState.FAILED)
    if not releases:  # the image stays the one that it was resolved to, and so does what that is built for
        spec = replace(spec, architectures=old.spec.architectures)
    app = replace(old, spec=spec)
    if (spec.min_replicas, spec.max_replicas) != (old.spec.min_replicas, old.spec.max_replicas):
        wanted = min(max(old.wanted, spec.min_replicas), spec.max_replicas)
        if wanted != old.wanted or (old.wanted == 0 and not old.sleeping):
            app = _scale(app, max(wanted, _at_first(spec)), "the app's replicas were set", now)
    if releases:
        number = newest.number + 1 if newest is not None else 1
        app = replace(app, releases=(*app.releases, _release(number, spec, now)), crashes=0, not_before=0.0)
    return _changed(old, app, now)


def scale_app(command: ScaleApp, app: App, now: float) -> Plan:
    """So many replicas from now on. Raises Conflict while it is being removed."""
    _check_there(app)
    spec, count = app.spec, command.replicas
    if spec.autoscale is None:
        spec = replace(spec, min_replicas=count, max_replicas=count)
    elif count:
        spec = replace(spec, min_replicas=min(spec.min_replicas, count), max_replicas=max(spec.max_replicas, count))
    scaled = _scale(replace(app, spec=spec), count, "asked for", now)
    return _changed(app, scaled, now)


def autoscale_app(app: App, scaling: Scaling, now: float) -> Plan:
    """The autoscaler's decision carried out."""
    scaled = _scale(app, scaling.after, scaling.reason, now)
    return _changed(app, replace(scaled, sleeping=scaling.after == 0), now)


def wake_app(app: App, now: float) -> Plan:
    """A request waits for an app that sleeps."""
    if not app.sleeping or app.removing:
        return EMPTY
    woken = _scale(app, max(1, app.spec.min_replicas), "a request woke it", now)
    return _changed(app, woken, now)


def restart_app(app: App, now: float) -> Plan:
    """Replace every replica that is there now. Raises Conflict while it is being removed."""
    _check_there(app)
    return _changed(app, replace(app, restarting=now, crashes=0, not_before=0.0), now, kind="app.restarted")


def rollback_app(command: RollbackApp, app: App, now: float) -> Plan:
    """A new release with an older one's content. Raises Conflict where there is none to go back to, Invalid for an unknown one."""
    _check_there(app)
    target = _rollback_target(command, app)
    live = app.release(app.live)
    if live is not None and target.number == live.number and app.rolling is None and app.pending is None:
        raise Conflict(f"release {target.number} is live already")
    now_scaled = app.spec
    spec = replace(
        target.spec,
        min_replicas=now_scaled.min_replicas,
        max_replicas=now_scaled.max_replicas,
        autoscale=now_scaled.autoscale,
    )
    newest = app.newest
    number = (newest.number if newest is not None else 0) + 1
    release = replace(_release(number, spec, now), image=target.image, rollback_of=target.number, command_done=True)
    rolling = app.rolling
    if rolling is not None:  # whoever rolls back does not want to wait for what they flee from
        moved = advance(RELEASE_TABLE, rolling.state, ReleaseState.REPLACED, rolling)
        app = put_release(
            app, replace(rolling, state=moved, finished_at=now, reason=f"rolled back to release {target.number}")
        )
    after = replace(app, spec=spec, releases=(*app.releases, release), crashes=0, not_before=0.0)
    return _changed(app, after, now)


def decide_canary(command: DecideCanary, app: App, now: float) -> Plan:
    """Promote or abort. Raises Conflict where no canary is under way."""
    _check_there(app)
    rolling = app.rolling
    if rolling is None or rolling.spec.deploy.canary is None or rolling.canary is CanaryPhase.PROMOTED:
        raise Conflict(f"{app.name} has no canary; deploy one with deploy.canary")
    if command.promote:
        return _changed(app, put_release(app, replace(rolling, canary=CanaryPhase.PROMOTED)), now)
    failed = advance(RELEASE_TABLE, rolling.state, ReleaseState.FAILED, rolling)
    aborted = replace(rolling, state=failed, finished_at=now, reason="the canary was aborted")
    after = put_release(app, aborted)
    for replica in app.replicas:
        if replica.release == rolling.number:
            after = put_replica(after, leave(replica, "the canary was aborted", now))
    return _changed(app, after, now)


def remove_app(app: App, now: float) -> Plan:
    """All of it goes, once its replicas have stopped."""
    return EMPTY if app.removing else _changed(app, replace(app, removing=True), now, kind="app.removing")


def _at_first(spec: AppSpec) -> int:
    """How many an app starts with. One that may sleep is tried first: nobody knows yet whether its image runs."""
    return max(spec.min_replicas, min(1, spec.max_replicas))


def _scale(app: App, wanted: int, reason: str, now: float) -> App:
    if wanted == app.wanted and not app.sleeping:
        return app
    scaling = Scaling(at=now, before=app.wanted, after=wanted, reason=reason)
    return replace(
        app,
        wanted=wanted,
        sleeping=False,
        scalings=(*app.scalings, scaling)[-SCALINGS_KEPT:],
        scaled_at=now,
    )


def _changed(before: App, after: App, now: float, kind: str = "") -> Plan:
    if after == before:
        return EMPTY
    events = [app_event(kind, after, now)] if kind else []
    if after.wanted != before.wanted:
        last = after.scalings[-1]
        events.append(app_event("app.scaled", after, now, before=last.before, after=last.after, reason=last.reason))
    if len(after.releases) > len(before.releases):
        events.append(app_event("release.pending", after, now, release=after.releases[-1].number))
    return Plan(apps=(after,), events=tuple(events))


def _release(number: int, spec: AppSpec, now: float) -> Release:
    return Release(number=number, spec=spec, state=ReleaseState.PENDING, created_at=now)


def _rollback_target(command: RollbackApp, app: App) -> Release:
    if command.release is not None:
        found = app.release(command.release)
        if found is None or not found.image:
            known = ", ".join(str(release.number) for release in app.releases if release.image) or "none"
            message = f"{app.name} has no release {command.release} to go back to (there are: {known})"
            raise Invalid(message, (Fault("release", f"must be one of these: {known}"),))
        return found
    for release in reversed(app.releases):
        was_live = release.state is ReleaseState.REPLACED and release.image
        if was_live and release.number != app.live and (app.live is None or release.number < app.live):
            return release
    raise Conflict(f"{app.name} has no earlier release to go back to")


def _check_there(app: App) -> None:
    if app.removing:
        raise Conflict(f"{app.name} is being removed")


def _check_domains(command: PutApp, others: Iterable[App], apps_domain: str) -> None:
    """Raises Conflict where a host and path of this app leads to another one."""
    wanted = set(host_paths(command.name, command.spec, (), apps_domain))
    for other in others:
        if other.name == command.name:
            continue
        taken = wanted & set(host_paths(other.name, other.spec, (), apps_domain))
        if taken:
            first = min(taken, key=lambda at: (at.host, at.path))
            raise Conflict(
                f"{first.host}{first.path.rstrip('/')} is a domain of app {other.name}; remove it there first"
            )
