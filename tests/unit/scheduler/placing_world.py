"""Verbs for the placing tests: a fleet, a queue, and who goes where."""

from draas.model.job import Job
from draas.model.node import Node
from draas.scheduler.fleet import Fleet
from draas.scheduler.place import Placement, plan_placements
from draas.scheduler.queue import Queue
from draas.testing.builders import NOW


def a_fleet(*nodes: Node, jobs: list[Job] | None = None, default_image: str | None = None) -> Fleet:
    fleet = Fleet(default_image)
    for node in nodes:
        fleet.put_node(node)
    for job in jobs or []:
        fleet.put_job(job)
    return fleet


def a_queue(*jobs: Job) -> Queue:
    queue = Queue()
    for job in jobs:
        queue.put(job)
    return queue


def placed(nodes: list[Node], jobs: list[Job], now: float = NOW, limit: int = 10_000) -> dict[str, str]:
    """Where each job of `jobs` goes: job's seq to node's name, in the order of decision. Jobs with `on` run already."""
    return named(plan_placements(a_fleet(*nodes, jobs=jobs), a_queue(*jobs), now, limit))


def named(placements: list[Placement]) -> dict[str, str]:
    return {placement.job_id[2:]: placement.node_id[2:] for placement in placements}
