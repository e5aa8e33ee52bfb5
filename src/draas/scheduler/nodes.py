"""Nodes: joining, silence, loss, draining, leaving. Pure.

What can concern several jobs is an iterator of plans: each is to be applied before the next is asked for, since two
ending jobs may release the same third one.
"""

from collections.abc import Iterator, Mapping

from draas.lib.values import replace
from draas.model.allocation import AllocationId, AllocationState, Cause, NodeId, Observed, is_news
from draas.model.cluster import Cluster
from draas.model.command import PatchNode
from draas.model.errors import Conflict
from draas.model.event import Event
from draas.model.node import NODE_TABLE, Facts, Load, Node, NodeState
from draas.model.plan import EMPTY, Plan
from draas.model.policy import Policy
from draas.model.state import advance
from draas.scheduler import apps, jobs

_REACHABLE = frozenset({NodeState.READY, NodeState.DRAINING})
BLAMED = frozenset({Cause.RUNTIME, Cause.DISK})
FAILURES_KEPT = 8
FAILURE_MEMORY_S = 600.0


def _event(node: Node, now: float, **detail: str | int | float | bool | None) -> Event:
    return Event(at=now, kind=f"node.{node.state}", subject=node.id, detail={"name": node.name, **detail})


def _to(node: Node, state: NodeState, now: float, **detail: str | int | float | bool | None) -> Plan:
    if node.state is state:
        return Plan(nodes=(node,))
    moved = replace(node, state=advance(NODE_TABLE, node.state, state, node))
    return Plan(nodes=(moved,), events=(_event(moved, now, **detail),))


def add_node(cluster: Cluster, node_id: NodeId, name: str, now: float) -> Plan:
    """A machine that joined. It is down until its agent connects. A name that is taken gets a number."""
    free, count = name, 1
    while cluster.node_named(free) is not None:
        count += 1
        free = f"{name}-{count}"
    node = Node(id=node_id, name=free, state=NodeState.DOWN, joined_at=now, last_seen_at=now)
    return Plan(nodes=(node,), events=(Event(at=now, kind="node.joined", subject=node_id, detail={"name": free}),))


def connect_node(
    cluster: Cluster,
    node: Node,
    facts: Facts,
    have: Mapping[AllocationId, Observed],
    complete: bool,
    policy: Policy,
    now: float,
) -> Iterator[Plan]:
    """Its agent said hello: the node is in use again, and both sides agree on what it has."""
    fresh = replace(node, facts=facts, last_seen_at=now, linked=True)
    yield _to(fresh, NodeState.DRAINING if node.drain else NodeState.READY, now)
    for job, held in cluster.on_node(node.id):
        if held.id in have:
            if is_news(held.observed, have[held.id]):
                yield jobs.observe(cluster, job, have[held.id], policy, now, 0.5)
                yield blame_for(cluster.nodes[node.id], have[held.id].cause, now)
        elif complete and held.state is AllocationState.RUNNING:
            detail = f"{node.name} came back without it"
            yield jobs.lose(cluster, job, Cause.NODE_LOST, detail, policy, now)
    yield from _agree_on_replicas(cluster, node, have, complete, now)


def _agree_on_replicas(
    cluster: Cluster, node: Node, have: Mapping[AllocationId, Observed], complete: bool, now: float
) -> Iterator[Plan]:
    for _, replica in cluster.replicas_on(node.id):
        app = cluster.app_of(replica.id)
        if app is None:
            continue
        if replica.id in have:
            if is_news(replica.observed, have[replica.id]):
                yield apps.observe_replica(app, replica.id, have[replica.id], now)
                yield blame_for(cluster.nodes[node.id], have[replica.id].cause, now)
        elif complete and replica.state is AllocationState.RUNNING:
            yield apps.lose_replica(app, replica.id, f"{node.name} came back without it", now)


def see_node(node: Node, load: Load, facts: Facts | None, now: float) -> Node:
    """The node with a heartbeat's figures. Not worth a commit: they are old news in a second."""
    return replace(node, load=load, last_seen_at=now, facts=facts if facts is not None else node.facts)


def wake_node(node: Node, now: float) -> Plan:
    """A node that was silent for long on a link that is still open (it was frozen, or the network was slow) is heard again."""
    if not node.linked or node.state in _REACHABLE or node.state is NodeState.LEFT:
        return EMPTY
    return _to(node, NodeState.DRAINING if node.drain else NodeState.READY, now)


def unlink_node(node: Node, now: float) -> Plan:
    """Its link closed: that shows at once, though it may be back in a moment."""
    gone = replace(node, linked=False)
    if node.state in _REACHABLE:
        return _to(gone, NodeState.DISCONNECTED, now, reason="its link closed")
    return Plan(nodes=(gone,))


def blame_node(node: Node, now: float) -> Node:
    """The node with one more failure that was its own."""
    recent = tuple(at for at in node.failures if now - at < FAILURE_MEMORY_S)
    return replace(node, failures=(*recent, now)[-FAILURES_KEPT:])


def blame_for(node: Node, cause: Cause, now: float) -> Plan:
    """The node blamed if an attempt that ended for `cause` speaks against it. A lease that ran out does not: the controller was away."""
    return Plan(nodes=(blame_node(node, now),)) if cause in BLAMED else EMPTY


def check_silence(cluster: Cluster, policy: Policy, now: float) -> Iterator[Plan]:
    """Nodes not heard of become disconnected, then down; what they ran is given up (exclusive jobs only after their lease)."""
    patience = policy.patience_of(len(cluster.nodes))
    disconnected_after_s = policy.disconnected_after_s * patience
    down_after_s = _down_after_s(cluster, policy) * patience
    for node in list(cluster.nodes.values()):
        silent_s = now - node.last_seen_at
        if silent_s < disconnected_after_s and node.state in _REACHABLE:
            continue
        reason = f"not heard of for {silent_s:.1f} s"
        if node.state in _REACHABLE and silent_s >= disconnected_after_s:
            yield _to(node, NodeState.DISCONNECTED, now, reason=reason)
        elif node.state is NodeState.DISCONNECTED and silent_s >= down_after_s:
            lost_work = bool(cluster.on_node(node.id) or cluster.replicas_on(node.id))
            yield _to(blame_node(node, now) if lost_work else node, NodeState.DOWN, now, reason=reason)
            yield from _give_up(cluster, node, silent_s, policy, now)
        elif node.state is NodeState.DOWN:
            yield from _give_up(cluster, node, silent_s, policy, now)


def is_away(nodes: Mapping[NodeId, Node], node_id: NodeId, policy: Policy, now: float) -> bool:
    """Whether a node has been silent for so long that replicas are started beside those that it has. Not where most nodes are silent.

    Sooner than it is down: one replica too many for a moment harms nobody, one too few may.
    """
    node = nodes.get(node_id)
    if node is None or node.state is not NodeState.DISCONNECTED:
        return False
    if now - node.last_seen_at < policy.away_after_s * policy.patience_of(len(nodes)):
        return False
    silent = sum(other.state is NodeState.DISCONNECTED for other in nodes.values())
    return silent * 2 <= len(nodes)


def _down_after_s(cluster: Cluster, policy: Policy) -> float:
    """Usually `policy.down_after_s`; longer while most of a fleet is silent, for then our own network is the suspect."""
    members = [node for node in cluster.nodes.values() if node.state is not NodeState.DOWN]
    silent = sum(node.state is NodeState.DISCONNECTED for node in members)
    mass_loss = len(members) >= 4 and silent * 2 > len(members)
    return policy.mass_loss_hold_s if mass_loss else policy.down_after_s


def _give_up(cluster: Cluster, node: Node, silent_s: float, policy: Policy, now: float) -> Iterator[Plan]:
    for job, _ in cluster.on_node(node.id):
        if not job.spec.exclusive or silent_s >= policy.lease_s + policy.lease_margin_s:
            yield jobs.lose(cluster, job, Cause.NODE_LOST, f"{node.name} is down", policy, now)
    yield from _lose_replicas(cluster, node, f"{node.name} is down", now)


def _lose_replicas(cluster: Cluster, node: Node, detail: str, now: float) -> Iterator[Plan]:
    for _, replica in cluster.replicas_on(node.id):
        if (app := cluster.app_of(replica.id)) is not None:
            yield apps.lose_replica(app, replica.id, detail, now)


def patch_node(node: Node, command: PatchNode, now: float) -> Plan:
    """New labels; draining on or off."""
    labels = {**node.labels, **{k: v for k, v in command.labels.items() if v is not None}}
    for removed in (k for k, v in command.labels.items() if v is None):
        labels.pop(removed, None)
    drain = node.drain if command.drain is None else command.drain
    patched = replace(node, labels=labels, drain=drain)
    if node.state in _REACHABLE:
        return _to(patched, NodeState.DRAINING if drain else NodeState.READY, now)
    return Plan(nodes=(patched,))


def remove_node(cluster: Cluster, node: Node, policy: Policy, now: float) -> Iterator[Plan]:
    """The node leaves for good; what it ran is re-run elsewhere.

    Raises Conflict where an exclusive job may still run there: nobody could tell when it has stopped.
    """
    exclusive = next((job for job, _ in cluster.on_node(node.id) if job.spec.exclusive), None)
    if exclusive is not None:
        raise Conflict(f"exclusive job {exclusive.id} holds {node.name}; cancel it and wait until it has stopped")
    for job, _ in cluster.on_node(node.id):
        yield jobs.lose(cluster, job, Cause.NODE_LOST, f"{node.name} was removed", policy, now)
    yield from _lose_replicas(cluster, node, f"{node.name} was removed", now)
    left = replace(node, state=advance(NODE_TABLE, node.state, NodeState.LEFT, node))
    yield Plan(gone_nodes=(node.id,), events=(_event(left, now),))


def begin(cluster: Cluster, now: float) -> Plan:
    """A controller that starts counts silence from now: its predecessor may have heard of a node just before it died.

    Of a node that is down too, where something of it may still hold a lease: heartbeats are not durable.
    """
    nodes = tuple(
        replace(
            node,
            last_seen_at=now,
            linked=False,
            state=NodeState.DISCONNECTED if node.state in _REACHABLE else node.state,
        )
        for node in cluster.nodes.values()
        if node.state is not NodeState.DOWN or node.linked or cluster.on_node(node.id) or cluster.replicas_on(node.id)
    )
    return Plan(nodes=nodes) if nodes else EMPTY
