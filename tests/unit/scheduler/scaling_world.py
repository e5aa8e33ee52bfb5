"""A small world around the autoscaler: load on an app, replicas that take a while to start, what ingresses and agents say of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from draas.lib.values import replace
from draas.model.allocation import Allocation, AllocationId, AllocationState, NodeId, Observed
from draas.model.app import App, AppId, Scaling
from draas.model.app_spec import AppSpec, Autoscale
from draas.model.job import ProjectName
from draas.model.probe import Health, Served
from draas.model.release import Release, ReleaseState
from draas.model.replica import Replica
from draas.model.resources import MIB, Resources
from draas.model.route import Counters
from draas.scheduler.autoscale import Autoscaler
from draas.scheduler.meter import Meter
from draas.wire.link import Traffic, Usage, Usages

NOW = 1_000_000.0
ASKED = Resources(cpu_millis=1000, memory_bytes=100 * MIB)


def a_replica(
    number: int = 1, *, node: str = "n-1", health: Health = Health.HEALTHY, since: float = NOW - 1000, release: int = 1
) -> Replica:
    """One that runs. Its id is `r-` and its number."""
    served = Served(health=health, since=since, endpoint=f"10.0.0.1:{number}")
    allocation = Allocation(
        id=AllocationId(f"r-{number}"),
        number=number,
        node_id=NodeId(node),
        node_name=node,
        assigned_at=since,
        observed=Observed(state=AllocationState.RUNNING, started_at=since, served=served),
    )
    healthy_at = since if health is Health.HEALTHY else None
    return Replica(allocation=allocation, release=release, running_at=since, healthy_at=healthy_at)


def an_app(
    wanted: int = 2,
    *,
    low: int = 1,
    high: int = 10,
    rules: Autoscale | None = None,
    replicas: tuple[Replica, ...] = (),
    resources: Resources = ASKED,
    port: int | None = 80,
    scaled_at: float = 0.0,
) -> App:
    """A live app called shop."""
    spec = AppSpec(image="shop:1", port=port, resources=resources, min_replicas=low, max_replicas=high, autoscale=rules)
    release = Release(number=1, spec=spec, state=ReleaseState.LIVE, created_at=NOW, image="shop@sha256:1")
    return App(
        id=AppId("p-1"),
        name="shop",
        project=ProjectName("default"),
        created_at=NOW,
        spec=spec,
        wanted=wanted,
        releases=(release,),
        live=1,
        replicas=replicas,
        scaled_at=scaled_at,
    )


@dataclass
class World:
    """Time goes on in seconds, by `go`. `load` says how many requests come each second at a moment, counted from 0."""

    app: App
    load: Callable[[float], float]
    ingresses: int = 2  # that share the load
    speaking: int = 2  # of them
    start_s: int = 3
    work_s: float = 0.1  # of a request
    cpu_s: float = 0.004  # of a request; a replica has one core
    usage_every_s: int = 3
    second: int = 0
    changes: list[Scaling] = field(default_factory=list)
    serving: list[int] = field(default_factory=list)  # how many replicas, at each second
    held: int = 0  # requests that wait for a replica
    meter: Meter = field(default_factory=Meter)
    autoscaler: Autoscaler = field(default_factory=Autoscaler)
    _counted: float = 0.0

    def __post_init__(self) -> None:
        self._reconcile(ready_since=NOW - 1000)

    @property
    def now(self) -> float:
        return NOW + self.second

    def go(self, seconds: int) -> None:
        for _ in range(seconds):
            self.second += 1
            self._serve()
            scaling = self.autoscaler.decide(self.app, self.meter.figures(self.app, self.now), self.now)
            if scaling is not None:
                self.scale(scaling)
            self._reconcile(ready_since=None)

    def scale(self, scaling: Scaling) -> None:
        """Take a decision over, as whoever asked does."""
        assert scaling.before == self.app.wanted
        self.changes.append(scaling)
        self.app = replace(
            self.app,
            wanted=scaling.after,
            scaled_at=self.now,
            sleeping=scaling.after == 0,
            scalings=(*self.app.scalings, scaling),
        )

    def _serve(self) -> None:
        healthy = [replica for replica in self.app.replicas if replica.healthy]
        self.serving.append(len(healthy))
        came = self.load(self.second)
        self._counted += came
        self.held = 0 if healthy else self.held + round(came)
        if self.held and self.app.sleeping:
            self.app = replace(self.app, sleeping=False, wanted=1, scaled_at=self.now)
        for number in range(self.speaking):
            counted = Counters(
                requests=int(self._counted / self.ingresses),
                open=round(came * self.work_s / self.ingresses) if healthy else 0,
                waiting=self.held if number == 0 else 0,
            )
            self.meter.take_traffic(NodeId(f"n-in-{number}"), Traffic(generation=1, apps={"shop": counted}), self.now)
        if healthy and self.second % self.usage_every_s == 0:
            busy = min(1000, round(1000 * came * self.cpu_s / len(healthy)))
            usages = {replica.id: Usage(busy, 50 * MIB) for replica in healthy}
            self.meter.take_usages(NodeId("n-1"), Usages(replicas=usages), self.now)

    def _reconcile(self, ready_since: float | None) -> None:
        replicas = [self._grown(replica) for replica in self.app.replicas[: self.app.wanted]]
        placed = self.app.placed
        while len(replicas) < self.app.wanted:
            placed += 1
            health = Health.UNKNOWN if ready_since is None else Health.HEALTHY
            replicas.append(a_replica(placed, health=health, since=ready_since or self.now))
        self.app = replace(self.app, replicas=tuple(replicas), placed=placed)

    def _grown(self, replica: Replica) -> Replica:
        if replica.healthy or self.now - replica.served.since < self.start_s:
            return replica
        return a_replica(replica.allocation.number, since=self.now)
