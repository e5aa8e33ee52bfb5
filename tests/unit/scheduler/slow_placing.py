"""Placing in plain Python, one look at every node for every job: what the fast paths must agree with, placement by placement."""

from dataclasses import dataclass, field

import numpy as np

from draas.model.constraint import parse_constraint
from draas.model.image_name import image_key
from draas.model.job import Job, RuntimeName
from draas.model.node import Node, NodeState
from draas.scheduler.place import HOLD_S, STARVED_AFTER_S

Need = tuple[int, int, int]


@dataclass
class SlowPlacing:
    """`used` is what is reserved on each node, by id. `busy` are the nodes whose CPU is others'."""

    nodes: list[Node]
    used: dict[str, list[int]]
    by_project: dict[str, list[int]]
    busy: set[str]
    now: float
    held: set[str] = field(default_factory=set)
    holding: set[object] = field(default_factory=set)

    def place(self, jobs: list[Job], limit: int) -> list[tuple[str, str]]:
        waiting = [job for job in jobs if job.ready_at <= self.now]
        found: list[tuple[str, str]] = []
        refused: set[object] = set()
        while waiting and len(found) < limit:
            job = min(waiting, key=lambda job: (-job.spec.priority, self.share(job.project), job.seq))
            node = None if shape_of(job) in refused else self.best(job)
            if node is None:
                refused.add(shape_of(job))
                alike = [other for other in waiting if group_of(other) == group_of(job)]
                self.hold(job, min(max(other.queued_at or 0.0, other.ready_at) for other in alike[:16]))
                waiting = [other for other in waiting if other not in alike]
                continue
            waiting.remove(job)
            found.append((job.id, node.id))
            for resource, amount in enumerate(need_of(job)):
                self.used[node.id][resource] += amount
                self.by_project.setdefault(job.project, [0, 0, 0])[resource] += amount
        return found

    def share(self, project: str) -> float:
        total = [sum(capacity_of(node)[resource] for node in self.nodes) for resource in range(3)]
        used = self.by_project.get(project, [0, 0, 0])
        return max((mine / all_ for mine, all_ in zip(used, total, strict=True) if all_), default=0.0)

    def able(self, job: Job) -> list[Node]:
        return [
            node
            for node in self.nodes
            if node.state is NodeState.READY
            and not node.drain
            and "worker" in node.facts.roles
            and (not node.load.disk_total_bytes or node.load.disk_used_bytes / node.load.disk_total_bytes < 0.95)
            and any(info.name == job.spec.runtime and info.available for info in node.facts.runtimes)
            and all(parse_constraint(text).holds(node) for text in job.spec.constraints)
            and (not job.spec.architectures or node.facts.arch in job.spec.architectures)
            and all(want <= has for want, has in zip(need_of(job), capacity_of(node), strict=True))
        ]

    def best(self, job: Job) -> Node | None:
        able = self.able(job)
        calm = [node for node in able if node.id not in self.busy]
        fits = [
            node
            for node in calm or able
            if node.id not in self.held
            and all(want <= free for want, free in zip(need_of(job), self.free(node), strict=True))
        ]
        return max(sorted(fits, key=lambda node: node.name), key=lambda node: self.score(job, node), default=None)

    def free(self, node: Node) -> list[int]:
        return [has - used for has, used in zip(capacity_of(node), self.used[node.id], strict=True)]

    def score(self, job: Job, node: Node) -> float:
        cpu, memory, _ = need_of(job)
        load = max(
            (self.used[node.id][0] + cpu) / max(1, node.facts.capacity.cpu_millis) + node.load.cpu_percent / 100,
            (self.used[node.id][1] + memory) / max(1, node.facts.capacity.memory_bytes),
        )
        load = min(load, 1.0)
        step = self.now // 10 * 10
        fresh = sum(min(1.0, max(0.0, 1 - (step - at) / 600)) for at in node.failures)
        parts = [1.0 - load, 1.0 / (1.0 + fresh)]
        image = self.image_part(job, node)
        total = parts[0] + parts[1] + (image or 0.0)
        return float(np.float32(total / (2 if image is None else 3)))

    def image_part(self, job: Job, node: Node) -> float | None:
        if job.spec.image is None or job.spec.runtime is not RuntimeName.DOCKER:
            return None
        wanted = image_key(job.spec.image)
        holders = {
            other.id: image.size_bytes
            for other in self.nodes
            for image in other.facts.images
            if wanted in {image_key(tag) for tag in image.tags}
        }
        if not holders:
            return None
        if node.id in holders:
            return 1.0
        price = 0.1 + 0.4 * min(1.0, max(holders.values()) / 1024**3)
        return 1.0 - price * (0.5 + 0.5 * (len(holders) / len(self.nodes)))

    def hold(self, job: Job, since: float) -> None:
        if shape_of(job) in self.holding:
            return
        starved = self.now - since - STARVED_AFTER_S
        if starved < 0:
            return
        window, begun = 0, 0.0
        while begun + 1.5 * HOLD_S * 2**window <= starved:
            begun += 1.5 * HOLD_S * 2**window
            window += 1
        if starved - begun >= HOLD_S * 2**window:
            return
        able = [node for node in self.able(job) if node.id not in self.held]
        count = min(2**window, len(able))
        if not able or (self.held and len(self.held) + count > len(self.nodes) // 4):
            return
        able.sort(key=lambda node: (self.lacking(job, node), node.name))
        self.holding.add(shape_of(job))
        self.held |= {node.id for node in able[:count]}

    def lacking(self, job: Job, node: Node) -> float:
        return max(
            max(0, want - free) / max(1, has)
            for want, free, has in zip(need_of(job), self.free(node), capacity_of(node), strict=True)
        )


def need_of(job: Job) -> Need:
    return (job.spec.resources.cpu_millis, job.spec.resources.memory_bytes, job.spec.resources.gpus)


def capacity_of(node: Node) -> Need:
    capacity = node.facts.capacity
    return (capacity.cpu_millis, capacity.memory_bytes, capacity.gpus)


def shape_of(job: Job) -> object:
    return (job.spec.resources, job.spec.runtime, job.spec.constraints, job.spec.architectures)


def group_of(job: Job) -> object:
    return (job.spec.priority, job.project, shape_of(job))
