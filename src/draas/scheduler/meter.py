"""Meter: keeps what ingresses and agents say of apps, and makes figures of it. Pure: told the time, it reads no clock."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from draas.model.allocation import AllocationId, AllocationState, NodeId
from draas.model.app import App
from draas.model.probe import Health
from draas.model.replica import Replica
from draas.model.resources import NOTHING, Resources
from draas.model.route import Counters
from draas.wire.link import Traffic, Usage, Usages

WINDOW_S = (
    4.0  # figures are means over so long: noise of single seconds is gone, and a step of load is seen whole after it
)
FRESH_S = 5.0  # an ingress speaks each second: silent for longer, nobody knows what it serves now
USAGE_FRESH_S = 15.0  # agents speak of their replicas every few seconds
FORGOTTEN_S = 15.0  # not spoken of for so long by a node that speaks: it is gone from there
GAP_S = 0.5  # samples are kept no closer, so that a node that speaks all the time takes no more memory
SAID_KEPT = 30  # of a replica, for work that nobody asks about
WARM_S = WINDOW_S  # a replica healthy for less still shows the work of its start


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What an app has to do. None: not known.

    Requests are those of all ingresses together; where not all of them have spoken lately (`whole` is False) they are at
    least so many. `cpu_percent` and `memory_percent` are of what a replica asked for, and means over `measured` of them.
    """

    requests_per_s: float | None = None
    concurrency: float | None = None  # requests under way or waiting
    cpu_percent: float | None = None
    memory_percent: float | None = None
    idle_s: float | None = None  # since the last request; None where an ingress is silent, as it may have had one
    waiting: int = 0  # requests held now until a replica comes
    whole: bool = False
    measured: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an app did since the last time it was asked about: means over that time. None: not known.

    `answering` see draas.model.sample.AppSample; CPU and memory are those of all its replicas together.
    """

    requests_per_s: float | None = None
    errors_per_s: float | None = None
    answering: float | None = None
    cpu_cores: float | None = None
    memory_bytes: float | None = None


class _Heard(NamedTuple):
    at: float
    requests: int  # since the first word
    busy: int


@dataclass(slots=True)
class _Flow:
    """One app at one ingress. `last` are the proxy's own totals, which begin anew when it does."""

    last: Counters
    active_at: float  # when a request was last seen; at first: since when nothing was
    heard: deque[_Heard] = field(default_factory=deque)
    errors: int = 0  # since the first word, as is the next
    answer_s: float = 0.0
    mark: "_Mark" = field(kw_only=True)  # what the next look counts from

    def take(self, counted: Counters, now: float) -> None:
        before = self.heard[-1] if self.heard else _Heard(now, 0, 0)
        if now < before.at:  # the clock was set back
            self.heard.clear()
            self.active_at = now
        grown = counted.requests - self.last.requests
        more = grown if grown >= 0 else counted.requests
        anew = grown < 0
        self.errors += max(counted.errors - (0 if anew else self.last.errors), 0)
        self.answer_s += max(counted.answer_s - (0.0 if anew else self.last.answer_s), 0.0)
        busy = counted.open + counted.waiting
        if more or busy:
            self.active_at = now
        self.last = counted
        if len(self.heard) > 1 and now - self.heard[-2].at < GAP_S:
            self.heard.pop()
        self.heard.append(_Heard(now, before.requests + more, busy))
        while len(self.heard) > 2 and self.heard[1].at <= now - WINDOW_S:
            self.heard.popleft()

    def since_mark(self) -> Work:
        """What was counted since the last call, or the first word."""
        last, first = self.heard[-1], self.mark
        self.mark = _Mark(last.at, last.requests, self.errors, self.answer_s)
        if last.at <= first.at:  # nothing new was said, or the clock was set back
            return Work()
        over = last.at - first.at
        return Work(
            requests_per_s=(last.requests - first.requests) / over,
            errors_per_s=(self.errors - first.errors) / over,
            answering=(self.answer_s - first.answer_s) / over,
        )

    @property
    def at(self) -> float:
        return self.heard[-1].at

    @property
    def requests_per_s(self) -> float | None:
        """Over the window, or over a gap that is longer. None after one word only."""
        first, last = self.heard[0], self.heard[-1]
        return (last.requests - first.requests) / (last.at - first.at) if last.at > first.at else None

    @property
    def concurrency(self) -> float:
        recent = [one.busy for one in self.heard if one.at > self.at - WINDOW_S]
        return sum(recent) / len(recent)


class _Mark(NamedTuple):
    at: float
    requests: int
    errors: int
    answer_s: float


class _Used(NamedTuple):
    at: float
    cpu_millis: int
    memory_bytes: int


class Meter:
    """Bounded: a few numbers for each app and ingress, and for each replica, that were spoken of lately."""

    def __init__(self) -> None:
        self._flows: dict[NodeId, dict[str, _Flow]] = {}
        self._used: dict[NodeId, dict[AllocationId, deque[_Used]]] = {}
        self._said: dict[AllocationId, list[Usage]] = {}  # since the last look at all work

    def take_traffic(self, node_id: NodeId, traffic: Traffic, now: float) -> None:
        """What the ingress on this node has counted, as totals since its proxy began."""
        flows = self._flows.setdefault(node_id, {})
        for app, counted in traffic.apps.items():
            flow = flows.get(app)
            if flow is None:
                flow = flows[app] = _Flow(last=counted, active_at=now, mark=_Mark(now, 0, 0, 0.0))
            flow.take(counted, now)
        if len(flows) > len(traffic.apps):
            for app in [app for app, flow in flows.items() if not 0 <= now - flow.at < FORGOTTEN_S]:
                del flows[app]

    def take_usages(self, node_id: NodeId, usages: Usages, now: float) -> None:
        """What the replicas on this node use."""
        kept = self._used.setdefault(node_id, {})
        for replica, usage in usages.replicas.items():
            _keep(kept.setdefault(replica, deque()), usage, now)
            said = self._said.setdefault(replica, [])
            if len(said) < SAID_KEPT:
                said.append(usage)
        if len(kept) > len(usages.replicas):
            for replica in [replica for replica, used in kept.items() if not 0 <= now - used[-1].at < FORGOTTEN_S]:
                del kept[replica]
                self._said.pop(replica, None)

    def forget_node(self, node_id: NodeId) -> None:
        """It is gone, and serves nothing any more: that it is silent keeps no app from being made smaller."""
        self._flows.pop(node_id, None)
        for replica in self._used.pop(node_id, {}):
            self._said.pop(replica, None)

    def figures(self, app: App, now: float) -> Figures:
        """What is known of `app` now."""
        flows = [flow for flows in self._flows.values() if (flow := flows.get(app.name)) is not None]
        fresh = [flow for flow in flows if 0 <= now - flow.at <= FRESH_S]
        rates = [rate for flow in fresh if (rate := flow.requests_per_s) is not None]
        whole = bool(flows) and len(rates) == len(flows)
        cpu, memory, measured = self._shares(app, now)
        return Figures(
            requests_per_s=sum(rates) if rates else None,
            concurrency=sum(flow.concurrency for flow in fresh) if fresh else None,
            cpu_percent=_mean(cpu),
            memory_percent=_mean(memory),
            idle_s=now - max(flow.active_at for flow in flows) if whole else None,
            waiting=sum(flow.last.waiting for flow in fresh),
            whole=whole,
            measured=measured,
        )

    def work(self, apps: Iterable[App], now: float) -> Iterator[tuple[App, Work]]:
        """What each app did since the last call. One by one: others may have their turn between two of them."""
        said, self._said = self._said, {}
        for app in apps:
            flows = [flow for flows in self._flows.values() if (flow := flows.get(app.name)) is not None]
            parts = [flow.since_mark() for flow in flows if 0 <= now - flow.at <= FRESH_S]
            cpu_cores, memory_bytes = _used_by(app, said)
            yield (
                app,
                Work(
                    requests_per_s=_sum(part.requests_per_s for part in parts),
                    errors_per_s=_sum(part.errors_per_s for part in parts),
                    answering=_sum(part.answering for part in parts),
                    cpu_cores=cpu_cores,
                    memory_bytes=memory_bytes,
                ),
            )

    def _shares(self, app: App, now: float) -> tuple[list[float], list[float], int]:
        """CPU and memory of each replica that can be measured, in per cent of what it asked for; and how many these are."""
        cpu: list[float] = []
        memory: list[float] = []
        measured = 0
        for replica, used in self._measured(app, now):
            asked = _asked(app, replica)
            measured += 1
            if asked.cpu_millis:
                cpu.append(100 * sum(one.cpu_millis for one in used) / len(used) / asked.cpu_millis)
            if asked.memory_bytes:
                memory.append(100 * sum(one.memory_bytes for one in used) / len(used) / asked.memory_bytes)
        return cpu, memory, measured

    def _measured(self, app: App, now: float) -> Iterator[tuple[Replica, list[_Used]]]:
        for replica in app.replicas:
            used = self._used.get(replica.node_id, {}).get(replica.id)
            if used and 0 <= now - used[-1].at <= USAGE_FRESH_S and _works(app, replica, now):
                yield replica, [one for one in used if one.at > used[-1].at - WINDOW_S]


def _used_by(app: App, said: Mapping[AllocationId, list[Usage]]) -> tuple[float | None, float | None]:
    """Cores and bytes of all replicas that were spoken of; nothing is used where there are none."""
    if not app.replicas:
        return 0.0, 0.0
    spoken_of = [usages for replica in app.replicas if (usages := said.get(replica.id))]
    if not spoken_of:
        return None, None
    cores = sum(sum(one.cpu_millis for one in usages) / len(usages) for usages in spoken_of) / 1000
    return cores, sum(sum(one.memory_bytes for one in usages) / len(usages) for usages in spoken_of)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _works(app: App, replica: Replica, now: float) -> bool:
    """Whether its use is that of its work. One of the live release that is unhealthy has been at work: it may be overloaded."""
    if not replica.staying or replica.state is not AllocationState.RUNNING:
        return False
    if replica.served.health is Health.UNHEALTHY:
        return replica.release == app.live
    return replica.settled(now, WARM_S)


def _asked(app: App, replica: Replica) -> Resources:
    release = app.release(replica.release)
    return release.spec.resources if release is not None else NOTHING


def _keep(used: deque[_Used], usage: Usage, now: float) -> None:
    if used and now < used[-1].at:  # the clock was set back
        used.clear()
    if len(used) > 1 and now - used[-2].at < GAP_S:
        used.pop()
    used.append(_Used(now, usage.cpu_millis, usage.memory_bytes))
    while used[0].at <= now - WINDOW_S:
        used.popleft()


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return sum(values) / len(values) if values else None
