"""Place replicas: which node gets an app's next replica, and which replica would be better off elsewhere. Pure."""

from collections import Counter

import numpy as np

from draas.lib.values import replace
from draas.model.allocation import NodeId
from draas.model.app import App
from draas.model.app_spec import AppSpec
from draas.model.image_name import image_key
from draas.model.job import RuntimeName
from draas.scheduler.ask import Ask, Shape, amounts
from draas.scheduler.filters import fitness_lacks, node_lacks, resource_lacks
from draas.scheduler.fleet import Fleet

NODES_NAMED = 3  # more are no help in one sentence


def ask_of_app(spec: AppSpec, image: str) -> Ask:
    """What a replica asks of a node. `image` is what the release is pinned to, "" where that is not known yet."""
    shape = Shape(amounts(spec.resources), RuntimeName.DOCKER, spec.constraints, spec.architectures)
    return Ask(shape, image_key(image or spec.image))


def place_replica(fleet: Fleet, app: App, spec: AppSpec, image: str) -> NodeId | None:
    """The node with the fewest replicas of the app that stay; of these the best by score, as for jobs. None where it fits nowhere.

    Settle the fleet first.
    """
    ranking = fleet.ranking(ask_of_app(spec, image))
    fitting = np.flatnonzero(ranking.scores >= 0)
    if not len(fitting):
        return None
    counts = _replicas_by_node(app)
    ids = fleet.node_ids()
    here = np.array([counts[ids[row]] for row in fitting])
    candidates = fitting[here == here.min()]
    return ids[int(candidates[ranking.scores[candidates].argmax()])]


def explain_refusal(fleet: Fleet, spec: AppSpec, image: str) -> str:
    """Why no node takes it, in one sentence with numbers."""
    shape = ask_of_app(spec, image).shape
    if not fleet.nodes:
        return "there is no node yet: add one with `draas join`"
    reasons = []
    for node in sorted(fleet.nodes.values(), key=lambda node: node.name):
        lacks = [*node_lacks(node), *fitness_lacks(shape, node)]
        lacks += resource_lacks(spec.resources, fleet.room(node.id), node.facts.capacity)
        if lacks:
            reasons.append(f"{node.name}: {lacks[0]}")
    more = f" and {len(reasons) - NODES_NAMED} more" if len(reasons) > NODES_NAMED else ""
    return f"no node has a place for the next replica ({'; '.join(reasons[:NODES_NAMED])}{more})"


def plan_rebalance(fleet: Fleet, app: App) -> App:
    """Mark the replicas to move so that no node has two more than another that could take them."""
    live = app.release(app.live)
    if live is None:
        return app
    counts = _replicas_by_node(app)
    ranking = fleet.ranking(ask_of_app(live.spec, live.image))
    ids = fleet.node_ids()
    open_nodes = {ids[row] for row in np.flatnonzero(ranking.scores >= 0)}
    moving: set[str] = set()
    while True:
        emptiest = min(open_nodes, key=lambda node: (counts[node], node), default=None)
        fullest = max(counts, key=lambda node: (counts[node], node), default=None)
        if emptiest is None or fullest is None or counts[fullest] - counts[emptiest] < 2:
            break
        chosen = next(
            (one for one in app.replicas if one.staying and one.node_id == fullest and one.id not in moving), None
        )
        if chosen is None:
            break
        moving.add(chosen.id)
        counts[fullest] -= 1
        counts[emptiest] += 1
    return replace(
        app,
        replicas=tuple(
            replace(one, moving_for="replicas are spread anew") if one.id in moving else one for one in app.replicas
        ),
    )


def _replicas_by_node(app: App) -> Counter[NodeId]:
    """How many replicas that stay, and are to stay, each node has."""
    return Counter(one.node_id for one in app.replicas if one.staying and not one.moving_for)
