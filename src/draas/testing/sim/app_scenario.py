"""Runs with apps: beside jobs under every fault, or calm ones, in which whatever is ordered must not cost a single request."""

from collections.abc import Callable
from functools import partial

from draas.lib.values import replace
from draas.model.app import App, AppId
from draas.model.app_spec import AppSpec, Canary, Deploy, Order
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
from draas.model.errors import DraasError
from draas.model.job import DEFAULT_PROJECT
from draas.model.probe import Probe
from draas.model.release import CanaryPhase
from draas.model.resources import MIB, Resources
from draas.testing.pretended_image import Behaviour, behaviour_of, pin
from draas.testing.sim.app_invariants import AppInvariants
from draas.testing.sim.client import Visitors
from draas.testing.sim.controller import Controller
from draas.testing.sim.ingress import Proxy
from draas.testing.sim.invariants import Violated
from draas.testing.sim.machines import Container, Machine
from draas.testing.sim.scenario import FAULTY_S, Scenario

NAMES = ("shop", "blog", "wiki")
IMAGES = ("ok:1", "ok:2", "ok:3", "ok:4", "ok:5", "crash:1", "sick:1", "missing:1")
VERDICT_EVERY_S = 4.0


class AppScenario(Scenario):
    """Apps and jobs under every fault."""

    capacity = Resources(cpu_millis=4000, memory_bytes=4096 * MIB)
    calm = False
    drain_s = 5.0

    def __init__(self, seed: int, **broken: type) -> None:
        super().__init__(seed, **broken)
        self.app_invariants = AppInvariants(self.disk, self.invariants, self.calm, self.policy.apps_domain)
        self.visitors = Visitors(self.world, self.machines, self._request_failed)
        self.failed = 0
        # A job's states only go forward, whatever comes late; health goes both ways, and needs what TCP gives: order on one link.
        self.faults.stale_reports = False
        self._digests: dict[str, int] = {}  # what each tag stands for now
        self._serial = 0
        self._ingresses = self.world.chance.randint(1, 2)

    def _furnish(self, machine: Machine) -> None:
        machine.resolve = lambda image: pin(image, self._digests.get(image, 1))
        if len(self.machines) <= self._ingresses:
            machine.proxy = Proxy()

    def _started(self, machine: Machine, container: Container) -> None:
        if container.assignment.service is not None:
            self.app_invariants.started(machine, container)
        else:
            super()._started(machine, container)

    def _ended(self, machine: Machine, container: Container) -> None:
        if container.assignment.service is None:
            super()._ended(machine, container)

    def _start_controller(self) -> None:
        before = self.controller
        super()._start_controller()
        if self.controller is not None and self.controller is not before:
            self._watch_routes(self.controller)

    def _watch_routes(self, controller: Controller) -> None:
        controller.on_routes = self.app_invariants.told_routes
        controller.on_sent = lambda: self.app_invariants.all_sent(controller.welcomed)

    def _check(self) -> None:
        super()._check()
        self.app_invariants.check()

    def _check_converged(self, controller: Controller) -> None:
        self.app_invariants.check_converged(controller.control, self._members)
        self.invariants.check_converged(controller, self._members, self.app_invariants.replicas())

    def _request_failed(self, name: str, why: str) -> None:
        self.failed += 1
        if self.calm and not self.app_invariants.is_leaving(name):
            raise Violated(f"a request to {name} failed: {why}")

    # --- users ---

    def _plan_users(self) -> None:
        super()._plan_users()
        self._plan_app_users()

    def _plan_app_users(self) -> None:
        chance = self.world.chance
        self.world.after(0.5, self.visitors.begin)
        names = NAMES[: chance.randint(1, 3)]
        for name in names:
            self.world.after(chance.uniform(0.5, 5.0), partial(self._deploy, name))
        steps = (
            (self._deploy, 6),
            (self._scale, 3),
            (self._restart, 2),
            (self._rollback, 2),
            (self._remove_app, 1),
            (self._rebalance, 1),
            (self._move_tags, 1),
        )
        kinds, weights = [step for step, _ in steps], [weight for _, weight in steps]
        for _ in range(chance.randint(0, 12)):
            step, name = chance.choices(kinds, weights)[0], chance.choice(names)
            self.world.after(chance.uniform(5.0, FAULTY_S), partial(step, name))
        self.world.after(VERDICT_EVERY_S, self._decide_canaries)

    def _ask_app(self, name: str, command: AppCommand, restarted: bool = False) -> None:
        controller = self.controller
        if controller is None or not controller.alive:
            return
        self.world.tell(f"asked: {command!r}")
        asking = self.app_invariants.asked(name, remove=isinstance(command, RemoveApp))
        asked_at = self.world.now

        def answered(outcome: list[App] | DraasError) -> None:
            if not isinstance(outcome, DraasError):
                self.app_invariants.promised(asking, outcome[0], asked_at if restarted else None)

        controller.command_app(command, answered)

    def _deploy(self, name: str) -> None:
        images = IMAGES if self.world.chance.random() < 0.5 else IMAGES[:5]
        self._put(name, self._app_spec(self.world.chance.choice(images)))

    def _put(self, name: str, spec: AppSpec) -> None:
        self._ask_app(name, PutApp(id=AppId(f"{name}-{self._serial}"), project=DEFAULT_PROJECT, name=name, spec=spec))

    def _app_spec(self, image: str) -> AppSpec:
        chance = self.world.chance
        self._serial += 1
        replicas = chance.choice((0, 1, 2, 2, 3, 4))
        return AppSpec(
            image=image,
            port=80,
            env={"N": str(self._serial)} if chance.random() < 0.3 else {},
            domains=(f"d{self._serial}.example.org",) if chance.random() < 0.3 else (),
            resources=Resources(cpu_millis=150, memory_bytes=64 * MIB),
            health=Probe(every_s=1.0, failures=3),
            release_command=chance.choice((None, None, None, None, ("run", "1", "0"), ("run", "1", "1"))),
            deploy=self._deploy_part(),
            min_replicas=replicas,
            max_replicas=replicas,
        )

    def _deploy_part(self) -> Deploy:
        chance = self.world.chance
        return Deploy(
            order=chance.choice((Order.START_FIRST, Order.START_FIRST, Order.START_FIRST, Order.STOP_FIRST)),
            batch=chance.choice((1, 1, 2)),
            healthy_after_s=1.0,
            deadline_s=8.0,
            drain_s=self.drain_s,
            rollback_auto=chance.random() < 0.85,
            canary=Canary(replicas=1, share_percent=chance.choice((0, 20))) if chance.random() < 0.15 else None,
        )

    def _scale(self, name: str) -> None:
        self._ask_app(name, ScaleApp(name=name, replicas=self.world.chance.choice((0, 1, 2, 3, 4))))

    def _restart(self, name: str) -> None:
        self._ask_app(name, RestartApp(name=name), restarted=True)

    def _rollback(self, name: str) -> None:
        self._ask_app(name, RollbackApp(name=name, release=self.world.chance.choice((None, None, 1, 2, 3))))

    def _remove_app(self, name: str) -> None:
        self._ask_app(name, RemoveApp(name=name))

    def _rebalance(self, name: str) -> None:
        if self.controller is not None and self.controller.alive:
            self.controller.command_app(RebalanceApps(name=name), lambda _outcome: None)

    def _move_tags(self, name: str) -> None:
        """Somebody pushes other images under the same tags."""
        self._digests = {image: self._digests.get(image, 1) + 1 for image in IMAGES}

    def _decide_canaries(self) -> None:
        for app in list(self.disk.apps.values()):
            rolling = app.rolling
            if rolling is not None and rolling.canary is CanaryPhase.TESTING and self.world.chance.random() < 0.5:
                promote = self.world.chance.random() < 0.5
                self._ask_app(app.name, DecideCanary(name=app.name, promote=promote))
        self.world.after(VERDICT_EVERY_S, self._decide_canaries)

    # --- faults ---

    def _kinds_of_faults(self) -> tuple[Callable[[], None], ...]:
        return (*super()._kinds_of_faults(), self._kill_container, self._kill_container, self._sicken)

    def _some_replica(self) -> tuple[Machine, Container] | None:
        running = [
            (machine, container)
            for machine in self.machines
            for container in machine.containers.values()
            if container.assignment.service is not None and container.running
        ]
        return self.world.chance.choice(running) if running else None

    def _kill_container(self) -> None:
        if (found := self._some_replica()) is not None:
            found[0].kill_container(found[1].id)

    def _sicken(self) -> None:
        """A replica hangs for a while, or for ever."""
        if (found := self._some_replica()) is None:
            return
        container = found[1]
        if container.ill:
            return
        self.world.tell(f"{container.id} hangs")
        container.ill = True
        if self.world.chance.random() < 0.7:

            def recover() -> None:
                container.ill = False

            self.world.after(self.world.chance.choice((0.5, 5.0, 15.0)), recover)

    def _make_ready(self) -> None:
        super()._make_ready()
        for app in list(self.disk.apps.values()):
            self._mend(app)

    def _mend(self, app: App) -> None:
        """Deploy something sound where what serves is not, and often elsewhere."""
        live, newest = app.release(app.live), app.newest
        sound = live is None or behaviour_of(live.spec.image) is Behaviour.OK
        left = newest is not None and not newest.spec.deploy.rollback_auto
        if not sound or left or self.world.chance.random() < 0.5:
            spec = self._app_spec("ok:6")
            self._put(app.name, replace(spec, release_command=None, deploy=replace(spec.deploy, canary=None)))


class CalmScenario(AppScenario):
    """Whatever users order, and whoever of controller and agents is killed meanwhile: no request fails, no app has less than it had."""

    calm = True
    drain_s = 12.0
    agent_away_s = (0.2, 1.0)

    def _plan_users(self) -> None:
        chance = self.world.chance
        for _ in range(chance.randint(0, 4)):
            self.world.after(chance.uniform(0.0, FAULTY_S * 0.8), self._submit)
        for _ in range(chance.randint(0, 3)):
            self.world.after(chance.uniform(5.0, FAULTY_S), self._drain)
        self._plan_app_users()

    def _kinds_of_faults(self) -> tuple[Callable[[], None], ...]:
        return (self._crash_controller, self._kill_agent, self._flap, self._fill_disk)


def scenario_of(seed: int) -> type[Scenario]:
    """Of five seeds three are runs of jobs alone, one has apps beside them, and one is calm."""
    return {3: AppScenario, 4: CalmScenario}.get(seed % 5, Scenario)


def run_seed(seed: int, **broken: type) -> int:
    """One run; returns its number of steps. Raises Violated."""
    scenario = scenario_of(seed)(seed, **broken)
    scenario.run()
    return scenario.world.steps
