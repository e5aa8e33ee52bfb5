"""Explain: why a job waits, or why it runs where it runs, node by node and in numbers. Pure."""

from collections.abc import Iterable, Mapping

import numpy as np

from draas.model.allocation import Allocation, NodeId
from draas.model.app import App
from draas.model.explanation import Explanation, Verdict
from draas.model.job import Job, JobId, JobState, RuntimeName
from draas.model.node import Node
from draas.model.resources import Resources
from draas.scheduler.ask import Ask, ask_of
from draas.scheduler.filters import fitness_lacks, node_lacks, resource_lacks
from draas.scheduler.fleet import Fleet
from draas.scheduler.place_replicas import ask_of_app
from draas.scheduler.queue import Queue
from draas.scheduler.score import Floats, load_part

NEEDS_NAMED = 3  # more ids than this are no help in one sentence
BUSY = "its CPU is kept busy by other work; calmer nodes come first"


def explain(
    fleet: Fleet, queue: Queue, job: Job, now: float, nodes: Iterable[Node], held_nodes: Mapping[NodeId, JobId]
) -> Explanation:
    """Why `job` is where it is. Verdicts are as things are now, the best node first; ended and waiting jobs get none.

    `held_nodes` are kept free for a job that has starved, as draas.scheduler.place.Round has them.
    """
    if job.ended or job.state is JobState.WAITING:
        return Explanation(job_id=job.id, state=job.state, summary=_story(job, now))
    fleet.settle(now)
    queue.wake(now)
    verdicts = tuple(sorted(_verdicts(fleet, job, nodes, held_nodes), key=_best_first))
    held = job.current
    if held is not None:
        summary = _where(job, held, verdicts)
        return Explanation(job_id=job.id, state=job.state, summary=summary, verdicts=verdicts)
    ahead = _count_ahead(queue, job)
    possible = bool(fleet.ranking(ask_of(job.spec)).able.any())
    summary = _why_queued(job, verdicts, ahead, now, possible=possible, waits_for_room=job.id in held_nodes.values())
    return Explanation(job_id=job.id, state=job.state, summary=summary, ahead=ahead, verdicts=verdicts)


def explain_app(
    fleet: Fleet, app: App, now: float, nodes: Iterable[Node], held_nodes: Mapping[NodeId, JobId]
) -> Explanation:
    """Why `app` is as it is, and for each node whether it could take one more replica now."""
    fleet.settle(now)
    release = app.rolling or app.release(app.live) or app.newest
    spec, image = (release.spec, release.image) if release is not None else (app.spec, "")
    verdicts = _judge(fleet, ask_of_app(spec, image), spec.resources, nodes, held_nodes)
    where = ", ".join(f"{one.id} on {one.allocation.node_name}" for one in app.replicas) or "no replica"
    summary = (
        f"it is {app.state}{f' ({app.reason})' if app.reason else ''}, {app.wanted} wanted; there {_is(app)} {where}"
    )
    return Explanation(
        job_id=JobId(app.id), state=app.state, summary=summary, verdicts=tuple(sorted(verdicts, key=_best_first))
    )


def _is(app: App) -> str:
    return "are" if len(app.replicas) > 1 else "is"


def _best_first(verdict: Verdict) -> tuple[bool, float, str]:
    return (not verdict.fits, -(verdict.score or 0.0), verdict.node)


def _story(job: Job, now: float) -> str:
    if job.state is JobState.WAITING:
        named = ", ".join(job.unmet[:NEEDS_NAMED])
        more = f" and {len(job.unmet) - NEEDS_NAMED} more" if len(job.unmet) > NEEDS_NAMED else ""
        return f"it waits until {named}{more} succeeded"
    last = job.attempts[-1] if job.attempts else None
    where = f" on {last.node_name}, attempt {last.number}" if last is not None else ""
    why = f": {job.reason}" if job.reason and job.reason != str(job.state) else ""
    return f"it {job.state}{where}{why}" if job.state is not JobState.SKIPPED else f"it was skipped{why}"


def _where(job: Job, held: Allocation, verdicts: tuple[Verdict, ...]) -> str:
    verb = "runs" if job.state is JobState.RUNNING else "starts"
    own = next((verdict for verdict in verdicts if verdict.node == held.node_name), None)
    fitting = sum(verdict.fits for verdict in verdicts)
    others = f" of {fitting} that could take it" if fitting > 1 else ""
    score = f", which would score {own.score:.2f} now{others}" if own is not None and own.score is not None else ""
    lacks = f"; of that node: {', '.join(own.lacks)}" if own is not None and own.lacks else ""
    doing = f" ({held.observed.detail})" if held.observed.detail else ""
    return f"it {verb} on {held.node_name}, attempt {held.number}{doing}{score}{lacks}"


def _why_queued(
    job: Job, verdicts: tuple[Verdict, ...], ahead: int, now: float, *, possible: bool, waits_for_room: bool
) -> str:
    if job.ready_at > now:
        return f"it is tried again in {job.ready_at - now:.1f} s: {job.reason}"
    before = f"; {ahead} {'job comes' if ahead == 1 else 'jobs come'} before it" if ahead else ""
    if not verdicts:
        return f"there is no node yet: add one with `draas join`{before}"
    if any(verdict.fits for verdict in verdicts):
        return f"it is placed as soon as its turn comes{before}"
    count = f"{len(verdicts)} {'node' if len(verdicts) == 1 else 'nodes'}"
    if not possible:
        return f"none of {count} could take it even with nothing else to do; it stays queued until one changes or joins"
    kept = "; it has waited for long, so nodes are kept free for it" if waits_for_room else ""
    return f"none of {count} can take it now{before}{kept}"


def _count_ahead(queue: Queue, job: Job) -> int:
    same = queue.tier(job.spec.priority)
    older = sum(group.count_before(job.seq) for groups in same.values() for group in groups.values())
    return queue.count_above(job.spec.priority) + older


def _verdicts(fleet: Fleet, job: Job, nodes: Iterable[Node], held_nodes: Mapping[NodeId, JobId]) -> list[Verdict]:
    held = job.current
    own = held.node_id if held is not None else None
    return _judge(fleet, ask_of(job.spec), job.spec.resources, nodes, held_nodes, own_node=own, own_job=job.id)


def _judge(
    fleet: Fleet,
    ask: Ask,
    resources: Resources,
    nodes: Iterable[Node],
    held_nodes: Mapping[NodeId, JobId],
    *,
    own_node: NodeId | None = None,
    own_job: JobId | None = None,
) -> list[Verdict]:
    """Each node judged for `ask`; on `own_node` it holds its resources already."""
    scores = fleet.ranking(ask).scores
    images = _image_parts(fleet, ask)
    calm_exists = bool((fleet.ranking(ask).able & fleet.books.calm[: fleet.books.count]).any())
    verdicts = []
    for node in nodes:
        own = own_node == node.id
        room = fleet.room(node.id) + (resources if own else Resources())
        lacks = [*node_lacks(node), *fitness_lacks(ask.shape, node)]
        lacks += resource_lacks(resources, room, node.facts.capacity)
        if not lacks and not own and calm_exists and fleet.is_busy(node.id):
            lacks.append(BUSY)
        if not lacks and held_nodes.get(node.id, own_job) != own_job:
            lacks.append(f"it is kept free for job {held_nodes[node.id]}, which has waited for room for long")
        if lacks:
            verdicts.append(Verdict(node=node.name, fits=False, lacks=tuple(lacks)))
            continue
        row = fleet.row_of(node.id)
        parts = _parts(fleet, ask, row, images, booked=own)
        score = sum(parts.values()) / len(parts) if own else float(scores[row])
        verdicts.append(Verdict(node=node.name, fits=True, score=round(score, 4), parts=parts))
    return verdicts


def _image_parts(fleet: Fleet, ask: Ask) -> Floats | None:
    image = ask.image
    if image is None and ask.shape.runtime is RuntimeName.DOCKER:
        image = fleet.default_image
    return fleet.image_parts(image)


def _parts(fleet: Fleet, ask: Ask, row: int, images: Floats | None, *, booked: bool) -> dict[str, float]:
    """The parts of the score that apply to `row`. `booked`: the job's own reservation is in the books already."""
    books = fleet.books
    need = np.zeros(3, np.int64) if booked else np.array(ask.shape.need, np.int64)
    after = (books.used[:, row] + need).reshape(3, 1)
    load = load_part(after, books.scale[:, row : row + 1], books.others[:, row : row + 1])
    parts = {"load": round(float(load[0]), 4), "failures": round(float(books.failures[row]), 4)}
    if images is not None:
        parts["image"] = round(float(images[row]), 4)
    return parts
