"""One run: a few machines, a controller, users and every kind of fault for a minute; then all is healed and must come to rest."""

from collections.abc import Callable

from draas.agent.core.core import AgentCore
from draas.model.allocation import NodeId
from draas.model.command import CancelJob, Command, DeleteJob, PatchNode, RemoveNode, RetryJob, SubmitJobs
from draas.model.errors import DraasError
from draas.model.job import DEFAULT_PROJECT, Job, JobId, JobSpec
from draas.model.policy import Policy
from draas.model.resources import MIB, Resources
from draas.model.state import IllegalMove
from draas.scheduler.control import Control
from draas.scheduler.fleet import Imbalance
from draas.testing.app_rules import RuleBroken
from draas.testing.sim.builds import BUILDER_EVERY, a_build
from draas.testing.sim.controller import Controller, Disk
from draas.testing.sim.invariants import Invariants, Violated
from draas.testing.sim.machines import Container, Machine
from draas.testing.sim.network import Connection, Faults
from draas.testing.sim.world import World
from draas.wire import link as wire

FAULTY_S = 40.0
HEALING_S = 240.0
MACHINES = 3
NOTICE_S = 2.0  # how long a side may take to notice a cut


class Scenario:
    """A run of jobs by its seed. The classes can be replaced by broken ones (tests/sim/mutants) to see that they are caught."""

    capacity = Resources(cpu_millis=2000, memory_bytes=1024 * MIB)
    agent_away_s: tuple[float, ...] = (0.2, 2.0, 15.0)

    def __init__(
        self,
        seed: int,
        control: type[Control] = Control,
        agent: type[AgentCore] = AgentCore,
        controller: type[Controller] = Controller,
    ) -> None:
        self.world = World(seed)
        self.faults = Faults()
        self.disk = Disk()
        self.policy = Policy(lease_s=9.0, retry_cap_s=10.0, mass_loss_hold_s=10.0)
        self.invariants = Invariants(self.disk)
        self._controller_class = type("Used", (controller,), {"control_class": control})
        self.controller: Controller | None = None
        self._submitted: list[JobId] = []
        self._healing = False
        self._connections: list[tuple[Machine, Connection]] = []
        self._unreachable: set[NodeId] = set()
        self._agent_class = agent
        self.machines: list[Machine] = []

    def _join(self) -> None:
        """One more machine."""
        number = len(self.machines)
        machine = Machine(
            world=self.world,
            node_id=NodeId(f"n{number}"),
            capacity=self.capacity,
            dial=self._dial,
            on_start=self._started,
            on_end=self._ended,
            on_thaw=self.invariants.thawed,
            on_say=self.invariants.said,
            agent_class=self._agent_class,
            to_controller=self._to_controller,
            builds=number % BUILDER_EVERY == 0,
        )
        self.machines.append(machine)
        self._furnish(machine)
        machine.boot()

    def _furnish(self, machine: Machine) -> None:
        """What else it gets before it is switched on."""

    def _started(self, machine: Machine, container: Container) -> None:
        self.invariants.started(machine, container)

    def _ended(self, machine: Machine, container: Container) -> None:
        self.invariants.ended(machine, container)

    def run(self) -> None:
        """The whole run. Raises Violated (with seed and story) where an invariant breaks."""
        try:
            self._start_controller()
            for _ in range(MACHINES):
                self._join()
            self._plan_users()
            self._plan_faults()
            self.world.run_until(1_000_000.0 + FAULTY_S, self._check)
            self._heal()
            self._come_to_rest()
        except (Violated, RuleBroken, IllegalMove, Imbalance) as broken:
            story = "\n".join(self.world.story[-60:])
            raise Violated(
                f"seed {self.world.seed}, again with `./test sim --seed {self.world.seed}`: {broken}\n{story}"
            ) from broken

    def _come_to_rest(self) -> None:
        """Run on until nothing is left to do; raises Violated with what is left where that takes too long."""
        deadline = self.world.now + HEALING_S
        while True:
            self.world.run_until(self.world.now + 5.0, self._check)
            assert self.controller is not None
            try:
                self._check_converged(self.controller)
            except Violated:
                if self.world.now >= deadline:
                    raise
            else:
                return

    @property
    def _members(self) -> list[Machine]:
        """The machines that have not been removed."""
        return [machine for machine in self.machines if machine.node_id not in self.disk.gone_nodes]

    def _check(self) -> None:
        self.invariants.check(self.controller)

    def _check_converged(self, controller: Controller) -> None:
        self.invariants.check_converged(controller, self._members, {})

    # --- the network between them ---

    def _dial(self, machine: Machine) -> Connection | None:
        controller = self.controller
        if controller is None or not controller.alive or machine.node_id in self._unreachable:
            return None
        if machine.node_id in self.disk.gone_nodes:
            return None  # its key is revoked
        connection = Connection(self.world, self.faults)
        self._connections.append((machine, connection))
        return connection

    def _to_controller(self, machine: Machine, connection: Connection, messages: list[wire.FromAgent]) -> None:
        controller = self.controller
        if controller is not None:
            connection.send(
                "up", lambda: controller.receive(machine.node_id, connection, messages) if controller.alive else None
            )

    def _to_agent(self, node_id: NodeId, connection: Connection, messages: list[wire.FromController]) -> None:
        machine = next(machine for machine in self.machines if machine.node_id == node_id)
        connection.send("down", lambda: machine.receive(connection, messages))

    def _cut(self, machine: Machine) -> None:
        for owner, connection in self._connections:
            if owner is machine and connection.up:
                connection.cut()
                self._notice(machine, connection)
        self._connections = [pair for pair in self._connections if pair[1].up]

    def _notice(self, machine: Machine, connection: Connection) -> None:
        controller = self.controller
        if controller is not None:
            notice = self.world.chance.uniform(0.0, NOTICE_S)
            self.world.after(
                notice, lambda: controller.closed(machine.node_id, connection) if controller.alive else None
            )

    # --- users ---

    def _plan_users(self) -> None:
        chance = self.world.chance
        for _ in range(chance.randint(4, 14)):
            self.world.after(chance.uniform(0.0, FAULTY_S * 0.8), self._submit)
        for _ in range(chance.randint(0, 4)):
            self.world.after(chance.uniform(0.0, FAULTY_S * 0.8), self._submit_build)
        for _ in range(chance.randint(0, 4)):
            self.world.after(chance.uniform(2.0, FAULTY_S), self._cancel)
        for _ in range(chance.randint(0, 3)):
            self.world.after(chance.uniform(5.0, FAULTY_S), self._retry)
        for _ in range(chance.randint(0, 2)):
            self.world.after(chance.uniform(5.0, FAULTY_S), self._delete)
        for step in (self._drain, self._drain, self._remove, self._join):
            if chance.random() < 0.25:
                self.world.after(chance.uniform(2.0, FAULTY_S), step)

    def _ask(self, command: Command, loaded: Job | None, accepted: Callable[[list[Job]], None]) -> None:
        """Ask the controller, if there is one; `accepted` is called when it has said yes."""
        controller = self.controller
        if controller is None or not controller.alive:
            return

        def answered(outcome: list[Job] | DraasError) -> None:
            if not isinstance(outcome, DraasError):
                accepted(outcome)

        controller.command(command, loaded, answered)

    def _submit(self) -> None:
        chance = self.world.chance
        count = chance.choice((1, 1, 1, 1, 1, 3, 3, 8))
        ids = [JobId(f"j{len(self._submitted) + number}") for number in range(count)]
        earlier = list(self._submitted)
        self._submitted += ids
        specs = []
        for number in range(count):
            pool = [*earlier[-4:], *ids[:number]]
            needs = tuple(chance.sample(pool, min(len(pool), chance.choice((0, 0, 1, 2)))))
            specs.append(self._spec(needs))
        known = {id: self.disk.jobs[id].state for spec in specs for id in spec.needs if id in self.disk.jobs}
        command = SubmitJobs(project=DEFAULT_PROJECT, ids=ids, specs=specs, known=known)
        self._ask(command, None, lambda jobs: self.invariants.acknowledged(job.id for job in jobs))

    def _submit_build(self) -> None:
        id = JobId(f"j{len(self._submitted)}")
        self._submitted.append(id)
        command = SubmitJobs(project=DEFAULT_PROJECT, ids=[id], specs=[a_build(id, self.world.chance)], known={})
        self._ask(command, None, lambda jobs: self.invariants.acknowledged(job.id for job in jobs))

    def _spec(self, needs: tuple[JobId, ...]) -> JobSpec:
        chance = self.world.chance
        codes = chance.choice((("0",), ("0",), ("0",), ("1", "0"), ("1",)))
        return JobSpec(
            command=("run", f"{chance.choice((0.05, 1, 5, 15)):g}", *codes),
            resources=Resources(cpu_millis=chance.choice((100, 500, 1000, 2000)), memory_bytes=64 * MIB),
            priority=chance.choice((10, 50, 90)),
            retries=chance.choice((0, 1, 3)),
            timeout_s=chance.choice((None, None, 3.0)),
            exclusive=chance.random() < 0.4,
            needs=needs,
        )

    def _cancel(self) -> None:
        if self._submitted:
            job_id = self.world.chance.choice(self._submitted)
            loaded = self.disk.jobs.get(job_id)
            retries = self.invariants.retries_of(job_id)
            self._ask(CancelJob(id=job_id), loaded, lambda _jobs: self.invariants.cancelled(job_id, retries))

    def _retry(self) -> None:
        if ended := [job for job in self.disk.jobs.values() if job.ended]:
            job = self.world.chance.choice(ended)
            self.invariants.retried(job.id)
            self._ask(RetryJob(id=job.id), job, lambda _jobs: None)

    def _delete(self) -> None:
        if ended := [job for job in self.disk.jobs.values() if job.ended]:
            job = self.world.chance.choice(ended)
            self.invariants.delete_asked(job.id)
            self._ask(DeleteJob(id=job.id), job, lambda _jobs: self.invariants.deleted(job.id))

    def _drain(self) -> None:
        node_id = self.world.chance.choice(self.machines).node_id
        drain = self.world.chance.random() < 0.7
        self.world.tell(f"{node_id} {'drain' if drain else 'ready'}")
        self._patch(node_id, drain)

    def _patch(self, node_id: NodeId, drain: bool) -> None:
        if not drain:
            self.invariants.drained(node_id, False, self.world.now)
        self._ask(
            PatchNode(id=node_id, labels={}, drain=drain),
            None,
            lambda _jobs: self.invariants.drained(node_id, drain, self.world.now),
        )

    def _remove(self) -> None:
        machine = self.world.chance.choice(self.machines)
        self.world.tell(f"{machine.node_id} is to be removed")
        self._ask(RemoveNode(id=machine.node_id), None, lambda _jobs: self._cut(machine))

    # --- faults ---

    def _plan_faults(self) -> None:
        chance = self.world.chance
        kinds = self._kinds_of_faults()
        # Half of the runs know a few kinds of faults only, and so more of each: some bugs need the same thing twice.
        # Source: Groce et al., "Swarm Testing", ISSTA 2012.
        some = chance.sample(kinds, chance.randint(1, 3)) if chance.random() < 0.5 else kinds
        for _ in range(chance.randint(0, 12)):
            self.world.after(chance.uniform(1.0, FAULTY_S - 1.0), chance.choice(some))

    def _kinds_of_faults(self) -> tuple[Callable[[], None], ...]:
        return (
            self._crash_controller,
            self._kill_agent,
            self._power_cut,
            self._partition,
            self._freeze,
            self._flap,
            self._break_engine,
            self._fill_disk,
            self._set_clock,
        )

    def _start_controller(self) -> None:
        if self.controller is None or not self.controller.alive:
            self.world.tell("controller starts")
            self.controller = self._controller_class(self.world, self.disk, self.policy, self._to_agent)

    def _crash_controller(self) -> None:
        if self.controller is not None and self.controller.alive:
            self.controller.crash()
            for _, connection in self._connections:
                connection.cut()
            self._connections.clear()
            self.world.after(self.world.chance.choice((0.5, 3.0, 12.0)), self._start_controller)

    def _kill_agent(self) -> None:
        machine = self.world.chance.choice(self.machines)
        self.world.tell(f"{machine.node_id} agent killed")
        self._cut(machine)
        machine.kill_agent()
        self.world.after(self.world.chance.choice(self.agent_away_s), machine.start_agent)

    def _power_cut(self) -> None:
        machine = self.world.chance.choice(self.machines)
        self._cut(machine)
        machine.power_cut()
        self.world.after(self.world.chance.choice((1.0, 5.0, 20.0)), machine.boot)

    def _partition(self) -> None:
        machine = self.world.chance.choice(self.machines)
        self.world.tell(f"{machine.node_id} cut off")
        self._unreachable.add(machine.node_id)
        self._cut(machine)
        self.world.after(
            self.world.chance.choice((1.0, 4.0, 8.0, 20.0)), lambda: self._unreachable.discard(machine.node_id)
        )

    def _flap(self) -> None:
        machine = self.world.chance.choice(self.machines)
        self.world.tell(f"{machine.node_id} link flaps")
        self._cut(machine)

    def _freeze(self) -> None:
        machine = self.world.chance.choice(self.machines)
        self.world.tell(f"{machine.node_id} freezes")
        machine.freeze()

        def thaw() -> None:
            self.world.tell(f"{machine.node_id} thaws")
            machine.thaw()

        self.world.after(self.world.chance.choice((1.0, 5.0, 12.0)), thaw)

    def _break_engine(self) -> None:
        machine = self.world.chance.choice(self.machines)
        machine.break_engine(ends_containers=self.world.chance.random() < 0.3)
        away_s = self.world.chance.choice((2.0, 5.0, 9.0))
        self.world.after(away_s, machine.start_engine)
        if self.world.chance.random() < 0.7:  # and the agent finds no engine when it starts again
            self._cut(machine)
            machine.kill_agent()
            self.world.after(0.2, machine.start_agent)

    def _fill_disk(self) -> None:
        self.world.tell("the controller's disk is full")
        self.disk.full = True

        def empty() -> None:
            self.disk.full = False

        self.world.after(self.world.chance.choice((0.5, 3.0, 8.0)), empty)

    def _set_clock(self) -> None:
        machine = self.world.chance.choice(self.machines)
        machine.skew_s = self.world.chance.choice((-3600.0, -20.0, 20.0, 3600.0))
        self.world.tell(f"{machine.node_id} clock is set, now {machine.skew_s:+g} s off")

    def _heal(self) -> None:
        self.world.tell("all is healed")
        self.disk.full = False
        self.faults.duplicate = self.faults.stale = self.faults.late = 0.0
        self._unreachable.clear()
        self._start_controller()
        for machine in self.machines:
            machine.thaw()
            machine.boot()
            machine.start_engine()
        self.world.after(5.0, self._make_ready)

    def _make_ready(self) -> None:
        """Let all nodes take work again, or what is queued could wait for ever."""
        for node_id in list(self.disk.nodes):
            self._patch(node_id, False)
