"""A simulated ingress: the proxy on a machine, which serves on while its agent is dead and loses all with the power."""

from collections import Counter
from dataclasses import dataclass, field

from draas.model.allocation import AllocationId
from draas.model.route import AppRoute
from draas.wire import link as wire


@dataclass(slots=True)
class Proxy:
    """`table` is what it serves, by app; `open` counts the requests under way on each endpoint."""

    table: dict[str, AppRoute] = field(default_factory=dict)
    open: Counter[AllocationId] = field(default_factory=Counter)
    _order: tuple[int, int] = (0, 0)  # of the last routes that the agent has taken

    def forget_order(self) -> None:
        """A new agent process: whatever it is told first is news to it. What the proxy serves stays."""
        self._order = (0, 0)

    def lose_power(self) -> None:
        """Nothing is served, nothing is under way."""
        self.table.clear()
        self.open.clear()
        self.forget_order()

    def take(self, routes: wire.Routes) -> None:
        """Serve what the controller says, unless it has said something newer."""
        order = (routes.epoch, routes.generation)
        if order <= self._order:
            return
        self._order = order
        if routes.full:
            self.table.clear()
        for name in routes.forget:
            self.table.pop(name, None)
        self.table.update((route.app, route) for route in routes.put)

    def traffic(self) -> wire.Traffic:
        """What the agent reports of it."""
        drained = [
            endpoint.id
            for route in self.table.values()
            for endpoint in route.endpoints
            if endpoint.draining and not self.open[endpoint.id]
        ]
        return wire.Traffic(generation=self._order[1], apps={}, drained=drained)
