"""Merged search: what an expression finds in the output of several replicas, with the lines around it, in order of time; then as it comes.

Around a line are lines of the same replica: what another one wrote meanwhile says nothing about it.
"""

import heapq
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

from draas.model.app import App
from draas.model.replica import Replica
from draas.server.services.controller import Controller
from draas.server.services.merged_logs import MergedLogs, Positions, ReplicaLine, lines_of_one, number_of
from draas.store.log_lines import Filter
from draas.store.logs import Line, Query
from draas.wire.records import Stream

MOST_FOUND = 10_000  # the newest; they are held in memory, as what is around them is read afterwards


class MergedSearch:
    """`lines` that `wanted` finds in the replicas `chosen`, behind `after`, and `context` lines before and behind each.

    With `is_one` there is one replica, and no other will be added.
    """

    def __init__(
        self,
        controller: Controller,
        app: App,
        chosen: Iterable[Replica],
        wanted: Query,
        after: Positions,
        context: int,
        *,
        is_one: bool,
    ) -> None:
        self._controller, self._app, self._is_one = controller, app, is_one
        self._chosen = {number_of(replica): replica for replica in chosen}
        self._wanted = replace(wanted, tail=min(wanted.tail or MOST_FOUND, MOST_FOUND))
        self._context = context
        self._sent = {number: after.get(number, 0) for number in self._chosen}
        self._before: dict[int, deque[Line]] = {}  # not sent yet, by replica
        self._due: dict[int, int] = {}  # how many are still to be sent behind the last that was found

    async def lines(self, follow: bool) -> AsyncIterator[ReplicaLine]:
        """Raises DraasError, StoreFailure."""
        ends = {number: await self._end(replica) for number, replica in self._chosen.items()}
        found = await self._find(ends)
        shown: dict[int, list[Line]] = {}
        for number, hits in found.items():
            shown[number] = await self._around(number, hits, ends[number])
            self._due[number] = max(0, max(hits) + self._context - ends[number]) if hits else 0
            self._sent[number] = shown[number][0].number - 1 if shown[number] else ends[number]
        ordered = heapq.merge(*(_by_time(number, lines) for number, lines in shown.items()))
        for _, number, _, line in ordered:
            yield self._take(self._chosen[number], line, is_match=line.number in found[number])
        self._sent |= {number: max(end, self._sent[number]) for number, end in ends.items()}
        if follow:
            await self._look_back(ends)
            async for one in self._follow(ends):
                yield one

    def _take(self, replica: Replica, line: Line, *, is_match: bool) -> ReplicaLine:
        self._sent[number_of(replica)] = line.number
        return ReplicaLine(replica, line, dict(self._sent), is_match)

    async def _end(self, replica: Replica) -> int:
        """The last line that will not change any more: of each stream one may be unfinished."""
        last = await self._read(replica, Query(tail=len(Stream) + 1))
        whole = [line.number for line in last if not line.partial]
        open_from = min((line.number for line in last if line.partial), default=None)
        return open_from - 1 if open_from is not None else max(whole, default=0)

    async def _find(self, ends: Positions) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {number: set() for number in self._chosen}
        merged = MergedLogs(self._controller, self._app, self._chosen.values(), self._wanted, self._sent)
        async for one in merged.lines(follow=False):
            number = number_of(one.replica)
            if one.line.number <= ends[number]:
                found[number].add(one.line.number)
        return found

    async def _around(self, number: int, hits: set[int], end: int) -> list[Line]:
        lines: list[Line] = []
        first = self._sent[number] + 1
        for low, high in _ranges(sorted(hits), self._context):
            low, high = max(low, first), min(high, end)
            lines += await self._read(self._chosen[number], Query(after_line=low - 1, limit=high - low + 1))
        return lines

    async def _look_back(self, ends: Positions) -> None:
        for number, replica in self._chosen.items():
            kept: deque[Line] = deque(maxlen=self._context)
            from_line = max(self._sent[number], ends[number]) - self._context
            if self._context and not self._due.get(number):
                kept.extend(await self._read(replica, Query(after_line=max(0, from_line), limit=self._context)))
            self._before[number] = deque((line for line in kept if line.number <= ends[number]), self._context)

    async def _follow(self, ends: Positions) -> AsyncIterator[ReplicaLine]:
        everything, wanted = Query(), Filter(self._wanted)
        if self._is_one:
            (replica,) = self._chosen.values()
            coming = lines_of_one(self._controller.logs, replica, everything, ends, follow=True)
        else:
            coming = MergedLogs(self._controller, self._app, self._chosen.values(), everything, ends).lines(follow=True)
        async for one in coming:
            number = number_of(one.replica)
            before = self._before.setdefault(number, deque(maxlen=self._context))
            if wanted.select([one.line]):
                for line in before:
                    yield self._take(one.replica, line, is_match=False)
                before.clear()
                self._due[number] = self._context
                yield self._take(one.replica, one.line, is_match=True)
            elif self._due.get(number, 0) > 0:
                self._due[number] -= 1
                yield self._take(one.replica, one.line, is_match=False)
            else:
                before.append(one.line)

    async def _read(self, replica: Replica, query: Query) -> list[Line]:
        return [line async for lines in self._controller.logs.read(replica.id, query) for line in lines]


def _ranges(hits: list[int], context: int) -> list[tuple[int, int]]:
    """First and last numbers of what is shown, no line twice."""
    ranges: list[tuple[int, int]] = []
    for hit in hits:
        if ranges and hit - context <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], hit + context)
        else:
            ranges.append((hit - context, hit + context))
    return ranges


def _by_time(number: int, lines: list[Line]) -> list[tuple[int, int, int, Line]]:
    """With what they are ordered by: each replica's own order is kept whatever its clock did."""
    ordered, latest = [], 0
    for line in lines:
        latest = max(latest, line.at_ms)
        ordered.append((latest, number, line.number, line))
    return ordered
