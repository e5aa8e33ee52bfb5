"""Fleet: what every node has, what is reserved on it, and by whom. Reserved amounts come back exactly."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from draas.model.allocation import AllocationId, NodeId
from draas.model.app import App, AppId
from draas.model.cluster import Cluster
from draas.model.image_name import image_key
from draas.model.job import Job, JobId, ProjectName, RuntimeName
from draas.model.node import Node
from draas.model.plan import Plan
from draas.model.resources import NOTHING, Resources
from draas.scheduler.ask import Amounts, Ask, Shape, amounts
from draas.scheduler.books import Books
from draas.scheduler.filters import CPU_BUSY_SHARE, can_run, is_usable
from draas.scheduler.images import Images
from draas.scheduler.ranking import Ranking
from draas.scheduler.score import FAILURES_STEP_S, Bools, Floats, Ints, failure_part, missing_image_part, others_shares

# Six bytes a node each: 15 MB. More different asks at once only cost a fresh look each.
RANKED_NODES_MOST = 2_560_000
RANKINGS_LEAST = 256
FITNESS_MOST = 256


class Imbalance(Exception):
    """The books and the cluster disagree, or a node is over-committed: a defect of ours."""


class Holding(NamedTuple):
    """What one allocation has reserved."""

    node_id: NodeId
    need: Amounts
    project: ProjectName | None


class Fleet:
    """The books of all nodes. Kept in step with the cluster by `follow`, or by the single verbs."""

    def __init__(self, default_image: str | None = None) -> None:
        """`default_image` is what jobs that name no image run."""
        self.default_image = image_key(default_image) if default_image else None
        self.books = Books()
        self.nodes: dict[NodeId, Node] = {}
        self._row: dict[NodeId, int] = {}
        self._ids: list[NodeId] = []
        self._held: dict[AllocationId, Holding] = {}
        self._on_node: dict[NodeId, dict[AllocationId, None]] = {}
        self._of_job: dict[JobId, AllocationId] = {}
        self._of_app: dict[AppId, set[AllocationId]] = {}
        self._of_project: dict[ProjectName, Amounts] = {}
        self._shrunk: set[NodeId] = set()
        self._failing: set[NodeId] = set()
        self._unsettled: set[NodeId] = set()
        self._images = Images()
        self._fitness: OrderedDict[tuple[RuntimeName, tuple[str, ...], tuple[str, ...]], Bools] = OrderedDict()
        self._rankings: OrderedDict[Ask, Ranking] = OrderedDict()
        self._in_order = True
        self._settled_step = -1.0
        self._total: Amounts = (0, 0, 0)
        self._total_version = -1

    @classmethod
    def of(cls, cluster: Cluster, default_image: str | None = None) -> "Fleet":
        """The books of a cluster as it stands. Nodes that hold more than they have are taken to have shrunk."""
        fleet = cls(default_image)
        for node in cluster.nodes.values():
            fleet.put_node(node)
        for job in cluster.jobs.values():
            fleet.put_job(job)
        for app in cluster.apps.values():
            fleet.put_app(app)
        fleet._shrunk |= {node for node, row in fleet._row.items() if fleet.books.free(row).min() < 0}
        return fleet

    # --- keeping step ---

    def follow(self, plan: Plan) -> None:
        """Take over what `plan` changed, in the order in which Cluster.apply does."""
        for node in plan.nodes:
            self.put_node(node)
        for node_id in plan.gone_nodes:
            self.drop_node(node_id)
        for job in plan.jobs:
            self.put_job(job)
        for job_id in plan.gone_jobs:
            self.drop_job(job_id)
        for app in plan.apps:
            self.put_app(app)
        for app_id in plan.gone_apps:
            self.drop_app(app_id)

    def put_app(self, app: App) -> None:
        """Reserve what the app's replicas hold that have not ended, and give back what others held."""
        holds = {replica.id: replica for replica in app.replicas}
        held = self._of_app.get(app.id, set())
        for id in held - holds.keys():
            self.release(id)
        for id, replica in holds.items():
            if id not in held:
                release = app.release(replica.release)
                spec = release.spec if release is not None else app.spec
                self.reserve(id, replica.node_id, spec.resources, app.project)
        if holds:
            self._of_app[app.id] = set(holds)
        else:
            self._of_app.pop(app.id, None)

    def drop_app(self, app_id: AppId) -> None:
        """Give back all that the app holds."""
        for id in self._of_app.pop(app_id, set()):
            self.release(id)

    def put_job(self, job: Job) -> None:
        """Reserve what the job's current allocation holds, and give back what an earlier one held."""
        current, held = job.current, self._of_job.get(job.id)
        if held is not None and (current is None or current.id != held):
            self.drop_job(job.id)
            held = None
        if current is not None and held is None:
            self._of_job[job.id] = current.id
            self.reserve(current.id, current.node_id, job.spec.resources, job.project)

    def drop_job(self, job_id: JobId) -> None:
        """Give back what the job holds, if anything."""
        held = self._of_job.pop(job_id, None)
        if held is not None:
            self.release(held)

    def reserve(
        self, allocation_id: AllocationId, node_id: NodeId, resources: Resources, project: ProjectName | None = None
    ) -> None:
        """Book `resources` for an allocation. Again for the same allocation changes nothing.

        The node need not be known (yet): what its allocations hold is booked when it is.
        """
        if allocation_id in self._held:
            return
        need = amounts(resources)
        self._held[allocation_id] = Holding(node_id, need, project)
        self._on_node.setdefault(node_id, {})[allocation_id] = None
        if project is not None:
            self._of_project[project] = _plus(self._of_project.get(project, (0, 0, 0)), need)
        row = self._row.get(node_id)
        if row is not None:
            self._book(row, need, 1)

    def release(self, allocation_id: AllocationId) -> None:
        """Give back what the allocation holds. Unknown ids are fine."""
        held = self._held.pop(allocation_id, None)
        if held is None:
            return
        on_node = self._on_node[held.node_id]
        del on_node[allocation_id]
        if not on_node:
            del self._on_node[held.node_id]
        if held.project is not None:
            left = _plus(self._of_project[held.project], held.need, -1)
            if any(left):
                self._of_project[held.project] = left
            else:
                del self._of_project[held.project]
        row = self._row.get(held.node_id)
        if row is not None:
            self._book(row, held.need, -1)
            if held.node_id in self._shrunk and self.books.free(row).min() >= 0:
                self._shrunk.discard(held.node_id)

    def _book(self, row: int, need: Amounts, sign: int) -> None:
        books, used = self.books, self.books.used
        used[0, row] += sign * need[0]
        used[1, row] += sign * need[1]
        if need[2]:
            used[2, row] += sign * need[2]
        if sign > 0:
            books.peak_cpu[row] = max(books.peak_cpu[row], used[0, row])
        books.touch(row)

    def put_node(self, node: Node) -> None:
        """A new node, or a new version of one."""
        old = self.nodes.get(node.id)
        self.nodes[node.id] = node
        row = self._join(node.id) if old is None else self._row[node.id]
        if old is None or old.name != node.name:
            self._in_order = False
        if old is None or not _same_identity(old, node):
            for (runtime, constraints, architectures), fit in self._fitness.items():
                fit[row] = can_run(runtime, constraints, node, architectures)
            self.books.version += 1
        if (before := old.facts.images if old is not None else ()) != node.facts.images:
            self._images.replace(node.id, before, node.facts.images)
            self.books.version += 1
        if old is None or old.failures != node.failures:
            self._unsettled.add(node.id)
        resized = old is None or old.facts.capacity != node.facts.capacity
        if resized:
            self._put_capacity(node, row)
        if old is None or resized or old.load != node.load:
            self._put_load(node, row)
        if (usable := is_usable(node)) != self.books.usable[row]:
            self.books.usable[row] = usable
            self.books.version += 1

    def drop_node(self, node_id: NodeId) -> None:
        """Forget the node. What is reserved on it stays known until it is released. Unknown ids are fine."""
        node = self.nodes.pop(node_id, None)
        if node is None:
            return
        self.books.usable[self._row.pop(node_id)] = False
        self.books.version += 1
        self._images.replace(node_id, node.facts.images, ())
        self._shrunk.discard(node_id)
        self._failing.discard(node_id)
        self._unsettled.discard(node_id)
        self._in_order = False

    def _join(self, node_id: NodeId) -> int:
        row = self.books.append()
        self._row[node_id] = row
        self._ids.append(node_id)
        for kind, fit in self._fitness.items():
            self._fitness[kind] = np.append(fit, False)
        for allocation in self._on_node.get(node_id, ()):
            self._book(row, self._held[allocation].need, 1)
        return row

    def _put_capacity(self, node: Node, row: int) -> None:
        self.books.resize(row, np.array(amounts(node.facts.capacity), np.int64))
        if self.books.free(row).min() < 0:
            self._shrunk.add(node.id)
        else:
            self._shrunk.discard(node.id)

    def _put_load(self, node: Node, row: int) -> None:
        """Take over a measurement. What was reserved since the last one explains that much of the CPU's use; the rest is others'."""
        books = self.books
        ours = (float(books.peak_cpu[row] / books.scale[0, row]), float(books.used[1, row] / books.scale[1, row]))
        others = others_shares(node.load, node.facts.capacity.memory_bytes, ours)
        calm = others[0] < CPU_BUSY_SHARE
        books.peak_cpu[row] = books.used[0, row]
        books.others[:, row] = others
        books.touch(row)
        if calm != books.calm[row]:
            books.calm[row] = calm
            books.version += 1

    def settle(self, now: float) -> None:
        """Bring order and fading failures up to date. Changes nothing that can be asked for."""
        if not self._in_order:
            self._sort()
        step = now // FAILURES_STEP_S
        due = self._failing | self._unsettled if step != self._settled_step else self._unsettled
        for node_id in due:
            node, row = self.nodes[node_id], self._row[node_id]
            part = failure_part(node.failures, now)
            if part != self.books.failures[row]:
                self.books.failures[row] = part
                self.books.touch(row)
            if node.failures:
                self._failing.add(node_id)
            else:
                self._failing.discard(node_id)
        self._unsettled.clear()
        self._settled_step = step

    def _sort(self) -> None:
        """Rows in the order of names, so that the first of equal scores is the first by name."""
        self._ids = sorted(self.nodes, key=lambda node_id: (self.nodes[node_id].name, node_id))
        order = np.array([self._row[node_id] for node_id in self._ids], np.intp)
        self._row = {node_id: row for row, node_id in enumerate(self._ids)}
        self.books.reorder(order)
        for kind, fit in self._fitness.items():
            self._fitness[kind] = fit[order]
        self._rankings.clear()
        self._in_order = True

    # --- asking ---

    def room(self, node_id: NodeId) -> Resources:
        """What is left on the node; below zero where it shrank under what it holds."""
        row = self._row.get(node_id)
        return NOTHING if row is None else _resources(self.books.free(row))

    def reserved(self, node_id: NodeId) -> Resources:
        """What the allocations on the node hold, whether the node is known or not."""
        held = [self._held[allocation].need for allocation in self._on_node.get(node_id, ())]
        return Resources(
            cpu_millis=sum(need[0] for need in held),
            memory_bytes=sum(need[1] for need in held),
            gpus=sum(need[2] for need in held),
        )

    def is_busy(self, node_id: NodeId) -> bool:
        """Whether nearly all of its CPU is measured to be used by work that is not ours."""
        row = self._row.get(node_id)
        return row is not None and not self.books.calm[row]

    def used_by(self, project: ProjectName) -> Amounts:
        """What the project's allocations hold."""
        return self._of_project.get(project, (0, 0, 0))

    def total(self) -> Amounts:
        """What all nodes have together."""
        if self._total_version != self.books.version:
            sums = self.books.capacity[:, : self.books.count].sum(axis=1)
            self._total = (int(sums[0]), int(sums[1]), int(sums[2]))
            self._total_version = self.books.version
        return self._total

    def row_of(self, node_id: NodeId) -> int:
        """The node's row, valid until the next change of the fleet."""
        return self._row[node_id]

    def node_ids(self) -> list[NodeId]:
        """The ids of all rows. Settle first."""
        return self._ids

    def ranking(self, ask: Ask) -> "Ranking":
        """How all nodes score for `ask`, up to date. Settle first."""
        image = ask.image
        if image is None and ask.shape.runtime is RuntimeName.DOCKER:
            image = self.default_image
        if image is not None and not self._images.holders(image):
            image = None
        key = Ask(ask.shape, image)
        found = self._rankings.get(key)
        if found is None:
            found = self._rankings[key] = Ranking(ask.shape.need, self.books)
            if len(self._rankings) > max(RANKINGS_LEAST, RANKED_NODES_MOST // max(1, self.books.count)):
                self._rankings.popitem(last=False)
        else:
            self._rankings.move_to_end(key)
        if found.version != self.books.version:
            found.refresh(self.fitness(ask.shape), self.image_parts(image))
        else:
            found.catch_up()
        return found

    def fitness(self, shape: Shape) -> Bools:
        """Which rows have the role and the runtime, satisfy the constraints and run the image's architecture."""
        kind = (shape.runtime, shape.constraints, shape.architectures)
        found = self._fitness.get(kind)
        if found is None:
            found = np.zeros(self.books.count, np.bool_)
            for node_id, row in self._row.items():
                found[row] = can_run(shape.runtime, shape.constraints, self.nodes[node_id], shape.architectures)
            self._fitness[kind] = found
            if len(self._fitness) > FITNESS_MOST:
                self._fitness.popitem(last=False)
        return found

    def image_parts(self, image: str | None) -> Floats | None:
        """The image part of every row's score; None where no node has the image, so that it makes no difference."""
        holders = self._images.holders(image) if image is not None else {}
        if not holders:
            return None
        size_bytes = max(holders.values())
        parts = np.full(self.books.count, missing_image_part(size_bytes, len(holders), len(self.nodes)))
        parts[[self._row[node_id] for node_id in holders]] = 1.0
        return parts

    # --- checking ---

    def check(self, cluster: Cluster) -> None:
        """Raise Imbalance unless the books are the sum of what the cluster's allocations hold, and no node is over-committed.

        A node that shrank under what it holds is no fault.
        """
        held = {
            current.id: (current.node_id, amounts(job.spec.resources))
            for job in cluster.jobs.values()
            if (current := job.current) is not None
        }
        for app in cluster.apps.values():
            for replica in app.replicas:
                release = app.release(replica.release)
                spec = release.spec if release is not None else app.spec
                held[replica.id] = (replica.node_id, amounts(spec.resources))
        booked = {allocation: (holding.node_id, holding.need) for allocation, holding in self._held.items()}
        if held != booked:
            wrong = sorted(dict(held.items() ^ booked.items()))
            raise Imbalance(f"allocations {wrong}: the cluster holds {held}, the books {booked}")
        if set(cluster.nodes) != set(self.nodes):
            raise Imbalance(
                f"nodes {sorted(set(cluster.nodes) ^ set(self.nodes))} are in one of cluster and books only"
            )
        for node_id, node in cluster.nodes.items():
            room, reserved = self.room(node_id), self.reserved(node_id)
            if room + reserved != node.facts.capacity:
                raise Imbalance(f"{node.name}: {room} free and {reserved} reserved are not {node.facts.capacity}")
            if node_id not in self._shrunk and not NOTHING.fits_in(room):
                raise Imbalance(f"{node.name} is over-committed: {reserved} reserved of {node.facts.capacity}")
        by_project: dict[ProjectName, Amounts] = {}
        for holding in self._held.values():
            if holding.project is not None:
                by_project[holding.project] = _plus(by_project.get(holding.project, (0, 0, 0)), holding.need)
        if {name: need for name, need in by_project.items() if any(need)} != self._of_project:
            raise Imbalance(f"projects hold {by_project}, the books say {self._of_project}")


def _same_identity(old: Node, new: Node) -> bool:
    """Whether runtimes and constraints see the same node."""
    if old.facts is new.facts:
        return old.name == new.name and old.labels == new.labels
    return (old.name, old.labels, _offered(old)) == (new.name, new.labels, _offered(new))


def _offered(node: Node) -> tuple[object, ...]:
    facts = node.facts
    return (facts.labels, facts.arch, facts.os, facts.roles, facts.runtimes)


def _resources(column: Ints) -> Resources:
    return Resources(cpu_millis=int(column[0]), memory_bytes=int(column[1]), gpus=int(column[2]))


def _plus(left: Amounts, right: Amounts, sign: int = 1) -> Amounts:
    return (left[0] + sign * right[0], left[1] + sign * right[1], left[2] + sign * right[2])
