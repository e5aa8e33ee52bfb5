"""One run: three machines, a controller, users and every kind of fault for a minute; then all is healed and must come to rest."""

from draas.agent.core.core import AgentCore
from draas.model.allocation import NodeId
from draas.model.command import CancelJob, RetryJob, SubmitJobs
from draas.model.errors import DraasError
from draas.model.job import DEFAULT_PROJECT, Job, JobId, JobSpec
from draas.model.policy import Policy
from draas.model.resources import MIB, Resources
from draas.scheduler.control import Control
from draas.testing.sim.controller import Controller, Disk
from draas.testing.sim.invariants import Invariants, Violated
from draas.testing.sim.machines import Machine
from draas.testing.sim.network import Connection, Faults
from draas.testing.sim.world import World
from draas.wire import link as wire

FAULTY_S = 40.0
HEALING_S = 240.0
MACHINES = 3
NOTICE_S = 2.0  # how long a side may take to notice a cut


class Scenario:
    """A run by its seed. The classes can be replaced by broken ones (tests/sim/mutants) to see that they are caught."""

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
        self.policy = Policy(lease_s=6.0, retry_cap_s=10.0, mass_loss_hold_s=10.0)
        self.invariants = Invariants(self.disk)
        self._controller_class = type("Used", (controller,), {"control_class": control})
        self.controller: Controller | None = None
        self._submitted: list[JobId] = []
        self._healing = False
        self._connections: list[tuple[Machine, Connection]] = []
        self._unreachable: set[NodeId] = set()
        self.machines = [self._machine(number, agent) for number in range(MACHINES)]

    def _machine(self, number: int, agent: type[AgentCore]) -> Machine:
        return Machine(
            world=self.world,
            node_id=NodeId(f"n{number}"),
            capacity=Resources(cpu_millis=2000, memory_bytes=1024 * MIB),
            dial=self._dial,
            on_start=self.invariants.started,
            on_end=self.invariants.ended,
            agent_class=agent,
            to_controller=self._to_controller,
        )

    def run(self) -> None:
        """The whole run. Raises Violated (with seed and story) where an invariant breaks."""
        try:
            self._start_controller()
            for machine in self.machines:
                machine.boot()
            self._plan_users()
            self._plan_faults()
            self.world.run_until(1_000_000.0 + FAULTY_S, self._check)
            self._heal()
            self._come_to_rest()
        except Violated as violated:
            story = "\n".join(self.world.story[-60:])
            raise Violated(f"seed {self.world.seed}: {violated}\n{story}") from violated

    def _come_to_rest(self) -> None:
        """Run on until nothing is left to do; raises Violated with what is left where that takes too long."""
        deadline = self.world.now + HEALING_S
        while True:
            self.world.run_until(self.world.now + 5.0, self._check)
            assert self.controller is not None
            try:
                self.invariants.check_converged(self.controller, self.machines)
            except Violated:
                if self.world.now >= deadline:
                    raise
            else:
                return

    def _check(self) -> None:
        self.invariants.check(self.controller)

    # --- the network between them ---

    def _dial(self, machine: Machine) -> Connection | None:
        controller = self.controller
        if controller is None or not controller.alive or machine.node_id in self._unreachable:
            return None
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
            self.world.after(chance.uniform(2.0, FAULTY_S), self._cancel)
        for _ in range(chance.randint(0, 3)):
            self.world.after(chance.uniform(5.0, FAULTY_S), self._retry)

    def _submit(self) -> None:
        chance = self.world.chance
        count = chance.choice((1, 1, 1, 3))
        ids = [JobId(f"j{len(self._submitted) + number}") for number in range(count)]
        earlier = list(self._submitted)
        self._submitted += ids
        specs = []
        for number in range(count):
            pool = [*earlier[-4:], *ids[:number]]
            needs = tuple(chance.sample(pool, min(len(pool), chance.choice((0, 0, 1, 2)))))
            specs.append(self._spec(needs))
        controller = self.controller
        if controller is None or not controller.alive:
            return
        known = {id: self.disk.jobs[id].state for spec in specs for id in spec.needs if id in self.disk.jobs}
        command = SubmitJobs(project=DEFAULT_PROJECT, ids=ids, specs=specs, known=known)

        def answered(outcome: list[Job] | DraasError) -> None:
            if not isinstance(outcome, DraasError):
                for job in outcome:
                    self.invariants.acknowledged(job.id)

        controller.command(command, None, answered)

    def _spec(self, needs: tuple[JobId, ...]) -> JobSpec:
        chance = self.world.chance
        codes = chance.choice((("0",), ("0",), ("0",), ("1", "0"), ("1",)))
        return JobSpec(
            command=("run", f"{chance.choice((0.05, 1, 5, 15)):g}", *codes),
            resources=Resources(cpu_millis=chance.choice((100, 500, 1000, 2000)), memory_bytes=64 * MIB),
            priority=chance.choice((10, 50, 90)),
            retries=chance.choice((0, 1, 3)),
            timeout_s=chance.choice((None, None, 3.0)),
            exclusive=chance.random() < 0.3,
            needs=needs,
        )

    def _cancel(self) -> None:
        controller = self.controller
        if controller is None or not controller.alive or not self._submitted:
            return
        job_id = self.world.chance.choice(self._submitted)

        def answered(outcome: list[Job] | DraasError) -> None:
            if not isinstance(outcome, DraasError):
                self.invariants.cancelled(job_id)

        controller.command(CancelJob(id=job_id), self.disk.jobs.get(job_id), answered)

    def _retry(self) -> None:
        controller = self.controller
        ended = [job for job in self.disk.jobs.values() if job.ended]
        if controller is None or not controller.alive or not ended:
            return
        job = self.world.chance.choice(ended)
        self.invariants.retried(job.id)
        controller.command(RetryJob(id=job.id), job, lambda _outcome: None)

    # --- faults ---

    def _plan_faults(self) -> None:
        chance = self.world.chance
        kinds = (self._crash_controller, self._kill_agent, self._power_cut, self._partition, self._freeze, self._flap)
        for _ in range(chance.randint(0, 10)):
            self.world.after(chance.uniform(1.0, FAULTY_S - 1.0), chance.choice(kinds))

    def _start_controller(self) -> None:
        if self.controller is None or not self.controller.alive:
            self.world.tell("controller starts")
            self.controller = self._controller_class(self.world, self.disk, self.policy, self._to_agent)

    def _crash_controller(self) -> None:
        if self.controller is not None and self.controller.alive:
            self.controller.crash()
            self.world.after(self.world.chance.choice((0.5, 3.0, 12.0)), self._start_controller)

    def _kill_agent(self) -> None:
        machine = self.world.chance.choice(self.machines)
        self.world.tell(f"{machine.node_id} agent killed")
        self._cut(machine)
        machine.kill_agent()
        self.world.after(self.world.chance.choice((0.2, 2.0, 15.0)), machine.start_agent)

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

    def _heal(self) -> None:
        self.world.tell("all is healed")
        self.faults.duplicate = self.faults.late = 0.0
        self._unreachable.clear()
        self._start_controller()
        for machine in self.machines:
            machine.thaw()
            machine.boot()


def run_seed(seed: int, **broken: type) -> int:
    """One run; returns its number of steps. Raises Violated."""
    scenario = Scenario(seed, **broken)
    scenario.run()
    return scenario.world.steps
