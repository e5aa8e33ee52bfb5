"""Node: one machine as the controller knows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from draas.model.allocation import NodeId
from draas.model.job import RuntimeName
from draas.model.resources import NOTHING, Resources
from draas.model.route import Ingress


class NodeState(StrEnum):
    READY = "ready"
    DRAINING = "draining"
    DISCONNECTED = "disconnected"
    DOWN = "down"
    LEFT = "left"


_SEEN = frozenset({NodeState.READY, NodeState.DRAINING})
NODE_TABLE = {
    NodeState.READY: frozenset({NodeState.DRAINING, NodeState.DISCONNECTED, NodeState.LEFT}),
    NodeState.DRAINING: frozenset({NodeState.READY, NodeState.DISCONNECTED, NodeState.LEFT}),
    NodeState.DISCONNECTED: _SEEN | {NodeState.DOWN, NodeState.LEFT},
    NodeState.DOWN: _SEEN | {NodeState.LEFT},
    NodeState.LEFT: frozenset[NodeState](),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeInfo:
    """One runtime of a node. `isolation` says what holds a host job in ("bubblewrap, cgroup v1", "rlimits only", "none")."""

    name: RuntimeName
    available: bool
    version: str = ""
    isolation: str = ""
    missing: str = ""  # one line: what is missing and how to get it


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that a node has."""

    id: str
    tags: tuple[str, ...]
    size_bytes: int
    ours: bool = False  # the agent pulled it, so that it may go


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Measured use of the whole machine. `cpu_percent` is 0..100 over all cores."""

    cpu_percent: float = 0.0
    memory_used_bytes: int = 0
    memory_total_bytes: int = 0  # of the machine, which may be more than its owner allots; 0: not measured
    disk_used_bytes: int = 0
    disk_total_bytes: int = 0
    load_1m: float = 0.0
    received_bytes_per_s: float | None = None  # through its network interfaces; None: not measured
    sent_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an agent says of its machine when it connects, and again when it changes."""

    arch: str = "amd64"  # Docker's names: amd64, arm64
    os: str = "linux"
    capacity: Resources = NOTHING  # what the machine has, or what its owner allots
    gpus: tuple[str, ...] = ()  # models; empty is fine
    roles: tuple[str, ...] = ("worker", "builder")
    labels: Mapping[str, str] = field(default_factory=dict)  # given on the agent's command line
    runtimes: tuple[RuntimeInfo, ...] = ()
    images: tuple[Image, ...] = ()
    address: str = ""
    version: str = ""
    ingress: Ingress | None = None  # of an agent with the ingress role


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine. The agent writes `facts` and `load`; the controller writes the rest."""

    id: NodeId
    name: str
    state: NodeState
    facts: Facts = Facts()
    load: Load = Load()
    labels: Mapping[str, str] = field(default_factory=dict)  # set through the API; they win over the agent's
    drain: bool = False
    joined_at: float = 0.0
    last_seen_at: float = 0.0
    linked: bool = False  # whether its link is open now
    failures: tuple[float, ...] = ()  # when recent attempts failed there for the node's own reasons

    def label(self, name: str) -> str | None:
        """The value of a label, the API's before the agent's."""
        found = self.labels.get(name)
        return found if found is not None else self.facts.labels.get(name)

    @property
    def all_labels(self) -> dict[str, str]:
        return {**self.facts.labels, **self.labels}
