"""What must hold of apps after every step of a simulation: the rules of draas.testing.app_rules, and what users and ingresses were told."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from draas.model.allocation import AllocationId, NodeId
from draas.model.app import App, AppId, AppState
from draas.model.app_spec import AppSpec, Order
from draas.model.job import JobId, JobState
from draas.model.node import Node, NodeState
from draas.model.release import Release, ReleaseState
from draas.model.route import AppRoute
from draas.scheduler.control import Control
from draas.scheduler.routes import route_of
from draas.testing.app_rules import check_app, check_app_step, tell_app
from draas.testing.pretended_image import Behaviour, behaviour_of
from draas.testing.sim.controller import Disk
from draas.testing.sim.invariants import Invariants, Violated
from draas.testing.sim.machines import Container, Machine
from draas.wire import link as wire


@dataclass(slots=True)
class Promise:
    """What a user was told of an app, until something else is asked of it."""

    id: AppId
    spec: AppSpec
    wanted: int
    release: int
    removing: bool


class AppInvariants:
    """Watches the apps of one run. `calm`: nothing happens to it that could cost a request."""

    def __init__(self, disk: Disk, others: Invariants, calm: bool, apps_domain: str) -> None:
        self._disk = disk
        self._others = others
        self._calm = calm
        self._apps_domain = apps_domain
        self._looked_at = -1
        self._seen: dict[AppId, App] = {}
        self._asked: dict[str, int] = defaultdict(int)
        self._promised: dict[str, Promise] = {}
        self._to_remove: set[str] = set()
        self._restarts: dict[AppId, float] = {}
        self._starts: set[AllocationId] = set()
        self._sent: dict[NodeId, dict[str, AppRoute]] = {}
        self._floor: dict[AppId, int] = {}

    # --- told by the scenario ---

    def asked(self, name: str, *, remove: bool = False) -> int:
        """Something is asked of an app, so that what was promised before may change; returns which asking this is."""
        self._asked[name] += 1
        self._promised.pop(name, None)
        if remove:
            self._to_remove.add(name)
        return self._asked[name]

    def promised(self, asking: int, app: App, restarted_at: float | None = None) -> None:
        """The user was told that this is how the app is wanted."""
        if self._asked[app.name] != asking:
            return
        newest = app.newest
        self._promised[app.name] = Promise(
            id=app.id,
            spec=app.spec,
            wanted=app.wanted,
            release=newest.number if newest is not None else 0,
            removing=app.removing,
        )
        if restarted_at is not None:
            self._restarts[app.id] = restarted_at
        self._looked_at = -1

    def is_leaving(self, name: str) -> bool:
        """Whether its removal was asked for: whoever uses it may fail."""
        return name in self._to_remove

    def started(self, machine: Machine, container: Container) -> None:
        """A replica began to run on a machine."""
        id, service = container.id, container.assignment.service
        assert service is not None
        if id in self._starts:
            raise Violated(f"{id} was started twice")
        self._starts.add(id)
        app = self._disk.apps.get(AppId(service.app_id))
        if app is None:
            if service.app not in self._to_remove:
                raise Violated(f"{id} runs on {machine.node_id}, but no disk knows of its app")
            return
        if container.assignment.number > app.placed:
            raise Violated(f"{id} runs on {machine.node_id}, but no disk knows of it")
        self._check_release_command(app, service.release)

    def _check_release_command(self, app: App, number: int) -> None:
        release = app.release(number)
        if release is None or release.spec.release_command is None or release.rollback_of is not None:
            return
        job_id = JobId(f"{app.id}-release-{number}")
        job = self._disk.jobs.get(job_id)
        if (job is None and self._others.may_be_deleted(job_id)) or self._others.retries_of(job_id):
            return
        if job is None or job.state is not JobState.SUCCEEDED:
            raise Violated(f"release {number} of {app.name} runs, its command {job and job.state}")

    def told_routes(self, node_id: NodeId, routes: wire.Routes) -> None:
        """This is on its way to an ingress."""
        table = self._sent.setdefault(node_id, {})
        if routes.full:
            table.clear()
        for name in routes.forget:
            table.pop(name, None)
        table.update((route.app, route) for route in routes.put)

    def all_sent(self, linked: Collection[NodeId]) -> None:
        """What follows from a commit is on its way: what the linked ingresses have been told is what is on disk."""
        for node_id in [one for one in self._sent if one not in linked or one in self._disk.gone_nodes]:
            del self._sent[node_id]
        for node_id, table in self._sent.items():
            right = {app.name: self._route(app, ()) for app in self._disk.apps.values()}
            ends = {name: route.endpoints for name, route in right.items() if route is not None}
            told = {name: route.endpoints for name, route in table.items()}
            if told != ends:
                raise Violated(f"the ingress on {node_id} was told {told}, on disk are {ends}")

    def _route(self, app: App, nodes: Collection[Node]) -> AppRoute | None:
        return route_of(app, nodes, self._apps_domain)

    # --- after every step ---

    def check(self) -> None:
        """The disk, as it is now. What has not changed since the last look is not looked at again."""
        if self._looked_at == self._disk.revision:
            return
        self._looked_at = self._disk.revision
        for app in self._disk.apps.values():
            before = self._seen.get(app.id)
            if before is not app:
                check_app(app)
                check_app_step(before, app)
                for replica in (*app.replicas, *app.past):
                    self._others.check_allocation(replica.allocation)
                if self._calm:
                    self._check_floor(app)
                self._seen[app.id] = app
        self._check_promises()

    def _check_promises(self) -> None:
        by_name = {app.name: app for app in self._disk.apps.values()}
        for name, promise in self._promised.items():
            app = by_name.get(name)
            if promise.removing:
                if app is not None and app.id == promise.id and not app.removing:
                    raise Violated(f"{name} was removed and is back")
            elif app is None or app.id != promise.id:
                raise Violated(f"{name} was acknowledged and is lost")
            elif (app.spec, app.wanted, app.removing) != (promise.spec, promise.wanted, False):
                raise Violated(f"{name} was promised to be {promise}, and is {tell_app(app)}")
            elif app.newest is None or app.newest.number < promise.release:
                raise Violated(f"release {promise.release} of {name} was acknowledged and is lost")

    def _check_floor(self, app: App) -> None:
        """What was up once and is wanted still stays up, through roll-outs, restarts and drained machines."""
        orders = {one.spec.deploy.order for one in (app.rolling, app.release(app.live)) if one is not None}
        if app.removing or Order.STOP_FIRST in orders:
            self._floor.pop(app.id, None)
            return
        floor = min(self._floor.get(app.id, 0), app.wanted)
        if app.state is AppState.LIVE:
            floor = app.wanted
        self._floor[app.id] = floor
        serving = sum(one.healthy and one.staying for one in app.replicas)
        if serving < floor:
            raise Violated(f"{app.name} had {floor} healthy replicas and has {serving}: {tell_app(app)}")

    # --- at the very end ---

    def replicas(self) -> Mapping[AllocationId, NodeId]:
        """What should run, and where."""
        return {one.id: one.node_id for app in self._disk.apps.values() for one in app.replicas}

    def check_converged(self, control: Control, machines: list[Machine]) -> None:
        """After healing: every app is as it is wanted, and every ingress serves what is healthy."""
        apps = self._disk.apps
        if dict(control.cluster.apps) != apps:
            raise Violated(f"memory holds other apps than the disk: {control.cluster.apps} and {apps}")
        for app in apps.values():
            self._check_at_rest(app)
        nodes = list(control.cluster.nodes.values())
        routes = {app.name: self._route(app, nodes) for app in apps.values()}
        for machine in machines:
            if machine.proxy is not None and machine.proxy.table != routes:
                raise Violated(f"{machine.node_id} serves {machine.proxy.table}, and should serve {routes}")
        for node in nodes:
            if node.state is not NodeState.READY:
                raise Violated(f"{node.name} is {node.state}")

    def _check_at_rest(self, app: App) -> None:
        live, newest = app.release(app.live), app.newest
        if app.removing or app.rolling is not None or app.pending is not None or newest is None:
            raise Violated(f"{app.name} is still under way: {tell_app(app)}")
        if newest.state is ReleaseState.FAILED and not _deserves_to_fail(newest):
            raise Violated(f"release {newest.number} of {app.name} failed undeserved: {tell_app(app)}")
        if live is None:
            if app.state is not AppState.FAILED or app.replicas:
                raise Violated(f"{app.name} never came up, and is {tell_app(app)}")
            return
        if app.state is not (AppState.LIVE if app.wanted else AppState.STOPPED):
            raise Violated(f"{app.name} is {app.state} ({app.reason}): {tell_app(app)}")
        if len(app.replicas) != app.wanted or not all(one.staying and one.healthy for one in app.replicas):
            raise Violated(f"{app.name} does not have {app.wanted} healthy replicas: {tell_app(app)}")
        since = self._restarts.get(app.id, 0.0)
        for one in app.replicas:
            if one.release != live.number or one.observed.image != live.image:
                raise Violated(f"{one.id} runs {one.observed.image}, not release {live.number} ({live.image})")
            if one.allocation.assigned_at < since:
                raise Violated(f"{one.id} is older than the restart")


def _deserves_to_fail(release: Release) -> bool:
    """By what it is itself, or because a person said so; kills and illness of its containers count as its own failures, too."""
    return True if behaviour_of(release.spec.image) is not Behaviour.OK else bool(release.reason)
