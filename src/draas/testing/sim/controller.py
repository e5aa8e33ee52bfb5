"""A simulated controller process: the real Control, a commit that takes time, answers and orders only after it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from draas.model.allocation import AllocationId, NodeId, Observed
from draas.model.app import App, AppId
from draas.model.command import AppCommand, Command
from draas.model.errors import DraasError, Unavailable
from draas.model.event import Event
from draas.model.job import Job, JobId, JobState
from draas.model.node import Facts, Node
from draas.model.plan import Plan
from draas.model.policy import Policy
from draas.scheduler.control import Control
from draas.server.loops.completing import complete
from draas.testing.sim.builds import SEALER
from draas.testing.sim.network import Connection
from draas.testing.sim.world import World
from draas.wire import link as wire

TICK_S = 0.25
COMMIT_S = (0.001, 0.2)
COMMIT_AGAIN_S = 1.0

# Who is to be told what came of a command, once that is durable: the jobs or apps it concerns, or why not.
Reply = tuple[Callable[[Any], None], list[Any]]


@dataclass(slots=True)
class Disk:
    """What survives a crash: exactly the committed transactions."""

    jobs: dict[JobId, Job] = field(default_factory=dict)
    nodes: dict[NodeId, Node] = field(default_factory=dict)
    apps: dict[AppId, App] = field(default_factory=dict)
    gone_nodes: set[NodeId] = field(default_factory=set)  # whose keys are revoked
    events: list[Event] = field(default_factory=list)
    epoch: int = 0
    full: bool = False
    revision: int = 0  # grows with every commit

    def commit(self, plan: Plan) -> None:
        """One transaction."""
        self.revision += 1
        self.jobs.update((job.id, job) for job in plan.jobs)
        self.nodes.update((node.id, node) for node in plan.nodes)
        self.apps.update((app.id, app) for app in plan.apps)
        self.events.extend(plan.events)
        for job_id in plan.gone_jobs:
            self.jobs.pop(job_id, None)
        for node_id in plan.gone_nodes:
            self.nodes.pop(node_id, None)
            self.gone_nodes.add(node_id)
        for app_id in plan.gone_apps:
            self.apps.pop(app_id, None)

    @property
    def next_seq(self) -> int:
        return max((job.seq for job in self.jobs.values()), default=0) + 1


@dataclass(slots=True)
class Pending:
    """A tick on its way to disk."""

    plan: Plan
    orders: dict[NodeId, wire.Assign]
    routes: dict[NodeId, wire.Routes]
    then: list[Callable[[], None]]
    replies: list[Reply]


class Controller:
    """One process of the controller. `crash` ends it at any point, also between commit and answer."""

    control_class: type[Control] = Control

    def __init__(
        self,
        world: World,
        disk: Disk,
        policy: Policy,
        send: Callable[[NodeId, Connection, list[wire.FromController]], None],
    ) -> None:
        self.world = world
        self.disk = disk
        self.policy = policy
        self.alive = True
        self.on_routes: Callable[[NodeId, wire.Routes], None] = lambda _node, _routes: None
        self.on_sent: Callable[[], None] = lambda: None  # all that follows from a commit has been sent
        self.control = self._load()
        self._send = send
        self._links: dict[NodeId, Connection] = {}
        self.welcomed: dict[NodeId, Connection] = {}
        self._then: list[Callable[[], None]] = []
        self._replies: list[Reply] = []
        self._committing: Pending | None = None
        self._tick_planned = False
        self._heartbeat()

    def _load(self) -> Control:
        self.disk.epoch += 1
        live = [job for job in self.disk.jobs.values() if job.live]
        live.sort(key=lambda job: job.seq)
        return self.control_class(
            live,
            self.disk.nodes.values(),
            self.disk.next_seq,
            self.disk.epoch,
            self.policy,
            self.world.now,
            self.disk.apps.values(),
        )

    def crash(self) -> None:
        """kill -9."""
        self.world.tell("controller crash")
        self.alive = False
        for connection in self._links.values():
            connection.cut()

    def _heartbeat(self) -> None:
        if self.alive:
            self.wake()
            self.world.after(TICK_S, self._heartbeat)

    # --- input ---

    def command(self, command: Command, loaded: Job | None, answer: Callable[[list[Job] | DraasError], None]) -> None:
        """A user's request; answered only when durable. Errors are answered at once."""
        try:
            jobs, _ = self.control.command(command, self.world.now, loaded, self._known(loaded))
        except DraasError as error:
            answer(error)
            return
        self._replies.append((answer, jobs))
        self.wake()

    def command_app(self, command: AppCommand, answer: Callable[[list[App] | DraasError], None]) -> None:
        """The same for an app."""
        try:
            apps = self.control.apps.command(command, self.world.now)
        except DraasError as error:
            answer(error)
            return
        self._replies.append((answer, apps))
        self.wake()

    def _known(self, job: Job | None) -> dict[JobId, JobState]:
        needs = job.spec.needs if job is not None else ()
        return {need: self.disk.jobs[need].state for need in needs if need in self.disk.jobs}

    def receive(self, node_id: NodeId, connection: Connection, messages: list[wire.FromAgent]) -> None:
        """A frame of an agent arrives."""
        newest = self._links.get(node_id)
        replaced = newest is not None and newest is not connection  # what is still in its buffer is read no more
        for message in messages:
            match message:
                case wire.Report() | wire.Traffic() | wire.Heartbeat() if replaced:
                    continue
                case wire.Hello(facts=facts, have=have, complete=complete):
                    self._hello(node_id, connection, facts, dict(have), complete)
                case wire.Report(observed=observed):
                    self.control.report(node_id, observed, self.world.now, self.world.chance.random())
                case wire.Traffic():
                    self.control.apps.take_traffic(node_id, message, self.world.now)
                case wire.Heartbeat(mono=mono, load=load, facts=facts):
                    self.control.heartbeat(node_id, load, facts, self.world.now)
                    if self.welcomed.get(node_id) is connection:
                        self._send(node_id, connection, [wire.Beat(mono=mono)])
        self.wake()

    def closed(self, node_id: NodeId, connection: Connection) -> None:
        """A link is gone, and this side has noticed."""
        if self._links.get(node_id) is connection:
            del self._links[node_id]
            self.welcomed.pop(node_id, None)
            self.control.disconnect(node_id, self.world.now)
            self.wake()

    def _hello(
        self, node_id: NodeId, connection: Connection, facts: Facts, have: dict[AllocationId, Observed], complete: bool
    ) -> None:
        if self._links.get(node_id) is connection:
            return  # a duplicate; a real TCP connection has none
        if not connection.up:
            return
        self._links[node_id] = connection
        self.welcomed.pop(node_id, None)
        if not self.control.connect(node_id, node_id, facts, have, complete, self.world.now):
            del self._links[node_id]
            connection.cut()
            return
        orders = self.control.full_orders(node_id)
        routes = self.control.apps.full_routes(node_id)
        welcome = wire.Welcome(
            node_id=node_id, epoch=self.control.epoch, heartbeat_s=1.0, lease_s=self.policy.lease_s, log_ends={}
        )

        def greet() -> None:
            if self._links.get(node_id) is connection:
                self.welcomed[node_id] = connection
                self._send(node_id, connection, [welcome, self.complete(orders)])
                if routes is not None:
                    self._send_routes(node_id, connection, routes)

        self._then.append(greet)

    # --- ticks ---

    def wake(self) -> None:
        """Something is there to decide."""
        if not self._tick_planned:
            self._tick_planned = True
            self.world.after(0.0, self._tick)

    def _tick(self) -> None:
        self._tick_planned = False
        if not self.alive or self._committing is not None:
            return
        self.control.tick(self.world.now)
        pending = Pending(
            plan=self.control.take(),
            orders=self.control.orders(),
            routes=self.control.apps.take_routes(),
            then=self._then,
            replies=self._replies,
        )
        self._then, self._replies = [], []
        if pending.plan or pending.orders or pending.routes or pending.then or pending.replies:
            self._committing = pending
            self.begin_commit(pending)

    def begin_commit(self, pending: Pending) -> None:
        """The transaction is under way; it happens wholly at some instant, or never."""
        self.world.after(self.world.chance.uniform(*COMMIT_S), lambda: self._commit(pending))

    def _commit(self, pending: Pending) -> None:
        if not self.alive:
            return
        if self.disk.full:
            self.world.tell("commit fails: disk full")
            for answer, _ in pending.replies:
                answer(Unavailable("the disk is full"))
            pending.replies = []
            self.world.after(COMMIT_AGAIN_S, lambda: self._commit(pending))
            return
        self.disk.commit(pending.plan)
        # Between the commit and what follows from it there is time to be killed in.
        self.world.after(self.world.chance.uniform(0.0, 0.02), lambda: self._act(pending))

    def _act(self, pending: Pending) -> None:
        if not self.alive:
            return
        self._committing = None
        self.answer_and_send(pending)
        self.wake()

    def answer_and_send(self, pending: Pending) -> None:
        """What follows from a commit."""
        for answer, concerned in pending.replies:
            answer(concerned)
        for follow_up in pending.then:
            follow_up()
        for node_id, assign in pending.orders.items():
            if (connection := self.welcomed.get(node_id)) is not None:
                self._send(node_id, connection, [self.complete(assign)])
        for node_id, routes in pending.routes.items():
            if (connection := self.welcomed.get(node_id)) is not None:
                self._send_routes(node_id, connection, routes)
        self.on_sent()

    def complete(self, assign: wire.Assign) -> wire.Assign:
        """An order with what is secret in it."""
        completed, failed = complete(assign, self.control.cluster.job_of, SEALER)
        assert not failed, failed
        return completed

    def _send_routes(self, node_id: NodeId, connection: Connection, routes: wire.Routes) -> None:
        self.on_routes(node_id, routes)
        self._send(node_id, connection, [routes])
