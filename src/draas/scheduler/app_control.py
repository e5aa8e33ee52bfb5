"""App control: the controller's decisions about apps, and what ingresses have said. Pure; draas.scheduler.control drives it.

Apps that something happened to are looked at in the next tick, those on their way to somewhere several times a second, and
all others not at all: an app that is as it should be costs nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import msgspec

from draas.lib.values import replace
from draas.model.allocation import AllocationId, NodeId, Observed
from draas.model.app import App, AppId
from draas.model.cluster import Cluster
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
from draas.model.errors import NotFound
from draas.model.job import Job, JobId, RuntimeName
from draas.model.node import Node, NodeState
from draas.model.plan import Plan
from draas.model.policy import Policy
from draas.model.replica import Replica
from draas.model.route import AppRoute
from draas.model.sample import NOT_KNOWN, AppSample
from draas.scheduler import app_commands, jobs
from draas.scheduler.apps import add_replica, app_event, next_replica_id, observe_replica
from draas.scheduler.autoscale import Autoscaler
from draas.scheduler.fleet import Fleet
from draas.scheduler.meter import Figures, Meter, Work
from draas.scheduler.nodes import is_away
from draas.scheduler.place_replicas import explain_refusal, place_replica, plan_rebalance
from draas.scheduler.rollout import Start, Step, View, is_quiet, reconcile, release_job_id
from draas.scheduler.routes import ingress_address, ingress_addresses, ingresses, route_of
from draas.wire.link import Assignment, Routes, Service, Traffic, Usages

INGRESS, DNS = "ingress", "dns"
LOOK_EVERY_S = 0.2
SCALE_EVERY_S = 1.0  # as often as ingresses speak

_Part = Literal["challenges", "certificates", "ingresses"]


class AppControl:
    """Decides about all apps of `cluster`. `do` applies a plan and has it made durable."""

    def __init__(
        self,
        cluster: Cluster,
        fleet: Fleet,
        policy: Policy,
        epoch: int,
        do: Callable[[Plan], None],
        find_job: Callable[[JobId], Job | None],
        now: float,
    ) -> None:
        self._cluster = cluster
        self._fleet = fleet
        self._policy = policy
        self._epoch = epoch
        self._do = do
        self._view = View(
            nodes=cluster.nodes,
            is_drained=self._is_drained,
            find_job=find_job,
            fault_of=self._fault_of,
            began_at=now,
            is_away=lambda node_id, at: is_away(cluster.nodes, node_id, policy, at),
        )
        self._dirty: dict[AppId, None] = {}
        self._restless: dict[AppId, None] = {}
        self._look_at = 0.0
        self._meter = Meter()
        self._autoscaler = Autoscaler()
        self._scale_at = 0.0
        self._release_jobs: dict[JobId, AppId] = {}
        self._routes: dict[str, AppRoute] = {}
        self._changed_routes: dict[str, None] = {}
        self._all_routes_changed = False
        self._challenges: Mapping[str, str] = {}
        self._certificates: Mapping[str, str] = {}
        self._challenged = 0  # the generation with the challenges set last
        self._ingresses: tuple[str, ...] = ()
        self._news: set[_Part] = set()  # what of these has changed since take_routes
        self._generation = 0
        self._removed: dict[AppId, App] = {}
        self._told: set[NodeId] = set()  # ingresses and DNS nodes whose link has been given the whole table
        self._traffic: dict[NodeId, Traffic] = {}

    # --- what users ask ---

    def command(self, command: AppCommand, now: float) -> list[App]:
        """Carry out `command`; returns the apps it concerns, as they are now. Raises DraasError."""
        match command:
            case PutApp():
                old = self._cluster.app_named(command.name)
                others = self._cluster.apps.values()
                self._do(app_commands.put_app(command, old, others, self._policy.apps_domain, now))
                return [self._named(command.name)]
            case RebalanceApps():
                return self._rebalance(command)
        app = self._named(command.name)
        match command:
            case ScaleApp():
                self._do(app_commands.scale_app(command, app, now))
            case RestartApp():
                self._do(app_commands.restart_app(app, now))
            case RollbackApp():
                self._do(app_commands.rollback_app(command, app, now))
            case DecideCanary():
                self._do(app_commands.decide_canary(command, app, now))
            case RemoveApp():
                self._do(app_commands.remove_app(app, now))
        return [self._cluster.apps.get(app.id, app)]

    def _rebalance(self, command: RebalanceApps) -> list[App]:
        if command.name is not None:
            chosen = [self._named(command.name)]
        else:
            chosen = [app for app in self._cluster.apps.values() if command.project in (None, app.project)]
        for app in sorted(chosen, key=lambda app: app.name):
            moved = plan_rebalance(self._fleet, app)
            if moved != app:
                self._do(Plan(apps=(moved,)))
        return [self._cluster.apps[app.id] for app in chosen]

    def _named(self, name: str) -> App:
        app = self._cluster.app_named(name)
        if app is None:
            raise NotFound(f"there is no app {name!r}")
        return app

    # --- what agents say ---

    def report(self, id: AllocationId, observed: Observed, now: float) -> None:
        """What the agent of its node has newly seen of a replica."""
        app = self._cluster.app_of(id)
        if app is not None:
            self._do(observe_replica(app, id, observed, now))

    def take_traffic(self, node_id: NodeId, traffic: Traffic, now: float) -> None:
        """An ingress's word on what it serves."""
        self._meter.take_traffic(node_id, traffic, now)
        before = self._traffic.get(node_id)
        self._traffic[node_id] = traffic
        for name in traffic.waking:
            if (app := self._cluster.app_named(name)) is not None:
                self._do(app_commands.wake_app(app, now))
        if before is None or (before.drained, before.faults) != (traffic.drained, traffic.faults):
            for id in traffic.drained:
                if (app := self._cluster.app_of(id)) is not None:
                    self._dirty[app.id] = None
            for name in {*traffic.faults, *(before.faults if before is not None else ())}:
                if (app := self._cluster.app_named(name)) is not None:
                    self._dirty[app.id] = None

    def take_usages(self, node_id: NodeId, usages: Usages, now: float) -> None:
        """What the replicas on a node use."""
        self._meter.take_usages(node_id, usages, now)

    def samples(self, now: float) -> Iterator[tuple[AppId, AppSample]]:
        """What each app did since the last call; others may have their turn between two of them."""
        for app, work in self._meter.work(list(self._cluster.apps.values()), now):
            yield app.id, sample_of(app, work)

    def figures(self, app: App, now: float) -> Figures:
        """What is known of the app's work."""
        return self._meter.figures(app, now)

    def unlink(self, node_id: NodeId) -> None:
        """The node's link closed."""
        self._told.discard(node_id)
        self._traffic.pop(node_id, None)

    @property
    def is_due(self) -> bool:
        """Whether something happened that a tick should look at."""
        return bool(self._dirty)

    def take_removed(self) -> dict[AppId, App]:
        """The apps that have gone since the last call, as they last were."""
        removed, self._removed = self._removed, {}
        return removed

    # --- keeping step ---

    def note(self, plan: Plan) -> None:
        """Remember what `plan`, which is about to be applied, means for apps."""
        for app in plan.apps:
            self._dirty[app.id] = None
            self._changed_routes[app.name] = None
            if (rolling := app.rolling) is not None and not rolling.command_done:
                # Its end and what it means for the release belong into one commit: a job that has ended is not loaded again.
                self._release_jobs[release_job_id(app, rolling)] = app.id
        for app_id in plan.gone_apps:
            self._removed[app_id] = self._cluster.apps[app_id]
            self._changed_routes[self._cluster.apps[app_id].name] = None
            self._dirty.pop(app_id, None)
            self._restless.pop(app_id, None)
            self._autoscaler.forget(app_id)
        for node in plan.nodes:
            old = self._cluster.nodes.get(node.id)
            if old is None or (old.state, old.drain) != (node.state, node.drain):
                for app, _ in self._cluster.replicas_on(node.id):
                    self._dirty[app.id] = None
            if (ingress_address(old) if old is not None else "") != ingress_address(node):
                self._all_routes_changed = True
            if node.facts.ingress is not None or (old is not None and old.facts.ingress is not None):
                self._news.add("ingresses")
        for node_id in plan.gone_nodes:
            gone = self._cluster.nodes.get(node_id)
            self._all_routes_changed |= gone is not None and bool(ingress_address(gone))
            self._news.add("ingresses")
            self._meter.forget_node(node_id)
            self.unlink(node_id)
        for job in plan.jobs:
            if (owner := self._release_jobs.get(job.id)) is not None:
                self._dirty[owner] = None
                if job.ended:
                    del self._release_jobs[job.id]

    # --- time ---

    def tick(self, now: float) -> bool:
        """Look at the apps that are due. Returns whether some are due again at once."""
        if now >= self._scale_at:
            self._scale_at = now + SCALE_EVERY_S
            self._autoscale(now)
        due = list(self._dirty)
        self._dirty.clear()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            due += [app_id for app_id in self._restless if app_id not in set(due)]
        if due:
            self._fleet.settle(now)
        for app_id in sorted(due):
            app = self._cluster.apps.get(app_id)
            if app is not None:
                self._look(app, now)
        return bool(self._dirty)

    def _autoscale(self, now: float) -> None:
        for app in list(self._cluster.apps.values()):
            if app.spec.autoscale is None:
                continue
            decided = self._autoscaler.decide(app, self._meter.figures(app, now), now)
            if decided is not None:
                self._do(app_commands.autoscale_app(app, decided, now))

    def _look(self, app: App, now: float) -> None:
        step = reconcile(app, self._view, now)
        if step.gone:
            self._do(Plan(gone_apps=(app.id,), events=step.events))
            return
        if step.submit is not None:
            self._do(jobs.submit_jobs(self._cluster, step.submit, {}, now))
        after = self._place(step, now)
        if after != app:
            self._do(Plan(apps=(after,), events=step.events))
        if is_quiet(after) and all(self._is_reachable(replica.node_id) for replica in after.replicas):
            self._restless.pop(app.id, None)
        else:
            self._restless[app.id] = None

    def _is_reachable(self, node_id: NodeId) -> bool:
        node = self._cluster.nodes.get(node_id)
        return node is not None and node.state is not NodeState.DISCONNECTED

    def _place(self, step: Step, now: float) -> App:
        app = step.app
        if not step.starts:
            return app
        for start in step.starts:
            app = self._place_some(app, start, now)
        return app

    def _place_some(self, app: App, start: Start, now: float) -> App:
        release = app.release(start.release)
        assert release is not None
        for _ in range(start.count):
            node_id = place_replica(self._fleet, app, release.spec, release.image)
            if node_id is None:
                return replace(app, refused=explain_refusal(self._fleet, release.spec, release.image))
            # Booked at once, so that the next one is placed on what is left; putting the app changes nothing more.
            self._fleet.reserve(next_replica_id(app), node_id, release.spec.resources, app.project)
            app = add_replica(app, release.number, self._cluster.nodes[node_id], now)
        return app

    # --- what agents are told ---

    def assignment(self, app: App, replica: Replica) -> Assignment:
        """All an agent needs to run `replica`."""
        release = app.release(replica.release)
        spec = release.spec if release is not None else app.spec
        return Assignment(
            id=replica.id,
            job_id=JobId(""),
            project=app.project,
            number=replica.allocation.number,
            name=app.name,
            runtime=RuntimeName.DOCKER,
            image=(release.image if release is not None else "") or spec.image,
            command=spec.command if spec.command is not None else (),
            env=spec.env,
            resources=spec.resources,
            timeout_s=None,
            exclusive=False,
            desired=replica.allocation.desired,
            log_cap_bytes=self._policy.log_cap_bytes,
            service=Service(
                app=app.name,
                app_id=app.id,
                release=replica.release,
                port=spec.port,
                probe=spec.health,
                stop_grace_s=spec.stop_grace_s,
            ),
        )

    def warn(self, name: str, warnings: tuple[str, ...], now: float) -> None:
        """What keeps people from an app though it runs, as far as is known now."""
        app = self._cluster.app_named(name)
        if app is None or app.warnings == warnings:
            return
        new = [warning for warning in warnings if warning not in app.warnings]
        events = [app_event("app.warned", app, now, warning=warning) for warning in new]
        self._do(Plan(apps=(replace(app, warnings=warnings),), events=tuple(events)))

    @property
    def has_ingress(self) -> bool:
        """Whether an ingress that is linked has a proxy."""
        return bool(self._serving())

    def challenges_shown(self) -> bool:
        """Whether every ingress that is linked has said that it answers the challenges set last."""
        if "challenges" in self._news:
            return False
        serving = self._serving()
        said = [self._traffic[node_id].generation for node_id in serving if node_id in self._traffic]
        return len(said) == len(serving) and all(generation >= self._challenged for generation in said)

    def _serving(self) -> list[NodeId]:
        told = (self._cluster.nodes.get(node_id) for node_id in self._told)
        return [node.id for node in told if node is not None and _serves(node)]

    def set_challenges(self, challenges: Mapping[str, str]) -> None:
        """What ingresses answer to an ACME server from now on: token to key authorization."""
        if challenges != self._challenges:
            self._challenges = dict(challenges)
            self._news.add("challenges")

    def set_certificates(self, certificates: Mapping[str, str]) -> None:
        """What ingresses show from now on: host name to PEM of chain and key."""
        if certificates != self._certificates:
            self._certificates = dict(certificates)
            self._news.add("certificates")

    def take_routes(self) -> dict[NodeId, Routes]:
        """What has changed for ingresses and DNS nodes since the last call. To be sent after the commit."""
        put, gone = self._refresh_routes()
        news, self._news = self._news, set()
        if "ingresses" in news and not self._refresh_ingresses():
            news.discard("ingresses")
        if not (put or gone or news):
            return {}
        self._generation += 1
        if "challenges" in news:
            self._challenged = self._generation
        routes = Routes(
            epoch=self._epoch,
            generation=self._generation,
            put=put,
            forget=gone,
            challenges=self._challenges if "challenges" in news else None,
            certificates=self._certificates if "certificates" in news else None,
            ingresses=self._ingresses if "ingresses" in news else None,
        )
        return {node_id: self._for_node(node_id, routes) for node_id in sorted(self._told)}

    def full_routes(self, node_id: NodeId) -> Routes | None:
        """The whole table for a fresh link; None where the node is no ingress and answers no names. Changes noted before are in it."""
        node = self._cluster.nodes.get(node_id)
        if node is None or not {INGRESS, DNS}.intersection(node.facts.roles):
            return None
        self._told.add(node_id)
        self._all_routes_changed = True  # the others get what has changed for them in this tick, in take_routes
        self._generation += 1
        table = [self._route(app) for app in sorted(self._cluster.apps.values(), key=lambda app: app.name)]
        put = [route for route in table if route is not None]
        routes = Routes(
            epoch=self._epoch,
            generation=self._generation,
            put=put,
            full=True,
            challenges=self._challenges,
            certificates=self._certificates,
            ingresses=ingress_addresses(self._cluster.nodes.values()),
            apps_domain=self._policy.apps_domain,
        )
        return self._for_node(node_id, routes)

    def _for_node(self, node_id: NodeId, routes: Routes) -> Routes:
        """Private keys leave for ingresses alone."""
        node = self._cluster.nodes.get(node_id)
        if node is not None and INGRESS in node.facts.roles:
            return routes
        return msgspec.structs.replace(routes, challenges=None, certificates=None)

    def _refresh_ingresses(self) -> bool:
        """Whether names lead to other addresses now."""
        before, self._ingresses = self._ingresses, ingress_addresses(self._cluster.nodes.values())
        return before != self._ingresses

    def _refresh_routes(self) -> tuple[list[AppRoute], list[str]]:
        names = list(self._changed_routes)
        if self._all_routes_changed:
            names = sorted({*self._routes, *(app.name for app in self._cluster.apps.values())})
        self._changed_routes.clear()
        self._all_routes_changed = False
        put, gone = [], []
        for name in names:
            app = self._cluster.app_named(name)
            route = self._route(app) if app is not None else None
            if route is None:
                if self._routes.pop(name, None) is not None:
                    gone.append(name)
            elif route != self._routes.get(name):
                self._routes[name] = route
                put.append(route)
        return put, gone

    def _route(self, app: App) -> AppRoute | None:
        return route_of(app, self._cluster.nodes.values(), self._policy.apps_domain)

    # --- the view ---

    def _is_drained(self, id: AllocationId) -> bool:
        """Whether every ingress has said that nothing is under way on this replica.

        One whose link is closed serves on, and may not have heard yet that the replica leaves. It counts until its node is down.
        """
        return all(id in self._drained(node.id) for node in self._cluster.nodes.values() if _serves(node))

    def _drained(self, node_id: NodeId) -> frozenset[AllocationId]:
        traffic = self._traffic.get(node_id)
        return frozenset(traffic.drained) if traffic is not None else frozenset()

    def _fault_of(self, name: str) -> str:
        return next((said.faults[name] for said in self._traffic.values() if name in said.faults), "")


def sample_of(app: App, work: Work) -> AppSample:
    """What is kept of an app's work."""
    known = [
        NOT_KNOWN if value is None else value
        for value in (work.requests_per_s, work.errors_per_s, work.answering, work.cpu_cores, work.memory_bytes)
    ]
    return AppSample._make((*known, sum(replica.healthy for replica in app.replicas), app.wanted))


def _serves(node: Node) -> bool:
    return next(ingresses((node,)), None) is not None
