"""Misfits: queued jobs that no machine could take even with nothing else to do. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from draas.model.job import Job, JobId
from draas.model.node import Node, NodeState
from draas.scheduler.ask import Ask, ask_of
from draas.scheduler.filters import fitness_lacks, node_lacks, resource_lacks
from draas.scheduler.fleet import RANKINGS_LEAST, Fleet
from draas.scheduler.queue import Entry, Group, Queue

LOOKED_AT = RANKINGS_LEAST // 2  # groups: each may make a ranking, and what placing has made must not be pushed out


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfits:
    """`first` is the one whose turn would come first, `count` all of them. `lacks` is what the nearest machine lacks for it."""

    first: Job
    count: int
    lacks: str


def find_misfits(fleet: Fleet, queue: Queue, jobs: Mapping[JobId, Job], project: str | None = None) -> Misfits | None:
    """Those of `project` (None: of all), None where there are none."""
    found = [
        (entry, len(group))
        for group, entry in islice(_groups(queue, project), LOOKED_AT)
        if not fleet.ranking(Ask(group.shape, entry.image)).able.any()
    ]
    if not found:
        return None
    first = jobs[found[0][0].job_id]
    return Misfits(first=first, count=sum(count for _, count in found), lacks=_nearest(first, fleet))


def _groups(queue: Queue, project: str | None) -> Iterator[tuple[Group, Entry]]:
    """Groups of jobs that ask the same, each with its oldest, by priority and age."""
    for tier in queue.tiers():
        groups = [group for name, groups in tier.items() if project in (None, name) for group in groups.values()]
        yield from sorted(((group, next(group.entries())) for group in groups), key=lambda one: one[1].seq)


def _nearest(job: Job, fleet: Fleet) -> str:
    """What the machine that lacks least lacks; empty where there is none."""
    told = [(lacks, node.name) for node in fleet.nodes.values() if (lacks := _lacks(job, node))]
    if not told:
        return ""
    lacks, name = min(told, key=lambda one: (len(one[0]), one[1]))
    return f"{name}: {', '.join(lacks)}"


def _lacks(job: Job, node: Node) -> list[str]:
    if node.state is NodeState.LEFT:
        return []
    capacity = node.facts.capacity
    resources = resource_lacks(job.spec.resources, capacity, capacity)
    return [*node_lacks(node), *fitness_lacks(ask_of(job.spec).shape, node), *resources]
