"""FakeApps: what FakeController knows of apps. Tests say what happens to replicas; with `prompt` every wish comes true at once."""

from collections.abc import Callable, Sequence

from draas.lib import clock
from draas.lib.values import replace
from draas.model.allocation import Allocation, AllocationId, AllocationState, Cause, Desired, Observed
from draas.model.app import PAST_KEPT, App, AppState
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
from draas.model.plan import Plan
from draas.model.policy import Policy
from draas.model.probe import Health, Served
from draas.model.release import CanaryPhase, ReleaseState
from draas.model.replica import Replica
from draas.scheduler import app_commands

RESOLVED = "sha256:" + "0" * 64


class FakeApps:
    """Apps by name, changed by commands and by what tests say of replicas. `prompt`: roll-outs are done at once, on `nodes()`."""

    def __init__(self, nodes: Callable[[], Sequence[Node]], apps_domain: str = Policy().apps_domain) -> None:
        self.prompt = False
        self._apps_domain = apps_domain
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
        now = clock.now()
        match command:
            case PutApp():
                old = self._apps.get(command.name)
                plan = app_commands.put_app(command, old, self.all, self._apps_domain, now)
                app = old if old is not None else plan.apps[0]
            case ScaleApp():
                app = self.get(command.name)
                plan = app_commands.scale_app(command, app, now)
            case RestartApp():
                app = self.get(command.name)
                plan = app_commands.restart_app(app, now)
            case RollbackApp():
                app = self.get(command.name)
                plan = app_commands.rollback_app(command, app, now)
            case DecideCanary():
                app = self.get(command.name)
                plan = app_commands.decide_canary(command, app, now)
            case RebalanceApps():
                named = [self.get(command.name)] if command.name is not None else self.all
                return [app for app in named if command.project in (None, app.project)], "app.rebalanced"
            case RemoveApp():
                app = self.get(command.name)
                del self._apps[app.name]
                return (replace(app, removing=True),), "app.removed"
        return (self._settle(self._done(plan, app)),), "app.changed"

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

    def _done(self, plan: Plan, app: App) -> App:
        """`app` as `plan` has it, with the newest release that waits begun where none is under way."""
        after = plan.apps[0] if plan.apps else app
        waiting = [one for one in after.releases if one.state is ReleaseState.PENDING]
        superseded = tuple(
            replace(one, state=ReleaseState.REPLACED) if one in waiting[:-1] else one for one in after.releases
        )
        return self.put(self._begin_next(replace(after, releases=superseded)))

    def _begin_next(self, app: App) -> App:
        pending = app.pending
        if app.rolling is not None or pending is None:
            return app
        tag = pending.spec.image
        image = pending.image or (tag if "@" in tag else f"{tag}@{RESOLVED}")
        rolling = replace(pending, state=ReleaseState.ROLLING, rolling_at=clock.now(), image=image)
        releases = tuple(rolling if one is pending else one for one in app.releases)
        return replace(app, releases=releases, state=AppState.DEPLOYING)

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
