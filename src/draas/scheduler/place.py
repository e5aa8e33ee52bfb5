"""Place: which queued job goes to which node, in which order. Pure: fleet and queue are as before, the caller applies."""

from heapq import heapify, heappop, heappush
from itertools import chain, islice
from math import floor, inf, log2
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from draas.model.allocation import NodeId
from draas.model.job import JobId, ProjectName
from draas.scheduler.ask import Amounts, Ask, Shape
from draas.scheduler.fleet import Fleet
from draas.scheduler.queue import Entry, Group, Queue, Tier
from draas.scheduler.ranking import Ranking
from draas.scheduler.score import UNFIT, Ints

# A big job waits this long for room to come by itself; then nodes are held for it. Shorter, and a burst of small jobs that
# would have been over by itself leaves cores idle; longer, and a person has long asked what is wrong.
STARVED_AFTER_S = 60.0
# How long nodes are held the first time. Each time is twice as long as the one before and on twice as many nodes, so that
# even work of many hours ends within one; after each, the nodes are open for half as long, so that a job that waits for
# something endless takes at most two thirds of the time from those that could run.
HOLD_S = 600.0
# From this many identical jobs in a row, placing them together is faster than one by one.
RUN_LEAST = 12
# How many of a blocked group's oldest jobs are asked how long they have waited.
OLDEST_LOOKED_AT = 16


class Placement(NamedTuple):
    """This job should run on this node."""

    job_id: JobId
    node_id: NodeId


class Round(NamedTuple):
    """The placements in the order in which they were decided, and the nodes that are held, each with the job that has starved."""

    placements: list[Placement]
    held: dict[NodeId, JobId]


def plan_placements(fleet: Fleet, queue: Queue, now: float, limit: int) -> list[Placement]:
    """The next placements, at most `limit`; see plan_round."""
    return plan_round(fleet, queue, now, limit).placements


def plan_round(fleet: Fleet, queue: Queue, now: float, limit: int) -> Round:
    """The next placements, at most `limit`.

    By priority, then the project that uses the least, then age. A job that fits nowhere is passed over; where it only lacks
    room and has starved, nodes are held for it. Equal inputs give equal placements.
    """
    fleet.settle(now)
    queue.wake(now)
    draft = _Draft(fleet, now, limit)
    try:
        for tier in queue.tiers():
            if not draft.wanted:
                break
            _place_tier(draft, tier)
    finally:
        draft.undo()
    return Round(draft.placements, draft.held())


def held_nodes(waited_s: float) -> int:
    """How many nodes are held for a job that has been blocked for so long; 0 outside the times of holding.

    The k-th time (k = 0, 1, …) lasts HOLD_S 2**k, followed by half as much for the others, so it begins after
    STARVED_AFTER_S + 1.5 HOLD_S (2**k - 1).
    """
    starved_s = waited_s - STARVED_AFTER_S
    if starved_s < 0:
        return 0
    k = floor(log2(starved_s / (1.5 * HOLD_S) + 1))
    begun_s = 1.5 * HOLD_S * (2.0**k - 1)
    return 2**k if starved_s - begun_s < HOLD_S * 2.0**k else 0


class _Cursor:
    """A place in a group: `head` is the next job to be considered."""

    def __init__(self, group: Group) -> None:
        self.shape = group.shape
        self._rest = group.entries()
        self.head: Entry | None = next(self._rest, None)
        self._image: str | None = None
        self._ranking: Ranking | None = None

    def take_run(self, below: float, most: int) -> list[Entry]:
        """Take the next jobs, as long as they want the same image, are older than `below` and no more than `most`."""
        run: list[Entry] = []
        head = self.head
        image = head.image if head is not None else None
        while head is not None and head.image == image and head.seq < below and len(run) < most:
            run.append(head)
            head = next(self._rest, None)
        self.head = head
        return run

    def longest_waiting(self, taken: list[Entry]) -> Entry:
        """Which of the oldest few of the jobs left has waited longest, those of `taken` first. The cursor is of no use afterwards.

        Not the first alone: it may be a retry that was queued just now.
        """
        left = taken if self.head is None else chain(taken, (self.head,), self._rest)
        return min(islice(left, OLDEST_LOOKED_AT), key=attrgetter("since"))

    def ranking(self, fleet: Fleet, image: str | None) -> Ranking:
        """The fleet's ranking for this shape and image, up to date."""
        if self._ranking is None or self._image != image:
            self._ranking, self._image = fleet.ranking(Ask(self.shape, image)), image
        else:
            self._ranking.catch_up()
        return self._ranking


_Heads = list[tuple[int, _Cursor]]  # a heap by the seq of each cursor's head


def _place_tier(draft: "_Draft", tier: Tier) -> None:
    """Place the jobs of one priority: always the oldest of the project that uses the least."""
    turns = []
    for project, groups in tier.items():
        heads = [(cursor.head.seq, cursor) for cursor in map(_Cursor, groups.values()) if cursor.head is not None]
        heapify(heads)
        turns.append((draft.share(project), heads[0][0], project, heads))
    heapify(turns)
    while turns and draft.wanted:
        _, _, project, heads = heappop(turns)
        _take_turn(draft, project, heads, alone=not turns)
        if heads:
            share = draft.share(project) if turns else 0.0  # alone, any will do
            heappush(turns, (share, heads[0][0], project, heads))


def _take_turn(draft: "_Draft", project: ProjectName, heads: _Heads, alone: bool) -> None:
    """Place a project's oldest job, or where no other project competes all that follow it and ask the same."""
    _, cursor = heappop(heads)
    if cursor.shape in draft.blocked or draft.is_hopeless(cursor.shape):
        draft.blocked.add(cursor.shape)
        draft.hold_for(cursor.shape, cursor.longest_waiting([]))
        return
    below = heads[0][0] if heads else inf
    run = cursor.take_run(below, draft.wanted if alone else 1)
    placed = draft.place(project, cursor, run)
    if placed < len(run):
        draft.blocked.add(cursor.shape)
        draft.hold_for(cursor.shape, cursor.longest_waiting(run[placed:]))
    elif cursor.head is not None:
        heappush(heads, (cursor.head.seq, cursor))


def _most(fleet: Fleet) -> tuple[list[int], list[int]]:
    """The most that is free on any usable node, and the most that any has, of each resource."""
    books, count = fleet.books, fleet.books.count
    open_rows = np.flatnonzero(books.usable[:count])
    if not len(open_rows):
        return [-1] * 3, [-1] * 3
    capacity = books.capacity.take(open_rows, axis=1)
    free = capacity - books.used.take(open_rows, axis=1)
    return free.max(axis=1).tolist(), capacity.max(axis=1).tolist()


class _Draft:
    """Placements in the making. Books them in the fleet and takes them back in the end."""

    def __init__(self, fleet: Fleet, now: float, limit: int) -> None:
        self.placements: list[Placement] = []
        self.blocked: set[Shape] = set()
        self._fleet = fleet
        self._books = fleet.books
        self._ids = fleet.node_ids()
        self._most_free, self._largest = _most(fleet)
        self._now = now
        self._limit = limit
        self._used_before: Ints | None = None
        self._rows: list[int] = []
        self._held: list[int] = []
        self._held_for: list[JobId] = []
        self._holding: set[Shape] = set()
        self._used: dict[ProjectName, Amounts] = {}

    @property
    def wanted(self) -> int:
        return self._limit - len(self.placements)

    def is_hopeless(self, shape: Shape) -> bool:
        """Whether it asks for more of something than any node had free in the beginning: a look at three numbers, not at all nodes."""
        return any(need > most for need, most in zip(shape.need, self._most_free, strict=True))

    def share(self, project: ProjectName) -> float:
        """The project's dominant share: the largest of its shares of all CPU, all memory, all GPUs.

        Source: Ghodsi et al., "Dominant Resource Fairness", NSDI 2011.
        """
        used = self._used.get(project) or self._fleet.used_by(project)
        return max((mine / all_ for mine, all_ in zip(used, self._fleet.total(), strict=True) if all_ > 0), default=0.0)

    def place(self, project: ProjectName, cursor: _Cursor, run: list[Entry]) -> int:
        """Give each job of `run` (which ask the same) the node that suits it best. Returns how many fitted."""
        placed, need = 0, cursor.shape.need
        while placed < len(run):
            rows = self._best(cursor.ranking(self._fleet, run[0].image), len(run) - placed)
            if not rows:
                break
            self._book(need, rows)
            for row in rows:
                self.placements.append(Placement(run[placed].job_id, self._ids[row]))
                placed += 1
        used = self._used.get(project) or self._fleet.used_by(project)
        self._used[project] = (used[0] + placed * need[0], used[1] + placed * need[1], used[2] + placed * need[2])
        return placed

    def _best(self, ranking: Ranking, count: int) -> list[int]:
        """The next rows for `count` jobs; at least one if any fits."""
        held = self._held
        if held:
            saved = ranking.scores[held]
            ranking.scores[held] = UNFIT
        if count < RUN_LEAST:
            row = ranking.best()
            rows = [row] if row >= 0 else []
        else:
            rows = ranking.best_run(count)
        if held:
            ranking.scores[held] = saved
        return rows

    def _book(self, need: Amounts, rows: list[int]) -> None:
        books = self._books
        if self._used_before is None:
            self._used_before = books.used[:, : books.count].copy()
        self._rows += rows
        if len(rows) == 1:
            row, used = rows[0], books.used
            used[0, row] += need[0]
            used[1, row] += need[1]
            if need[2]:
                used[2, row] += need[2]
            books.touch(row)
            return
        counts = np.bincount(rows, minlength=books.count)
        for resource, amount in enumerate(need):
            books.used[resource, : books.count] += amount * counts
        books.touch_all(np.flatnonzero(counts))

    def held(self) -> dict[NodeId, JobId]:
        """The nodes that are held, and for whom."""
        return {self._ids[row]: job_id for row, job_id in zip(self._held, self._held_for, strict=True)}

    def hold_for(self, shape: Shape, oldest: Entry) -> None:
        """Nothing of this shape fits any more. If `oldest`, which asks for it, has starved for want of room alone, hold nodes for it.

        From here on nobody gets these: who comes later in the order waits. For the first in the order nodes are held in any
        case; for further ones only while at least three quarters of the nodes stay open.
        """
        wanted = held_nodes(self._now - oldest.since)
        if not wanted or shape in self._holding or (self._held and len(self._held) >= self._books.count // 4):
            return
        if any(need > most for need, most in zip(shape.need, self._largest, strict=True)):
            return
        able = self._fleet.ranking(Ask(shape, None)).able.copy()
        able[self._held] = False
        rows = np.flatnonzero(able)
        wanted = min(wanted, len(rows))
        if not wanted or (self._held and len(self._held) + wanted > self._books.count // 4):
            return
        capacity = self._books.capacity.take(rows, axis=1)
        lacking = np.array(shape.need)[:, None] - (capacity - self._books.used.take(rows, axis=1))
        distance = (np.maximum(0, lacking) / np.maximum(1, capacity)).max(axis=0)
        self._held += rows[np.argsort(distance, kind="stable")[:wanted]].tolist()
        self._held_for += [oldest.job_id] * wanted
        self._holding.add(shape)

    def undo(self) -> None:
        """Give back all that was booked here."""
        if self._used_before is not None:
            self._books.used[:, : self._books.count] = self._used_before
            self._books.touch_all(np.array(sorted(set(self._rows)), np.intp))  # np.unique imports 90 ms of NumPy
