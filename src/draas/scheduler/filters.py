"""Filters: whether a node can take a job at all, and if not, what it lacks, in numbers."""

from functools import lru_cache

from draas.model.architecture import runs_any
from draas.model.constraint import Constraint, parse_constraint, value_of
from draas.model.errors import Invalid
from draas.model.job import RuntimeName
from draas.model.node import Node, NodeState, RuntimeInfo
from draas.model.resources import MIB, Resources
from draas.scheduler.ask import Shape

WORKER, BUILDER = "worker", "builder"
# Above this, pulling an image or writing output soon fails, and an engine without disk cannot even clean up.
DISK_FULL_SHARE = 0.95
# Other people's work on nearly all cores: a job would get a tenth of what it asked for.
CPU_BUSY_SHARE = 0.9

_STATE_LACKS = {
    NodeState.READY: "",
    NodeState.DRAINING: "it is draining: it gets no new work until `draas nodes ready`",
    NodeState.DISCONNECTED: "its connection is lost",
    NodeState.DOWN: "it is down",
    NodeState.LEFT: "it has left",
}


def disk_share(node: Node) -> float:
    """How full the disk is, 0..1; 0 where nothing was measured."""
    return node.load.disk_used_bytes / node.load.disk_total_bytes if node.load.disk_total_bytes > 0 else 0.0


def is_usable(node: Node) -> bool:
    """Whether the node takes any new work."""
    return node.state is NodeState.READY and not node.drain and disk_share(node) < DISK_FULL_SHARE


def can_run(
    runtime: RuntimeName, constraints: tuple[str, ...], node: Node, architectures: tuple[str, ...] = ()
) -> bool:
    """Whether the node has the role and this runtime, satisfies the constraints and runs one of `architectures`."""
    if role_of(runtime) not in node.facts.roles:
        return False
    found = _runtime_info(runtime, node)
    if found is None or not found.available or not runs_any(node.facts.arch, architectures):
        return False
    return all((parsed := parsed_or_none(text)) is not None and parsed.holds(node) for text in constraints)


def role_of(runtime: RuntimeName) -> str:
    """The role of the nodes that take what runs in `runtime`."""
    return BUILDER if runtime is RuntimeName.BUILD else WORKER


def _runtime_info(runtime: RuntimeName, node: Node) -> RuntimeInfo | None:
    return next((info for info in node.facts.runtimes if info.name == runtime), None)


@lru_cache(maxsize=4096)
def parsed_or_none(text: str) -> Constraint | None:
    """None where `text` cannot be read: the API refuses those, but one kept from another version must not stop the rest."""
    try:
        return parse_constraint(text)
    except Invalid:
        return None


def node_lacks(node: Node) -> list[str]:
    """Why the node takes no new work, as sentences."""
    lacks = []
    if node.state is not NodeState.READY:
        lacks.append(_STATE_LACKS[node.state])
    elif node.drain:
        lacks.append(_STATE_LACKS[NodeState.DRAINING])
    if (full := disk_share(node)) >= DISK_FULL_SHARE:
        lacks.append(f"disk {full * 100:.0f} % full: nothing new from {DISK_FULL_SHARE * 100:.0f} %")
    return lacks


def fitness_lacks(shape: Shape, node: Node) -> list[str]:
    """Which of role, runtime, architecture and constraints the node does not offer, as sentences."""
    lacks = []
    found = _runtime_info(shape.runtime, node)
    if role_of(shape.runtime) not in node.facts.roles:
        lacks.append(_role_lack(shape.runtime, node))
    elif found is None or not found.available:
        lacks.append(_runtime_lack(shape.runtime, found))
    if not runs_any(node.facts.arch, shape.architectures):
        lacks.append(f"image is built for {' and '.join(shape.architectures)}, this node is {node.facts.arch}")
    for text in shape.constraints:
        parsed = parsed_or_none(text)
        if parsed is None:
            lacks.append(f'the constraint "{text}" is not understood')
        elif not parsed.holds(node):
            builds_for = shape.runtime is RuntimeName.BUILD and parsed.attribute == "node.arch"
            lacks.append(_platform_lack(parsed, node) if builds_for else _constraint_lack(parsed, node))
    return lacks


_WITHOUT = {
    RuntimeName.DOCKER: "it runs no containers",
    RuntimeName.PROCESS: "host jobs are not allowed there",
    RuntimeName.BUILD: "it builds no images",
}


def _role_lack(runtime: RuntimeName, node: Node) -> str:
    what = _WITHOUT[runtime] if runtime is RuntimeName.BUILD else "it is not a worker"
    return f"{what}: its roles are {', '.join(node.facts.roles) or 'none'}"


def _runtime_lack(runtime: RuntimeName, found: RuntimeInfo | None) -> str:
    what = _WITHOUT[runtime]
    return f"{what}: {found.missing}" if found is not None and found.missing else what


def _platform_lack(constraint: Constraint, node: Node) -> str:
    negated = "" if constraint.operator.startswith(("==", "in")) else "not "
    return f"builds {negated}for {' or '.join(constraint.values)}, this node is {node.facts.arch}"


def _constraint_lack(constraint: Constraint, node: Node) -> str:
    has = value_of(constraint.attribute, node)
    name = constraint.attribute.removeprefix("node.").replace("labels.", "label ")
    negated = "not " if not constraint.operator.startswith(("==", "in")) else ""
    return f"needs {name} {negated}{' or '.join(constraint.values)}, has {'none' if has is None else has}"


def resource_lacks(need: Resources, room: Resources, capacity: Resources) -> list[str]:
    """What of `need` is more than the `room` left of `capacity`, as sentences."""
    lacks = []
    if need.cpu_millis > room.cpu_millis:
        lacks.append(
            f"needs {cores(need.cpu_millis)}, {_number(max(0, room.cpu_millis) / 1000)} "
            f"of {_number(capacity.cpu_millis / 1000)} are free"
        )
    if need.memory_bytes > room.memory_bytes:
        lacks.append(
            f"needs {memory(need.memory_bytes)} of memory, {memory(max(0, room.memory_bytes))} "
            f"of {memory(capacity.memory_bytes)} are free"
        )
    if need.gpus > room.gpus:
        plural = "" if need.gpus == 1 else "s"
        lacks.append(f"needs {need.gpus} GPU{plural}, {max(0, room.gpus)} of {capacity.gpus} are free")
    return lacks


def cores(cpu_millis: int) -> str:
    """For people: `1 core`, `3.5 cores`."""
    return f"{_number(cpu_millis / 1000)} core{'' if cpu_millis == 1000 else 's'}"


def memory(size_bytes: int) -> str:
    """For people: `256 MB`, `1.5 GB` (binary units, as the API's memory_mb)."""
    megabytes = size_bytes / MIB
    return f"{_number(megabytes / 1024)} GB" if megabytes >= 1024 else f"{_number(megabytes)} MB"


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
