"""Planted bugs in the decisions about apps. The simulation must catch every one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from draas.agent.core import events as e
from draas.agent.core.core import AgentCore
from draas.lib.values import replace
from draas.model.allocation import AllocationId, AllocationState
from draas.model.app import App
from draas.model.app_spec import Deploy
from draas.model.command import RollbackApp
from draas.model.job import Job, JobId
from draas.model.plan import Plan
from draas.model.release import Release, ReleaseState
from draas.model.replica import Replica
from draas.model.route import AppRoute
from draas.scheduler import app_commands, nodes, rollout
from draas.scheduler.app_control import AppControl
from draas.scheduler.apps import stop
from draas.scheduler.control import Control
from draas.scheduler.fleet import Fleet
from draas.scheduler.rollout import Start, Step, View

_balance = rollout._balance
_finish_release = rollout._finish_release
_make_live = rollout._make_live
_worst_first = rollout._worst_first
_rollback_target = app_commands._rollback_target
_note = AppControl.note
_refresh_routes = AppControl._refresh_routes
_on_adopted = AgentCore._on_adopted


def stops_before_drained(app: App, view: View, now: float) -> App:
    """Stops a replica as soon as it leaves."""
    return replace(app, replicas=tuple(stop(one) if one.leaving_at is not None else one for one in app.replicas))


def believes_the_linked_alone(control: AppControl, id: AllocationId) -> bool:
    """Takes a replica for drained although an ingress out of touch may send it requests."""
    return all(id in control._drained(node_id) for node_id in control._told)


def loses_no_replica(*_: object) -> Iterator[Plan]:
    """Goes on counting the replicas of a machine that is gone."""
    return iter(())


def keeps_starting(app: App, view: View, now: float) -> tuple[App, tuple[Start, ...]]:
    """Starts replicas of a release that has failed."""
    newest = app.newest
    if newest is not None and newest.state is ReleaseState.FAILED and app.wanted > len(app.replicas):
        return app, (Start(release=newest.number, count=1),)
    return _balance(app, view, now)


def leaves_the_old_one_live(app: App, release: Release, now: float) -> App:
    """Makes a release live and forgets that another one was."""
    old = app.release(app.live)
    live = _make_live(app, release, now)
    if old is None:
        return live
    return replace(live, releases=tuple(old if one.number == old.number else one for one in live.releases))


def removes_the_row_alone(app: App, view: View, now: float) -> Step:
    """Forgets a removed app at once, with its replicas."""
    return Step(app=app, gone=True)


def reserves_for_ever(fleet: Fleet, app: App) -> None:
    """Does not give back what ended replicas held."""
    for replica in app.replicas:
        release = app.release(replica.release)
        fleet.reserve(
            replica.id, replica.node_id, (release.spec if release else app.spec).resources, project=app.project
        )


def keeps_routes_to_the_lost(control: AppControl, plan: Plan) -> None:
    """Does not tell the ingresses of a replica that was lost with its machine."""
    _note(control, plan)
    for app in plan.apps:
        if app.past and app.past[-1].state is AllocationState.LOST:
            control._changed_routes.pop(app.name, None)


def keeps_routes_of_the_removed(control: AppControl) -> tuple[list[AppRoute], list[str]]:
    """Does not tell the ingresses of an app that is gone."""
    return _refresh_routes(control)[0], []


def counts_the_superseded(app: App, now: float) -> App:
    """Takes a release for up because of healthy replicas of the one before it."""
    rolling = app.rolling
    if rolling is not None and rolling.command_done and sum(one.healthy for one in app.replicas) >= app.wanted:
        return rollout._make_live(app, rolling, now)
    return _finish_release(app, now)


def waits_for_no_health(replica: Replica, now: float, after_s: float) -> bool:
    """Takes a replica for settled as soon as it runs."""
    return replica.state is AllocationState.RUNNING


def forgets_ended_jobs(control: Control, id: JobId) -> Job | None:
    """Runs a release command again, for its job has ended and is not in memory any more."""
    return control.cluster.jobs.get(id)


def rolls_back_to_a_tag(command: RollbackApp, app: App) -> Release:
    """Rolls back to whatever the old release's tag means now."""
    return replace(_rollback_target(command, app), image="")


def takes_the_best_first(replicas: list[Replica], view: View) -> list[Replica]:
    """Scales down by what serves and keeps what does not run yet."""
    return _worst_first(replicas, view)[::-1]


def replaces_all_at_once(release: Release, target: int) -> tuple[Deploy, int]:
    """Does not keep to batches."""
    return release.spec.deploy, target + 100


def starts_what_is_stopped(app: App, view: View, now: float) -> tuple[App, tuple[Start, ...]]:
    """Keeps a replica of an app that is scaled to nothing."""
    if not app.wanted and app.live is not None and not app.replicas:
        return app, (Start(release=app.live, count=1),)
    return _balance(app, view, now)


def forgets_health(core: AgentCore, event: e.Adopted, now: float) -> Iterable[e.Instruction]:
    """A restarted agent says of its replicas that nothing is known of their health."""
    return _on_adopted(core, replace(event, served=None), now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A broken function and whose it takes the place of."""

    owner: Any
    name: str
    broken: Callable[..., Any]


PLANTED = (
    Planted(owner=rollout, name="_stop_left", broken=stops_before_drained),
    Planted(owner=AppControl, name="_is_drained", broken=believes_the_linked_alone),
    Planted(owner=nodes, name="_lose_replicas", broken=loses_no_replica),
    Planted(owner=rollout, name="_balance", broken=keeps_starting),
    Planted(owner=rollout, name="_make_live", broken=leaves_the_old_one_live),
    Planted(owner=rollout, name="_remove", broken=removes_the_row_alone),
    Planted(owner=Fleet, name="put_app", broken=reserves_for_ever),
    Planted(owner=AppControl, name="note", broken=keeps_routes_to_the_lost),
    Planted(owner=AppControl, name="_refresh_routes", broken=keeps_routes_of_the_removed),
    Planted(owner=rollout, name="_finish_release", broken=counts_the_superseded),
    Planted(owner=Replica, name="settled", broken=waits_for_no_health),
    Planted(owner=Control, name="_find_job", broken=forgets_ended_jobs),
    Planted(owner=app_commands, name="_rollback_target", broken=rolls_back_to_a_tag),
    Planted(owner=rollout, name="_worst_first", broken=takes_the_best_first),
    Planted(owner=rollout, name="_deploy_of", broken=replaces_all_at_once),
    Planted(owner=rollout, name="_balance", broken=starts_what_is_stopped),
    Planted(owner=AgentCore, name="_on_adopted", broken=forgets_health),
)
