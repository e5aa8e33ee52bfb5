"""FakeApps: what FakeController knows of apps. Tests say what happens to replicas; with `prompt` every wish comes true at once."""

from collections.abc import Callable, Sequence

from draas.lib import clock
from draas.lib.values import replace
from draas.model.allocation import Allocation, AllocationId, AllocationState, Cause, Desired, Observed
from draas.model.app import PAST_KEPT, App, AppState, Scaling
from draas.model.app_spec import AppSpec, same_release
from draas.model.command import (
    AppCommand,
    DecideCanary,
    PutApp,
    RebalanceApps,
    RemoveApp,
    RestartApp,
    RollbackApp,
    ScaleApp,
)
from draas.model.errors import Conflict, NotFound
from draas.model.node import Node
from draas.model.probe import Health, Served
from draas.model.release import RELEASES_KEPT, CanaryPhase, Release, ReleaseState
from draas.model.replica import Replica
from draas.server.services.app_names import check_free_domains

RESOLVED = "sha256:" + "0" * 64


class FakeApps:
    """Apps by name, changed by commands and by what tests say of replicas. `prompt`: roll-outs are done at once, on `nodes()`."""

    def __init__(self, nodes: Callable[[], Sequence[Node]]) -> None:
        self.prompt = False
        self._nodes = nodes
        self._apps: dict[str, App] = {}

    @property
    def all(self) -> Sequence[App]:
        """By name."""
        return sorted(self._apps.values(), key=lambda app: app.name)

    def get(self, name: str) -> App:
        """Raises NotFound."""
        if name not in self._apps:
            raise NotFound(f"there is no app {name[:128]!r}")
        return self._apps[name]

    def carry_out(self, command: AppCommand) -> tuple[Sequence[App], str]:
        """The apps that `command` concerns, as they are then, and what happened. Raises NotFound, Conflict."""
        match command:
            case PutApp():
                return (self._settle(self._put(command)),), "app.changed"
            case ScaleApp():
                return (self._settle(self._scale(self.get(command.name), command.replicas)),), "app.scaled"
            case RestartApp():
                app = replace(self.get(command.name), restarting=clock.now(), state=AppState.DEPLOYING)
                return (self._settle(self.put(app)),), "app.restarting"
            case RollbackApp():
                return (self._settle(self._roll_back(command)),), "app.changed"
            case DecideCanary():
                return (self._settle(self._decide(command)),), "app.changed"
            case RebalanceApps():
                named = [self.get(command.name)] if command.name is not None else self.all
                return [app for app in named if command.project in (None, app.project)], "app.rebalanced"
            case RemoveApp():
                app = self.get(command.name)
                del self._apps[app.name]
                return (replace(app, removing=True),), "app.removed"

    def put(self, app: App) -> App:
        """The app is so now."""
        self._apps[app.name] = app
        return app

    # --- what tests say ---

    def place(self, name: str, node: Node, release: int | None = None) -> Replica:
        """A replica of a release (None: the rolling one, else the live one) is assigned to `node`."""
        app = self.get(name)
        current = app.rolling.number if app.rolling is not None else app.live
        number = app.placed + 1
        allocation = Allocation(
            id=AllocationId(f"{app.id}.{number}"),
            number=number,
            node_id=node.id,
            node_name=node.name,
            assigned_at=clock.now(),
        )
        replica = Replica(allocation=allocation, release=release or current or 1)
        self.put(replace(app, placed=number, replicas=(*app.replicas, replica)))
        return replica

    def observe(self, name: str, number: int, **seen: object) -> Replica:
        """Its agent reports: fields of Observed, and `health` and `endpoint`. A replica that ended is a past one."""
        app = self.get(name)
        old = next(replica for replica in app.replicas if replica.allocation.number == number)
        health, endpoint = seen.pop("health", None), seen.pop("endpoint", "10.0.0.1:40001")
        observed: Observed = replace(old.observed, **seen)
        if health is not None:
            served = Served(health=Health(str(health)), since=clock.now(), endpoint=str(endpoint))
            observed = replace(observed, served=served)
        new = replace(old, allocation=old.allocation.observe(observed))
        others = tuple(replica for replica in app.replicas if replica is not old)
        if new.ended:
            self.put(replace(app, replicas=others, past=(*app.past, new)[-PAST_KEPT:]))
        else:
            self.put(replace(app, replicas=(*others, new)))
        return new

    def go_live(self, name: str) -> App:
        """The rolling release serves: the old one's replicas have ended."""
        app = self.get(name)
        rolling = app.rolling
        if rolling is None:
            return app
        now = clock.now()
        releases = tuple(
            replace(one, state=ReleaseState.LIVE, finished_at=now)
            if one is rolling
            else replace(one, state=ReleaseState.REPLACED)
            if one.state is ReleaseState.LIVE
            else one
            for one in app.releases
        )
        old = [replica for replica in app.replicas if replica.release != rolling.number]
        kept = tuple(replica for replica in app.replicas if replica.release == rolling.number)
        gone = tuple(map(_stopped, old))
        past = (*app.past, *gone)[-PAST_KEPT:]
        state = AppState.LIVE if app.wanted else AppState.STOPPED
        live = replace(
            app,
            releases=releases,
            live=rolling.number,
            state=state,
            reason="",
            replicas=kept,
            past=past,
            restarting=None,
        )
        return self.put(self._begin_next(live))

    def fail(self, name: str, reason: str) -> App:
        """The rolling release fails; what was live stays so."""
        app = self.get(name)
        rolling = app.rolling
        if rolling is None:
            raise Conflict(f"{name} rolls nothing out")
        failed = replace(rolling, state=ReleaseState.FAILED, reason=reason, finished_at=clock.now())
        state = AppState.LIVE if app.live is not None else AppState.FAILED
        releases = tuple(failed if one is rolling else one for one in app.releases)
        return self.put(self._begin_next(replace(app, releases=releases, state=state, reason=reason)))

    def test_canary(self, name: str) -> App:
        """The canary is up and waits for a decision."""
        app = self.get(name)
        releases = tuple(
            replace(one, canary=CanaryPhase.TESTING) if one is app.rolling else one for one in app.releases
        )
        return self.put(replace(app, releases=releases))

    # --- commands ---

    def _put(self, command: PutApp) -> App:
        old = self._apps.get(command.name)
        if old is not None and old.project != command.project:
            raise Conflict(f"the name {command.name} is taken by an app of another project: choose another")
        check_free_domains(command.name, command.spec, self._apps.values())
        if old is None:
            new = App(
                id=command.id,
                name=command.name,
                project=command.project,
                created_at=clock.now(),
                spec=command.spec,
                wanted=command.spec.min_replicas,
            )
            return self.put(self._release(new, command.spec))
        if old.spec == command.spec:
            return old
        wanted = min(max(old.wanted, command.spec.min_replicas), command.spec.max_replicas)
        changed = replace(old, spec=command.spec, wanted=wanted)
        if same_release(old.spec, command.spec):
            return self.put(changed)
        return self.put(self._release(changed, command.spec))

    def _release(self, app: App, spec: AppSpec, rollback_of: int | None = None) -> App:
        """`app` with a new release; of several that wait the newest stays."""
        now = clock.now()
        number = app.newest.number + 1 if app.newest is not None else 1
        image = spec.image if "@" in spec.image else f"{spec.image}@{RESOLVED}"
        new = Release(
            number=number, spec=spec, state=ReleaseState.PENDING, created_at=now, image=image, rollback_of=rollback_of
        )
        waited = tuple(
            replace(one, state=ReleaseState.REPLACED, reason=f"release {number} was asked for before it began")
            if one.state is ReleaseState.PENDING
            else one
            for one in app.releases
        )
        releases = (*waited, new)[-RELEASES_KEPT - 1 :]
        return self._begin_next(replace(app, releases=releases, state=AppState.DEPLOYING, reason=""))

    def _begin_next(self, app: App) -> App:
        pending = app.pending
        if app.rolling is not None or pending is None:
            return app
        rolling = replace(pending, state=ReleaseState.ROLLING, rolling_at=clock.now())
        releases = tuple(rolling if one is pending else one for one in app.releases)
        return replace(app, releases=releases, state=AppState.DEPLOYING)

    def _scale(self, app: App, replicas: int) -> App:
        spec = app.spec
        low, high = min(spec.min_replicas, replicas), max(spec.max_replicas, replicas)
        if not replicas:
            low = high = 0
        elif spec.min_replicas == spec.max_replicas:
            low = high = replicas
        said = Scaling(at=clock.now(), before=app.wanted, after=replicas, reason=f"asked for {replicas}")
        scalings = (*app.scalings, said) if app.wanted != replicas else app.scalings
        state = AppState.DEPLOYING if replicas else AppState.STOPPED
        spec = replace(spec, min_replicas=low, max_replicas=high)
        return self.put(replace(app, spec=spec, wanted=replicas, scalings=scalings, state=state))

    def _roll_back(self, command: RollbackApp) -> App:
        app = self.get(command.name)
        served = [one for one in app.releases if one.state is ReleaseState.REPLACED and one.finished_at is not None]
        number = command.release if command.release is not None else (served[-1].number if served else None)
        target = app.release(number)
        if target is None:
            told = f"no release {number}" if number is not None else "no earlier release"
            raise Conflict(f"app {app.name} has {told} to roll back to: see draas apps releases {app.name}")
        scale = app.spec
        spec = replace(
            target.spec,
            min_replicas=scale.min_replicas,
            max_replicas=scale.max_replicas,
            autoscale=scale.autoscale,
        )
        return self.put(self._release(replace(app, spec=spec), spec, target.number))

    def _decide(self, command: DecideCanary) -> App:
        app = self.get(command.name)
        rolling = app.rolling
        if rolling is None or rolling.canary is not CanaryPhase.TESTING:
            raise Conflict(f"app {app.name} has no canary that waits for a decision")
        if not command.promote:
            return self.fail(app.name, "the canary was taken back")
        promoted = replace(rolling, canary=CanaryPhase.PROMOTED)
        return self.put(replace(app, releases=tuple(promoted if one is rolling else one for one in app.releases)))

    # --- prompt ---

    def _settle(self, app: App) -> App:
        """With `prompt`, the app as it is once all that is wanted has come true."""
        nodes = self._nodes()
        if not self.prompt or not nodes:
            return app
        rolling = app.rolling
        if rolling is not None and rolling.spec.deploy.canary is not None and rolling.canary is CanaryPhase.NONE:
            return self.test_canary(app.name)
        if app.restarting is not None:
            app = self.put(replace(app, replicas=(), past=(*app.past, *map(_stopped, app.replicas)), restarting=None))
        release = rolling.number if rolling is not None else app.live
        mine = [replica for replica in app.replicas if replica.release == release]
        for at in range(len(mine), app.wanted):
            node = nodes[at % len(nodes)]
            placed = self.place(app.name, node, release)
            number = placed.allocation.number
            self.observe(
                app.name,
                number,
                state=AllocationState.RUNNING,
                started_at=clock.now(),
                health=Health.HEALTHY,
                endpoint=f"10.0.0.{1 + at % len(nodes)}:{40000 + number}",
            )
        app = self.get(app.name)
        mine = [replica for replica in app.replicas if replica.release == release]
        extra = mine[app.wanted :]
        if extra:
            kept = tuple(replica for replica in app.replicas if replica not in extra)
            app = self.put(replace(app, replicas=kept, past=(*app.past, *map(_stopped, extra))[-PAST_KEPT:]))
        if rolling is not None:
            return self.go_live(app.name)
        return self.put(replace(app, state=AppState.LIVE if app.wanted else AppState.STOPPED))


def _stopped(replica: Replica) -> Replica:
    """It has ended because it was not wanted any more."""
    seen = replace(replica.observed, state=AllocationState.STOPPED, cause=Cause.REPLACED, finished_at=clock.now())
    allocation = replace(replica.allocation, desired=Desired.STOP, stop_cause=Cause.REPLACED, observed=seen)
    return replace(replica, allocation=allocation)
