"""Simulated visitors: they send requests through every ingress and notice each one that is not answered."""

from collections.abc import Callable, Sequence

from draas.model.allocation import AllocationId
from draas.testing.sim.ingress import Proxy
from draas.testing.sim.machines import Container, Machine
from draas.testing.sim.world import World

EVERY_S = 0.25
REQUEST_S = (0.01, 1.5)  # how long an answer takes


class Visitors:
    """`failed` is called with the app's name and what went wrong; `moved` when a request on a machine's ingress has ended."""

    def __init__(self, world: World, machines: Sequence[Machine], failed: Callable[[str, str], None]) -> None:
        self._world = world
        self._machines = machines
        self._failed = failed
        self.sent = 0

    def begin(self) -> None:
        """Visit again and again, until the end of the run."""
        for machine in self._machines:
            if machine.proxy is not None and machine.power and not machine.frozen:
                self._visit(machine, machine.proxy)
        self._world.after(EVERY_S, self.begin)

    def _visit(self, machine: Machine, proxy: Proxy) -> None:
        """One request to each app. One for which there is no endpoint is held."""
        for name, route in proxy.table.items():
            usable = [endpoint.id for endpoint in route.endpoints if not endpoint.draining and endpoint.weight]
            if not usable:
                continue
            self.sent += 1
            self._world.chance.shuffle(usable)
            found = next((one for id in usable if (one := self._connect(id)) is not None), None)
            if found is None:
                self._failed(name, f"nothing answers on {sorted(usable)}")
            else:
                self._await_answer(machine, proxy, name, found)

    def _connect(self, id: AllocationId) -> Container | None:
        """What is reached there, if it takes the request. A refused one is sent to another endpoint, as proxies do."""
        for machine in self._machines:
            container = machine.containers.get(id)
            if container is not None and machine.power and not machine.frozen and container.answers(self._world.now):
                return container
        return None

    def _await_answer(self, machine: Machine, proxy: Proxy, name: str, container: Container) -> None:
        proxy.open[container.id] += 1

        def answered() -> None:
            if proxy.open[container.id]:
                proxy.open[container.id] -= 1
            if not container.running:
                self._failed(name, f"{container.id} ended while it answered")
            if not proxy.open[container.id] and _is_draining(proxy, container.id):
                machine.tell_traffic()

        self._world.after(self._world.chance.uniform(*REQUEST_S), answered)


def _is_draining(proxy: Proxy, id: AllocationId) -> bool:
    return any(one.id == id and one.draining for route in proxy.table.values() for one in route.endpoints)
