"""Placing jobs on 10,000 nodes, pure: many specs and one, beside a look at every node per job. `python bench/placements.py [NODES] [JOBS]`.

Counted in CPU time, so that a busy machine changes little. Two floors are measured in the same run: a plain-Python look at every node for each job (on a sample), and one numpy pass over all
nodes for each job (what a placement costs at least that keeps nothing from the one before).
"""

import random
import sys
import time
from collections.abc import Callable

import numpy as np

from draas.model.allocation import NodeId
from draas.model.job import DEFAULT_PROJECT, Job, JobId, JobSpec, JobState, RuntimeName
from draas.model.node import Facts, Load, Node, NodeState, RuntimeInfo
from draas.model.resources import MIB, Resources
from draas.scheduler.fleet import Fleet
from draas.scheduler.place import plan_placements
from draas.scheduler.queue import Queue

NOW = 1_000_000.0
SPECS = 50
TARGETS = {"specs": 20_000, "identical": 300_000}  # placements a second
PLAIN_SAMPLE, NUMPY_SAMPLE = 20, 2_000


def make_nodes(count: int, chance: random.Random) -> list[Node]:
    runtimes = (RuntimeInfo(name=RuntimeName.DOCKER, available=True),)
    return [
        Node(
            id=NodeId(f"n{number:05}"),
            name=f"n{number:05}",
            state=NodeState.READY,
            facts=Facts(
                capacity=Resources(
                    cpu_millis=chance.choice((16_000, 32_000, 64_000)),
                    memory_bytes=chance.choice((64, 128, 256)) * 1024 * MIB,
                ),
                runtimes=runtimes,
            ),
            load=Load(cpu_percent=chance.choice((0.0, 5.0, 20.0, 40.0))),
        )
        for number in range(count)
    ]


def make_specs(count: int, chance: random.Random) -> list[JobSpec]:
    """`count` different specs."""
    return [
        JobSpec(
            command="true",
            resources=Resources(cpu_millis=100 + 20 * number, memory_bytes=chance.choice((64, 128, 256, 512)) * MIB),
        )
        for number in range(count)
    ]


def make_queue(count: int, specs: list[JobSpec], chance: random.Random) -> Queue:
    queue = Queue()
    for number in range(count):
        queue.put(
            Job(
                id=JobId(f"j{number}"),
                project=DEFAULT_PROJECT,
                seq=number + 1,
                spec=chance.choice(specs),
                state=JobState.QUEUED,
                created_at=NOW,
                queued_at=NOW,
            )
        )
    return queue


def place_all(nodes: list[Node], queue: Queue, jobs: int) -> float:
    """Placements a second."""
    fleet = Fleet()
    for node in nodes:
        fleet.put_node(node)
    fleet.settle(NOW)
    began = time.process_time()
    placed = plan_placements(fleet, queue, NOW, jobs)
    took_s = time.process_time() - began
    if len(placed) != jobs:
        raise SystemExit(f"only {len(placed)} of {jobs} were placed: the fleet is too small for this many")
    return jobs / took_s


def plain_floor(nodes: list[Node]) -> float:
    """Placements a second by looking at every node in plain Python."""
    used = [[0, 0] for _ in nodes]
    began = time.process_time()
    for _ in range(PLAIN_SAMPLE):
        best, best_row = -1.0, -1
        for row, node in enumerate(nodes):
            capacity, (cpu, memory) = node.facts.capacity, used[row]
            if cpu + 1000 > capacity.cpu_millis or memory + 256 * MIB > capacity.memory_bytes:
                continue
            share = max(
                (cpu + 1000) / capacity.cpu_millis,
                (memory + 256 * MIB) / capacity.memory_bytes,
                node.load.cpu_percent / 100,
            )
            if 1.0 - share > best:
                best, best_row = 1.0 - share, row
        used[best_row][0] += 1000
        used[best_row][1] += 256 * MIB
    return PLAIN_SAMPLE / (time.process_time() - began)


def numpy_floor(nodes: list[Node]) -> float:
    """Placements a second by one numpy pass over all nodes."""
    capacity = np.array([[node.facts.capacity.cpu_millis, node.facts.capacity.memory_bytes] for node in nodes]).T.copy()
    measured = np.array([node.load.cpu_percent / 100 for node in nodes])
    used, need = np.zeros_like(capacity), np.array([[1000], [256 * MIB]])
    began = time.process_time()
    for _ in range(NUMPY_SAMPLE):
        after = used + need
        shares = after / capacity
        score = np.where((after <= capacity).all(axis=0), 1.0 - np.maximum(shares.max(axis=0), measured), -1.0)
        used[:, score.argmax()] += need[:, 0]
    return NUMPY_SAMPLE / (time.process_time() - began)


def best_of(times: int, measure: Callable[[], float]) -> float:
    """The best of several runs: what the machine can do when nothing else runs on it."""
    return max(measure() for _ in range(times))


def main(node_count: int, jobs: int) -> None:
    chance = random.Random(1)
    nodes = make_nodes(node_count, chance)
    plain, passes = plain_floor(nodes), numpy_floor(nodes)
    print(f"{node_count:,} nodes, {jobs:,} jobs; placements/s")
    print(f"{'a look at every node in Python':38}{plain:>12,.0f}")
    print(f"{'a numpy pass over every node':38}{passes:>12,.0f}")
    for kind, count in (("specs", SPECS), ("identical", 1)):
        specs = make_specs(count, chance)
        rate = best_of(3, lambda specs=specs: place_all(nodes, make_queue(jobs, specs, random.Random(2)), jobs))
        name = f"DRaaS, {count} specs" if count > 1 else "DRaaS, identical jobs"
        print(f"{name:38}{rate:>12,.0f}   {rate / plain:,.0f} x Python, {rate / passes:,.1f} x numpy", end="")
        print(f"   (at least {TARGETS[kind]:,}: {'yes' if rate >= TARGETS[kind] else 'NO'})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
