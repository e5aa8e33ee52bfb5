"""App world: apps on pretended machines, driven through the real control step by step on a pretended clock.

What a container does follows from its image (draas.testing.pretended_image). `check` holds what must always hold; break things in between and ask again.
"""

from dataclasses import dataclass, field

from draas.lib.values import replace
from draas.model.allocation import AllocationId, AllocationState, Cause, Desired, NodeId, Observed
from draas.model.app import App, AppId
from draas.model.app_spec import AppSpec, Deploy
from draas.model.command import AppCommand, PatchNode, PutApp
from draas.model.job import ProjectName
from draas.model.node import Facts, Load
from draas.model.policy import Policy
from draas.model.probe import Health, Served
from draas.model.resources import MIB, Resources
from draas.model.route import AppRoute, Counters, Ingress
from draas.scheduler.control import Control
from draas.testing.app_rules import check_app, check_app_step
from draas.testing.builders import NOW, some_facts
from draas.testing.pretended_image import Behaviour, behaviour_of, pin
from draas.wire.link import Assign, Assignment, Routes, Traffic

STEP_S = 0.2
STARTS_IN_S = 0.6  # a container's way from its assignment to running
HEALTHY_IN_S = 0.4


def an_app_spec(
    image: str = "ok:1",
    *,
    replicas: int = 2,
    cpu: int = 500,
    port: int | None = 80,
    deploy: Deploy | None = None,
    **changes: object,
) -> AppSpec:
    """An app of two small replicas."""
    spec = AppSpec(
        image=image,
        port=port,
        resources=Resources(cpu_millis=cpu, memory_bytes=64 * MIB),
        min_replicas=replicas,
        max_replicas=replicas,
        deploy=deploy or Deploy(healthy_after_s=1.0, deadline_s=10.0, drain_s=5.0),
    )
    return replace(spec, **changes)


@dataclass(slots=True)
class Machine:
    """What a pretended agent has. `busy`: replicas on which requests are under way for ever."""

    name: str
    facts: Facts
    up: bool = True
    linked: bool = False
    wanted: dict[AllocationId, Assignment] = field(default_factory=dict)
    since: dict[AllocationId, float] = field(default_factory=dict)
    seen: dict[AllocationId, Observed] = field(default_factory=dict)
    routes: dict[str, AppRoute] = field(default_factory=dict)
    generation: int = 0
    clock_off_s: float = 0.0
    digest: int = 1  # what tags stand for there

    @property
    def id(self) -> NodeId:
        return NodeId(f"n-{self.name}")


class AppWorld:
    """A control and its machines. The first machine has the ingress role."""

    def __init__(self, machines: int = 3, *, cpu: int = 4000) -> None:
        self.now = NOW
        self.policy = Policy()
        self.control = Control((), (), 1, 1, self.policy, self.now)
        self.machines: dict[NodeId, Machine] = {}
        self.busy: set[AllocationId] = set()
        self.sick: set[AllocationId] = set()
        self.requests_per_s = 0.0  # what every app's ingress counts
        self.waking: tuple[str, ...] = ()  # apps for which a request is held
        self._requests = 0.0
        self._before: dict[AppId, App] = {}
        self._serial = 0
        for number in range(machines):
            self.add_machine(f"m{number}", cpu=cpu, ingress=number == 0)

    # --- the cast ---

    def add_machine(self, name: str, *, cpu: int = 4000, ingress: bool = False) -> Machine:
        """One more machine, linked."""
        facts = some_facts(cpu=cpu, roles=("worker", "ingress") if ingress else ("worker",))
        if ingress:
            facts = replace(facts, ingress=Ingress(proxy="haproxy", http_port=80, address="10.0.0.1"))
        machine = Machine(name, facts)
        self.machines[machine.id] = machine
        self.link(machine)
        return machine

    def link(self, machine: Machine) -> None:
        """Its agent says hello."""
        machine.up = machine.linked = True
        self.control.connect(machine.id, machine.name, machine.facts, dict(machine.seen), True, self.now)
        self._take_orders(machine, self.control.full_orders(machine.id))
        routes = self.control.apps.full_routes(machine.id)
        if routes is not None:
            self._take_routes(machine, routes)

    def unlink(self, machine: Machine) -> None:
        """Its link closes; all that runs there runs on."""
        machine.linked = False
        self.control.disconnect(machine.id, self.now)

    def restart_controller(self) -> None:
        """A new controller from what is durable. No agent has called it yet."""
        cluster = self.control.cluster
        jobs, nodes, apps = cluster.jobs.values(), cluster.nodes.values(), cluster.apps.values()
        epoch = self.control.epoch + 1
        self.control = Control(jobs, nodes, cluster.next_seq, epoch, self.policy, self.now, apps)
        for machine in self.machines.values():
            machine.linked = False

    def power_off(self, machine: Machine) -> None:
        """All that ran there is gone."""
        machine.up = machine.linked = False
        machine.seen.clear()
        machine.since.clear()
        machine.wanted.clear()
        self.control.disconnect(machine.id, self.now)

    def do(self, command: AppCommand) -> App:
        """A user's command. Raises DraasError."""
        return self.control.apps.command(command, self.now)[0]

    def put(self, spec: AppSpec, name: str = "shop") -> App:
        """Deploy `spec`."""
        self._serial += 1
        return self.do(PutApp(id=AppId(f"p-{self._serial}"), project=ProjectName("default"), name=name, spec=spec))

    def drain(self, machine: Machine) -> None:
        """Nothing is to stay there."""
        self.control.command(PatchNode(id=machine.id, labels={}, drain=True), self.now)

    def kill(self, id: AllocationId, exit_code: int = 137) -> None:
        """The replica's container dies."""
        for machine in self.machines.values():
            seen = machine.seen.get(id)
            if seen is not None and seen.state is AllocationState.RUNNING:
                self._see(
                    machine,
                    id,
                    replace(
                        seen,
                        state=AllocationState.FAILED,
                        cause=Cause.EXIT,
                        exit_code=exit_code,
                        detail=f"exited with code {exit_code}",
                        finished_at=self.now,
                        served=None,
                    ),
                )

    def app(self, name: str = "shop") -> App:
        """The app as it is."""
        found = self.control.cluster.app_named(name)
        assert found is not None, f"there is no app {name}"
        return found

    def endpoints(self, name: str = "shop") -> dict[AllocationId, bool]:
        """What the ingress has of the app: the ids of its endpoints, and whether they drain."""
        ingress = next(machine for machine in self.machines.values() if machine.facts.ingress is not None)
        route = ingress.routes.get(name)
        return {one.id: one.draining for one in route.endpoints} if route is not None else {}

    # --- time ---

    def run(self, duration_s: float) -> None:
        """Let time go by, checking what must always hold."""
        until = self.now + duration_s
        while self.now < until:
            self.step()

    def step(self) -> None:
        """One step of everything."""
        self.now += STEP_S
        for machine in self.machines.values():
            if machine.linked:
                self.control.heartbeat(machine.id, Load(), None, self.now)
                self._advance(machine)
        self.control.tick(self.now)
        self.control.take()
        for node_id, assign in self.control.orders().items():
            self._take_orders(self.machines[node_id], assign)
        for node_id, routes in self.control.apps.take_routes().items():
            self._take_routes(self.machines[node_id], routes)
        self.check()

    def check(self) -> None:
        """Books and replicas agree; the rules of apps hold; what is told to stop is in no route."""
        self.control.fleet.check(self.control.cluster)
        for app in self.control.cluster.apps.values():
            check_app(app)
            check_app_step(self._before.get(app.id), app)
            stopping = {one.id for one in app.replicas if one.stopping}
            if any(machine.linked for machine in self.machines.values() if machine.facts.ingress is not None):
                assert not stopping & set(self.endpoints(app.name)), "what is told to stop gets requests"
        self._before = dict(self.control.cluster.apps)

    def _advance(self, machine: Machine) -> None:
        for id, assignment in list(machine.wanted.items()):
            seen = machine.seen[id]
            if seen.state in _ENDS:
                continue
            if assignment.desired is Desired.STOP:
                stopped = replace(seen, state=AllocationState.STOPPED, cause=Cause.CANCELLED, finished_at=self.now)
                self._see(machine, id, stopped)
                continue
            following = self._next if assignment.service is not None else self._next_of_job
            self._see(machine, id, following(machine, assignment, seen))
        if machine.facts.ingress is not None:
            drained = [
                one.id
                for route in machine.routes.values()
                for one in route.endpoints
                if one.draining and one.id not in self.busy
            ]
            self._requests += self.requests_per_s * STEP_S
            counted = dict.fromkeys(machine.routes, Counters(requests=round(self._requests)))
            traffic = Traffic(generation=machine.generation, apps=counted, drained=drained, waking=self.waking)
            self.control.apps.take_traffic(machine.id, traffic, self.now)

    def _next_of_job(self, machine: Machine, assignment: Assignment, seen: Observed) -> Observed:
        """A release command: `fail` fails."""
        if self.now - machine.since[assignment.id] < STARTS_IN_S:
            return replace(seen, state=AllocationState.PREPARING)
        if assignment.command == "fail":
            return replace(
                seen, state=AllocationState.FAILED, cause=Cause.EXIT, exit_code=3, detail="exited with code 3"
            )
        return replace(
            seen, state=AllocationState.SUCCEEDED, exit_code=0, image=f"{assignment.image}@sha256:1".partition("@@")[0]
        )

    def _next(self, machine: Machine, assignment: Assignment, seen: Observed) -> Observed:
        age_s = self.now - machine.since[assignment.id]
        behaviour, image = behaviour_of(assignment.image), pin(assignment.image, machine.digest)
        if behaviour is Behaviour.MISSING:
            return replace(
                seen,
                state=AllocationState.FAILED,
                cause=Cause.IMAGE,
                detail=f"there is no image {assignment.image}",
                finished_at=self.now,
            )
        if age_s < STARTS_IN_S:
            return replace(seen, state=AllocationState.PREPARING, image=image)
        if behaviour is Behaviour.CRASH:
            return replace(
                seen,
                state=AllocationState.FAILED,
                cause=Cause.EXIT,
                exit_code=1,
                detail="exited with code 1",
                started_at=self.now,
                finished_at=self.now,
            )
        running = replace(
            seen,
            state=AllocationState.RUNNING,
            started_at=seen.started_at or self.now + machine.clock_off_s,
            image=seen.image or image,
        )
        return replace(running, served=self._served(machine, assignment, running, behaviour is Behaviour.SICK, age_s))

    def _served(self, machine: Machine, assignment: Assignment, seen: Observed, sick: bool, age_s: float) -> Served:
        before = seen.served or Served()
        endpoint = f"{machine.name}:{30000 + assignment.number}"
        health = Health.HEALTHY if age_s >= STARTS_IN_S + HEALTHY_IN_S else Health.UNKNOWN
        if (sick and age_s > 2.0) or assignment.id in self.sick:
            health = Health.UNHEALTHY
        elif sick:
            health = Health.UNKNOWN
        since = before.since if before.health is health else self.now + machine.clock_off_s
        return Served(health=health, since=since, endpoint=endpoint, detail="it does not answer" if sick else "")

    def _see(self, machine: Machine, id: AllocationId, observed: Observed) -> None:
        if observed == machine.seen.get(id):
            return
        machine.seen[id] = observed
        if machine.linked:
            self.control.report(machine.id, {id: observed}, self.now, 0.5)

    def _take_orders(self, machine: Machine, assign: Assign) -> None:
        if not machine.linked:
            return
        gone = [id for id in machine.wanted if id not in {a.id for a in assign.put}] if assign.full else assign.forget
        for id in gone:
            machine.wanted.pop(id, None)
            machine.seen.pop(id, None)
            machine.since.pop(id, None)
        for assignment in assign.put:
            machine.wanted[assignment.id] = assignment
            machine.since.setdefault(assignment.id, self.now)
            machine.seen.setdefault(assignment.id, Observed())

    def _take_routes(self, machine: Machine, routes: Routes) -> None:
        if not machine.linked:
            return
        machine.generation = routes.generation
        if routes.full:
            machine.routes.clear()
        for name in routes.forget:
            machine.routes.pop(name, None)
        for route in routes.put:
            machine.routes[route.app] = route


_ENDS = frozenset({AllocationState.FAILED, AllocationState.STOPPED, AllocationState.SUCCEEDED, AllocationState.LOST})
