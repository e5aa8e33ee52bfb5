"""Messages between agent and controller: one WebSocket, each frame a msgpack list of messages.

Version 3 (2026-11): builds and images. Assign may hold builds (Assignment.build) and logins of registries; Keep.
Version 2 (2026-11): apps. Assign may hold replicas (Assignment.service), Routes and Traffic are for agents with the ingress role.
Version 1 (2026-11): first version. The agent says its version in Hello; a controller that does not speak it closes with
code 4400 and a sentence. The protocol is level-triggered: the controller sends the set of allocations that the agent
should have, the agent reports what it has; after any gap both start again from full state (Hello.have, Assign.full).
"""

from collections.abc import Mapping, Sequence

import msgspec

from draas.model.allocation import AllocationId, Desired, NodeId, Observed
from draas.model.image_name import Digest, Repository, Tag
from draas.model.job import JobId, ProjectName, RuntimeName
from draas.model.login import Login
from draas.model.node import Facts, Load
from draas.model.probe import Probe
from draas.model.resources import Resources
from draas.model.route import AppRoute, Counters

VERSION = 3
PATH = "/api/link"
MAX_FRAME_BYTES = 4 * 1024 * 1024

UNWANTED = -1

# Close codes of the WebSocket, so that the agent's one clear line needs no guessing.
CLOSE_VERSION = 4400
CLOSE_KEY = 4401
CLOSE_REMOVED = 4403
CLOSE_CLOCK = 4412
CLOSE_REPLACED = 4409  # the same node connected again: the newer link wins


class Service(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What makes an allocation a replica of an app: it stays up, its port is published and its health is looked after."""

    app: str
    app_id: str
    release: int
    port: int | None
    probe: Probe
    stop_grace_s: float


class BuildOrder(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What makes an allocation a build. As draas.model.build.BuildSpec, but with its secrets open."""

    repository: Repository
    source: Digest | None
    git: str
    tags: tuple[Tag, ...]
    folder: str
    dockerfile: str
    target: str
    args: Mapping[str, str]
    platform: str
    disk_bytes: int
    cache: bool
    secrets: Mapping[str, str] = {}
    also_push: Mapping[str, Login] = {}  # name:tag in another registry, and what opens it

    def __repr__(self) -> str:
        return f"BuildOrder(repository={self.repository!r})"  # never the secrets


class Assignment(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All an agent needs to run one allocation, whatever happens to the controller meanwhile."""

    id: AllocationId
    job_id: JobId
    project: ProjectName
    number: int
    name: str
    runtime: RuntimeName
    image: str | None
    command: str | tuple[str, ...]  # (): what the image itself says
    env: Mapping[str, str]
    resources: Resources
    timeout_s: float | None
    exclusive: bool
    desired: Desired
    log_cap_bytes: int
    service: Service | None = None  # of an app's replica, whose job_id is ""
    build: BuildOrder | None = None  # of the runtime `build`, whose command is ()
    logins: tuple[Login, ...] = ()  # of other registries, for pulling


# --- agent to controller ---


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello", array_like=True):
    """First message. `sent_at` is the agent's wall clock, so that a clock that is off is noticed.

    `have` is all that the agent has; `complete` is False where a runtime could not be asked, so that what is missing may yet be there.
    """

    version: int
    name: str
    facts: Facts
    sent_at: float
    have: Mapping[AllocationId, Observed]
    complete: bool = True


class Report(msgspec.Struct, frozen=True, kw_only=True, tag="report", array_like=True):
    """What the agent has newly seen. Nothing acknowledges it: after a gap, Hello tells everything again."""

    observed: Mapping[AllocationId, Observed]


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag="heartbeat", array_like=True):
    """`mono` is the agent's monotonic clock at sending; the Beat that answers carries it back and so renews leases.

    `facts` is there when something changed since the last one.
    """

    mono: float
    load: Load
    facts: Facts | None = None


class LogChunk(msgspec.Struct, frozen=True, kw_only=True, tag="log", array_like=True):
    """A piece of an attempt's output. `offset` counts the payload bytes of all streams before it; `records` see draas.wire.records."""

    allocation: AllocationId
    offset: int
    records: bytes
    last: bool = False  # nothing follows


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """What a replica uses: CPU in thousandths of a core since the last report, memory in bytes."""

    cpu_millis: int
    memory_bytes: int


class Usages(msgspec.Struct, frozen=True, kw_only=True, tag="usages", array_like=True):
    """What the replicas here use, every few seconds."""

    replicas: Mapping[AllocationId, Usage]


class Traffic(msgspec.Struct, frozen=True, kw_only=True, tag="traffic", array_like=True):
    """An ingress's word, each second and whenever `drained`, `faults` or `waking` change.

    `generation` is that of the last Routes in effect; `drained` are draining endpoints in these that have nothing under way
    any more; `faults` the apps whose routes the proxy refuses, and why (what it had of them before stays in effect);
    `waking` the apps without an endpoint for which requests are held.
    """

    generation: int
    apps: Mapping[str, Counters]
    drained: Sequence[AllocationId] = ()
    faults: Mapping[str, str] = {}
    waking: Sequence[str] = ()


# --- controller to agent ---


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag="welcome", array_like=True):
    """Answer to Hello. `epoch` grows with every start of a controller."""

    node_id: NodeId
    epoch: int
    heartbeat_s: float
    lease_s: float
    log_ends: Mapping[AllocationId, int]  # how much of each attempt's output is durable: ship from there


class Assign(msgspec.Struct, frozen=True, kw_only=True, tag="assign", array_like=True):
    """What the agent should have. Orders of an older (epoch, generation) than the last one taken are refused.

    `full`: `put` is the whole set. Otherwise `put` is added or replaced, and `forget` taken out: what is out of the set is
    stopped if it runs, and all trace of it removed once its logs are shipped.
    """

    epoch: int
    generation: int
    put: Sequence[Assignment]
    forget: Sequence[AllocationId] = ()
    full: bool = False


class Routes(msgspec.Struct, frozen=True, kw_only=True, tag="routes", array_like=True):
    """What an ingress should serve and a DNS node answer. Taken in order, like Assign: `full` is the whole table, otherwise what changed.

    `challenges` (path token to answer), `certificates` (host name, or *.DOMAIN, to PEM of chain and key) and `ingresses` (the
    addresses to which names lead) are always whole; None: as before. The first two are for ingresses alone.
    """

    epoch: int
    generation: int
    put: Sequence[AppRoute]
    forget: Sequence[str] = ()
    full: bool = False
    challenges: Mapping[str, str] | None = None
    certificates: Mapping[str, str] | None = None
    ingresses: Sequence[str] | None = None
    apps_domain: str | None = None  # under which names are answered; None: as before


class Keep(msgspec.Struct, frozen=True, kw_only=True, tag="keep", array_like=True):
    """Of the images that the agent said it has, those that stay whatever room they take: sent when that changes. Not in order with Assign."""

    images: Sequence[str]  # as Facts.images names them


class Beat(msgspec.Struct, frozen=True, kw_only=True, tag="beat", array_like=True):
    """Answer to a Heartbeat: `mono` is the agent's own figure back."""

    mono: float


class LogAck(msgspec.Struct, frozen=True, kw_only=True, tag="log_ack", array_like=True):
    """How much of each attempt's output is durable now. An end below what was sent means: send again from there.

    UNWANTED means that nobody will ever read it (its job was deleted).
    """

    ends: Mapping[AllocationId, int]


FromAgent = Hello | Report | Heartbeat | LogChunk | Usages | Traffic
FromController = Welcome | Assign | Beat | LogAck | Routes | Keep

_encoder = msgspec.msgpack.Encoder()
_from_agent = msgspec.msgpack.Decoder(list[FromAgent])
_from_controller = msgspec.msgpack.Decoder(list[FromController])


def encode(messages: Sequence[FromAgent] | Sequence[FromController]) -> bytes:
    """One frame."""
    return _encoder.encode(messages)


def decode_from_agent(frame: bytes) -> list[FromAgent]:
    """Raises msgspec.MsgspecError where the frame is not what the protocol says."""
    return _from_agent.decode(frame)


def decode_from_controller(frame: bytes) -> list[FromController]:
    """Raises msgspec.MsgspecError where the frame is not what the protocol says."""
    return _from_controller.decode(frame)
