"""A simulated machine: its agent's real core, and containers that outlive the agent but not the machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from draas.agent.core import events as e
from draas.agent.core.core import AgentCore
from draas.agent.core.health import Outcome, Verdict, first_verdict, judge_probe, wait_s
from draas.agent.runtimes.runtime import Exited
from draas.model.allocation import AllocationId, Cause, NodeId, Observed
from draas.model.job import RuntimeName
from draas.model.node import Facts, Load, RuntimeInfo
from draas.model.probe import Served
from draas.model.resources import Resources
from draas.model.route import Ingress
from draas.testing.pretended_image import Behaviour, behaviour_of, pin
from draas.testing.sim.builds import built_by, fate_of_build
from draas.testing.sim.ingress import Proxy
from draas.testing.sim.network import Connection
from draas.testing.sim.world import World
from draas.wire import link as wire

TICK_S = 0.2
HEARTBEAT_S = 1.0
STOPPED_CODE = 143
FOR_EVER = float("inf")
ENGINE_AGAIN_S = 0.5
PROBED_S = 0.3  # at least, between probes
READY_AFTER_S = (0.1, 1.5)  # how long a sound replica takes until it answers
CRASH_AFTER_S = (0.05, 0.5)
IMAGE_FAILS = 0.03  # chance that a job's image cannot be had
JOURNAL_LOST = 0.2  # chance that a power cut takes the agent's journal with it


@dataclass(slots=True)
class Container:
    """Ground truth: something that runs, or ran, on a machine."""

    id: AllocationId
    assignment: wire.Assignment
    started_at: float
    ends_at: float
    exit_code: int
    ended_at: float | None = None
    stopped: bool = False
    image: str = ""  # of a replica: what its image was resolved to
    ready_at: float = 0.0  # of a replica: it answers from then on
    ill: bool = False  # it does not answer

    @property
    def running(self) -> bool:
        return self.ended_at is None

    def answers(self, now: float) -> bool:
        """Whether its port does."""
        return self.running and not self.ill and now >= self.ready_at


@dataclass(slots=True)
class Machine:
    """One node. `agent` is None while its process is dead; `power` is off after a power cut."""

    world: World
    node_id: NodeId
    capacity: Resources
    dial: Callable[["Machine"], Connection | None]
    on_start: Callable[["Machine", Container], None]
    on_end: Callable[["Machine", Container], None]
    on_thaw: Callable[["Machine"], None]
    agent_class: type[AgentCore] = AgentCore
    agent: AgentCore | None = None
    power: bool = True
    frozen: bool = False
    engine_up: bool = True
    skew_s: float = 0.0  # how far its wall clock is off
    on_say: Callable[["Machine", AllocationId, Observed], None] | None = None
    containers: dict[AllocationId, Container] = field(default_factory=dict)
    journal: dict[AllocationId, wire.Assignment] = field(default_factory=dict)
    connection: Connection | None = None
    to_controller: Callable[["Machine", Connection, list[wire.FromAgent]], None] | None = None
    _kept: list[tuple[Connection, list[wire.FromController]]] = field(default_factory=list)
    life: int = 0  # counts agent processes: what belongs to a dead one is ignored
    lease_s: float = 30.0
    welcomed: bool = False
    watchdog: dict[AllocationId, float] = field(default_factory=dict)  # outlives the agent: ends what nobody renews
    resolve: Callable[[str], str] = pin  # what a tag stands for now
    proxy: Proxy | None = None  # of a machine with the ingress role
    builds: bool = False  # whether it has the builder role
    noted: dict[AllocationId, Observed] = field(default_factory=dict)  # of replicas, in the journal

    @property
    def facts(self) -> Facts:
        runtimes = (
            RuntimeInfo(name=RuntimeName.DOCKER, available=True),
            RuntimeInfo(name=RuntimeName.PROCESS, available=True),
            RuntimeInfo(name=RuntimeName.BUILD, available=True),
        )
        ingress = Ingress(proxy="haproxy", http_port=80, address="10.0.0.1") if self.proxy is not None else None
        return Facts(capacity=self.capacity, runtimes=runtimes, roles=self.roles, ingress=ingress)

    @property
    def roles(self) -> tuple[str, ...]:
        """What it is for."""
        return ("worker", *(("builder",) if self.builds else ()), *(("ingress",) if self.proxy is not None else ()))

    # --- life and death ---

    def boot(self) -> None:
        """Power on, and the agent with it. Containers of before have ended."""
        self.power = True
        self.start_agent()

    def power_cut(self) -> None:
        """Everything on it ends now, and nobody is told."""
        self.world.tell(f"{self.node_id} power cut")
        self.power = self.frozen = False
        self._kept.clear()
        for container in self.containers.values():
            if container.running:
                self._end(container, 137)
        if self.world.chance.random() < JOURNAL_LOST:
            self.journal.clear()
            self.noted.clear()
        if self.proxy is not None:
            self.proxy.lose_power()
        self.engine_up = True
        self.kill_agent()

    def break_engine(self, *, ends_containers: bool) -> None:
        """kill -9 of the engine. Its containers run on without it, or end with it."""
        self.world.tell(f"{self.node_id} engine killed{', its containers too' if ends_containers else ''}")
        self.engine_up = False
        for container in self.containers.values():
            if container.running and ends_containers:
                self._end(container, 137)

    def start_engine(self) -> None:
        """The engine is back, and asked what it still has."""
        if not self.engine_up:
            self.world.tell(f"{self.node_id} engine starts")
            self.engine_up = True
            self._later(0.0, self._adopt)

    @property
    def wall(self) -> float:
        """What its clock shows."""
        return self.world.now + self.skew_s

    def kill_agent(self) -> None:
        """kill -9 of the agent: containers run on."""
        self.thaw()
        self.agent = None
        self.life += 1
        if self.connection is not None:
            self.connection.cut()
            self.connection = None

    def start_agent(self) -> None:
        """A new agent process: adopts what is here, then dials."""
        if self.agent is not None or not self.power:
            return
        self.world.tell(f"{self.node_id} agent starts")
        self.agent = self.agent_class()
        self.life += 1
        if self.proxy is not None:
            self.proxy.forget_order()
        self._adopt()
        self._later(0.0, self._redial)
        self._later(TICK_S, self._tick)

    def _adopt(self) -> None:
        if not self.engine_up:
            return
        for container in list(self.containers.values()):
            noted = self.noted.get(container.id)
            self._feed(
                e.Adopted(
                    id=container.id,
                    assignment=self.journal.get(container.id),
                    started_at=container.started_at,
                    exclusive=container.assignment.exclusive,
                    image=noted.image if noted is not None else "",
                    served=noted.served if noted is not None else None,
                )
            )

    def freeze(self) -> None:
        """The whole machine stands still, its containers too: no time passes for it."""
        self.frozen = True

    def thaw(self) -> None:
        """Go on where it stood."""
        if self.frozen:
            self.frozen = False
            self._watch_leases()
            self.on_thaw(self)
            kept, self._kept = self._kept, []
            for connection, messages in kept:
                self.receive(connection, messages)
            for container in self.containers.values():
                if container.running and container.ends_at < self.world.now:
                    container.ends_at = self.world.now + 0.1
                    self.world.after(0.1, partial(self._finish, container))

    def _later(self, delay_s: float, thing: Callable[[], None]) -> None:
        life = self.life

        def still() -> None:
            if self.life == life and self.agent is not None:
                if self.frozen:
                    self._later(0.5, thing)
                else:
                    thing()

        self.world.after(delay_s, still)

    # --- the link ---

    def _redial(self) -> None:
        if self.connection is not None and self.connection.up:
            return
        self.connection = self.dial(self)
        self.welcomed = False
        if self.connection is None or self.agent is None:
            self._later(self.world.chance.uniform(0.1, 1.0), self._redial)
            return
        hello = wire.Hello(
            version=1,
            name=self.node_id,
            facts=self.facts,
            sent_at=self.wall,
            have=self._said(self.agent.have()),
            complete=self.engine_up,
        )
        self._send([hello])
        self._beat(self.connection)

    def _beat(self, connection: Connection) -> None:
        if connection is not self.connection:
            return
        if not connection.up:
            self._redial()
            return
        self._send([wire.Heartbeat(mono=self.world.now, load=Load())])
        self.tell_traffic()
        self._later(HEARTBEAT_S, lambda: self._beat(connection))

    def _send(self, messages: list[wire.FromAgent]) -> None:
        connection = self.connection
        if connection is not None and self.to_controller is not None:
            self.to_controller(self, connection, messages)

    def receive(self, connection: Connection, messages: list[wire.FromController]) -> None:
        """A frame of the controller arrives."""
        if self.agent is None or connection is not self.connection:
            return
        if self.frozen:  # its kernel keeps what arrives, in order
            self._kept.append((connection, messages))
            return
        for message in messages:
            match message:
                case wire.Welcome(lease_s=lease_s):
                    self.lease_s, self.welcomed = lease_s, True
                case wire.Assign():
                    self._feed(e.Ordered(assign=message))
                case wire.Routes():
                    if self.proxy is not None:
                        self.proxy.take(message)
                        self.tell_traffic()
                case wire.Beat(mono=mono):
                    if self.welcomed:
                        self._feed(e.LeaseRenewed(mono=mono, lease_s=self.lease_s))

    def tell_traffic(self) -> None:
        """The agent of an ingress says what is served."""
        if self.proxy is not None and self.agent is not None and self.welcomed and not self.frozen:
            self._send([self.proxy.traffic()])

    def _watch_leases(self) -> None:
        """What the small supervisor does, whether the agent (and here: the engine) lives or not."""
        for id, until in list(self.watchdog.items()):
            container = self.containers.get(id)
            if (
                container is not None
                and container.running
                and self.power
                and not self.frozen
                and self.world.now >= until
            ):
                self.world.tell(f"{self.node_id} watchdog ends {id}")
                self._end(container, 137)

    def _renew(self) -> None:
        leases = self.agent.leases if self.agent is not None else None
        if leases is not None:
            self.watchdog.update(leases)
            for until in set(leases.values()):
                self.world.after(max(0.0, until - self.world.now), self._watch_leases)

    def _tick(self) -> None:
        self._feed(e.Ticked(mono=self.world.now))
        self._renew()
        self._later(TICK_S, self._tick)

    # --- core and containers ---

    def _feed(self, event: e.Event) -> None:
        if self.agent is None:
            return
        for instruction in self.agent.on_event(event, self.wall):
            self._carry_out(instruction)
        if self.welcomed and (news := self.agent.take_news()):
            self._send([wire.Report(observed=self._said(news))])

    def _said(self, observed: Mapping[AllocationId, Observed]) -> dict[AllocationId, Observed]:
        if self.on_say is not None:
            for id, seen in observed.items():
                self.on_say(self, id, seen)
        return dict(observed)

    def _carry_out(self, instruction: e.Instruction) -> None:
        delay_s = self.world.chance.uniform(0.0, 0.3)
        match instruction:
            case e.Prepare(assignment=assignment):
                self.journal[assignment.id] = assignment
                self._later(delay_s, lambda: self._prepare(assignment))
            case e.Start(assignment=assignment):
                self.journal[assignment.id] = assignment
                self._later(delay_s, lambda: self._start(assignment))
            case e.Watch(id=id):
                self._watch(id)
            case e.LookAfter(assignment=assignment, served=served):
                self._look_after(assignment, served)
            case e.Stop(id=id):
                self._later(delay_s, lambda: self._stop(id))
            case e.Remove(id=id):
                self._later(delay_s, lambda: self._remove(id))
            case e.Refuse():
                pass

    def _prepare(self, assignment: wire.Assignment) -> None:
        if not self.engine_up:
            self._feed(e.Broke(id=assignment.id, cause=Cause.RUNTIME, detail="the engine does not answer"))
        elif assignment.service is not None:
            self._prepare_replica(assignment)
        elif self.world.chance.random() < IMAGE_FAILS:
            self._feed(e.Broke(id=assignment.id, cause=Cause.IMAGE, detail="no such image"))
        else:
            self._feed(e.Prepared(id=assignment.id))

    def _prepare_replica(self, assignment: wire.Assignment) -> None:
        if behaviour_of(assignment.image) is Behaviour.MISSING:
            self._feed(e.Broke(id=assignment.id, cause=Cause.IMAGE, detail=f"there is no image {assignment.image}"))
            return
        self._feed(e.Pinned(id=assignment.id, image=self.resolve(assignment.image or "")))
        self._note(assignment.id)
        self._feed(e.Prepared(id=assignment.id))

    def _start(self, assignment: wire.Assignment) -> None:
        container = self.containers.get(assignment.id)
        if not self.engine_up:
            self._feed(e.Broke(id=assignment.id, cause=Cause.RUNTIME, detail="the engine does not answer"))
            return
        if assignment.exclusive:
            self._renew()
            if self.watchdog.get(assignment.id, 0.0) <= self.world.now:
                self._feed(
                    e.Broke(id=assignment.id, cause=Cause.LEASE, detail="the lease ran out before it could start")
                )
                return
        if container is None:
            container = self._create(assignment)
        self._feed(e.Started(id=assignment.id, at=container.started_at))

    def _create(self, assignment: wire.Assignment) -> Container:
        replica = assignment.service is not None
        span_s, code = self._fate_of_replica(assignment) if replica else _behaviour(assignment)
        container = Container(
            id=assignment.id,
            assignment=assignment,
            started_at=self.wall,
            ends_at=self.world.now + span_s,
            exit_code=code,
        )
        if replica:
            known = self.agent.locals.get(assignment.id) if self.agent is not None else None
            container.image = known.observed.image if known is not None else ""
            container.ready_at = self.world.now + self.world.chance.uniform(*READY_AFTER_S)
            container.ill = behaviour_of(assignment.image) is not Behaviour.OK
        self.containers[assignment.id] = container
        self.world.tell(f"{self.node_id} starts {assignment.id}{f' of {container.image}' if replica else ''}")
        self.on_start(self, container)
        if span_s < FOR_EVER:
            self.world.after(span_s, lambda: self._finish(container))
        return container

    def _fate_of_replica(self, assignment: wire.Assignment) -> tuple[float, int]:
        if behaviour_of(assignment.image) is Behaviour.CRASH:
            return self.world.chance.uniform(*CRASH_AFTER_S), 1
        return FOR_EVER, 0

    # --- replicas ---

    def kill_container(self, id: AllocationId) -> None:
        """kill -9 of what runs in it."""
        container = self.containers.get(id)
        if container is not None and container.running and self.power:
            self.world.tell(f"{self.node_id} {id} is killed")
            self._end(container, 137)

    def _look_after(self, assignment: wire.Assignment, known: Served | None) -> None:
        endpoint = f"{self.node_id}:{30000 + assignment.number}"
        first_s = self.world.chance.uniform(0.0, PROBED_S)
        self._later(first_s, lambda: self._probe(assignment, first_verdict(known, endpoint, self.wall), known))

    def _probe(self, assignment: wire.Assignment, verdict: Verdict, told: Served | None) -> None:
        """As draas.agent.shell.tending does."""
        container, service = self.containers.get(assignment.id), assignment.service
        if container is None or service is None or not container.running or self.agent is None:
            return
        outcome = Outcome(container.answers(self.world.now), "it does not answer")
        verdict = judge_probe(verdict, outcome, service.probe, self.wall)
        if verdict.served != told:
            self._feed(e.LookedAfter(id=assignment.id, served=verdict.served))
            self._note(assignment.id)
        pause_s = max(PROBED_S, wait_s(verdict, service.probe, self.wall, self.world.chance.random()))
        self._later(pause_s, lambda: self._probe(assignment, verdict, verdict.served))

    def _note(self, id: AllocationId) -> None:
        if self.agent is not None and (local := self.agent.locals.get(id)) is not None:
            self.noted[id] = local.observed

    # --- ends ---

    def _finish(self, container: Container) -> None:
        """Its time has come, whether an agent looks on or not."""
        if container.running and self.power and not self.frozen:
            self._end(container, container.exit_code)

    def _end(self, container: Container, code: int) -> None:
        container.ended_at = self.wall
        container.exit_code = code
        self.on_end(self, container)
        if (
            container.assignment.service is not None
        ):  # it is watched from its start to its end, without looking all the time
            self._later(self.world.chance.uniform(0.0, 0.1), lambda: self._watch(container.id))

    def _watch(self, id: AllocationId) -> None:
        container = self.containers.get(id)
        if not self.engine_up:
            self._later(ENGINE_AGAIN_S, lambda: self._watch(id))
        elif container is None:
            self._feed(e.Broke(id=id, cause=Cause.RUNTIME, detail="no such container"))
        elif container.ended_at is None:
            if container.assignment.service is None:
                self._later(0.1, lambda: self._watch(id))
        else:
            ended = Exited(
                exit_code=container.exit_code,
                started_at=container.started_at,
                finished_at=container.ended_at,
                built=built_by(id) if container.assignment.build is not None and not container.exit_code else None,
            )
            self._feed(e.HasExited(id=id, ended=ended))
            self._later(self.world.chance.uniform(0.0, 0.2), lambda: self._feed(e.LogsSafe(id=id)))

    def _stop(self, id: AllocationId) -> None:
        if not self.engine_up:
            self._later(ENGINE_AGAIN_S, lambda: self._stop(id))
            return
        container = self.containers.get(id)
        if container is not None and container.running:
            self._end(container, STOPPED_CODE)
        self._feed(e.HasStopped(id=id))

    def _remove(self, id: AllocationId) -> None:
        if not self.engine_up:
            self._later(ENGINE_AGAIN_S, lambda: self._remove(id))
            return
        self._stop_quietly(id)
        self.containers.pop(id, None)
        self.journal.pop(id, None)
        self.noted.pop(id, None)
        self._feed(e.Removed(id=id))

    def _stop_quietly(self, id: AllocationId) -> None:
        container = self.containers.get(id)
        if container is not None and container.running:
            self._end(container, 137)


def _behaviour(assignment: wire.Assignment) -> tuple[float, int]:
    """How long a simulated command runs, and its exit code: ("run", seconds, code, …codes of later attempts)."""
    if assignment.build is not None:
        return fate_of_build(assignment)
    assert not isinstance(assignment.command, str)
    _, span, *codes = assignment.command
    return float(span), int(codes[min(assignment.number - 1, len(codes) - 1)])
