"""Merged logs: the output of several replicas as one, in order of time where it is there already, then as it comes.

Where one stands is a line number for each replica, so that a cut connection is resumed without a gap and without repeats.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from draas.lib.tasks import Tasks
from draas.model.app import App
from draas.model.errors import DraasError, NotFound
from draas.model.replica import Replica
from draas.server.services.controller import Controller
from draas.store.logs import Line, LogStore, Query
from draas.store.store import StoreFailure
from draas.wire.records import Stream

QUEUED = 64  # batches of lines between readers and the connection; readers wait while it is full

Positions = Mapping[int, int]
Coming = asyncio.Queue[tuple[Replica, list[Line]] | DraasError | StoreFailure | None]  # None: there is no more


class ReplicaLine(NamedTuple):
    """One line of a replica's output, and where all replicas stand once it is taken: replica number > line number.

    `is_match`: not merely near one that was searched for.
    """

    replica: Replica
    line: Line
    positions: Positions
    is_match: bool = True


class MergedLogs:
    """`lines` of the replicas `chosen`, behind `after`. With `follow` also of those that come, until the app is removed."""

    def __init__(
        self, controller: Controller, app: App, chosen: Iterable[Replica], wanted: Query, after: Positions
    ) -> None:
        self._controller = controller
        self._app = app
        self._chosen = {number_of(replica): replica for replica in chosen}
        self._wanted = wanted
        self._read = {number: after.get(number, 0) for number in self._chosen}
        self._sent = dict(self._read)

    async def lines(self, follow: bool) -> AsyncIterator[ReplicaLine]:
        """Raises DraasError, StoreFailure."""
        merged = self._merge(hold_back=follow)
        async for replica, line in self._last(merged) if self._wanted.tail is not None else merged:
            yield self._take(replica, line)
        if follow:
            async for replica, lines in self._follow():
                for line in lines:
                    yield self._take(replica, line)

    def _take(self, replica: Replica, line: Line) -> ReplicaLine:
        self._sent[number_of(replica)] = line.number
        return ReplicaLine(replica, line, self._sent)

    async def _merge(self, *, hold_back: bool) -> AsyncIterator[tuple[Replica, Line]]:
        """What is there, by time. Each replica's own order is kept whatever its clock did."""
        streams = {number: self._stored(number, hold_back=hold_back) for number in self._chosen}
        heads: list[tuple[int, int, Line]] = []
        for number, stream in streams.items():
            if (line := await anext(stream, None)) is not None:
                heads.append((line.at_ms, number, line))
        heapq.heapify(heads)
        while heads:
            at_ms, number, line = heads[0]
            yield self._chosen[number], line
            following = await anext(streams[number], None)
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (max(at_ms, following.at_ms), number, following))

    async def _stored(self, number: int, *, hold_back: bool) -> AsyncIterator[Line]:
        """One replica's output so far; `hold_back` leaves what may be unfinished (a line of each stream) to the follower."""
        tail = max(1, self._wanted.tail) if self._wanted.tail is not None else None  # 0: to know where the end is
        query = replace(self._wanted, after_line=self._read[number], tail=tail)
        unfinished: deque[Line] = deque()
        async for lines in self._controller.logs.read(self._chosen[number].id, query):
            for line in lines:
                unfinished.append(line)
                while unfinished and (not line.partial or len(unfinished) > len(Stream)):
                    self._read[number] = unfinished[0].number
                    yield unfinished.popleft()
        for line in () if hold_back else unfinished:
            self._read[number] = line.number
            yield line

    async def _last(self, merged: AsyncIterator[tuple[Replica, Line]]) -> AsyncIterator[tuple[Replica, Line]]:
        """The last `tail` of all; what is left out counts as sent."""
        kept: deque[tuple[Replica, Line]] = deque(maxlen=self._wanted.tail)
        async for one in merged:
            kept.append(one)
        self._sent = dict(self._read)
        for replica, line in reversed(kept):
            self._sent[number_of(replica)] = line.number - 1
        for one in kept:
            yield one

    async def _follow(self) -> AsyncIterator[tuple[Replica, list[Line]]]:
        coming: Coming = asyncio.Queue(QUEUED)
        async with Tasks("logs of an app") as tasks:
            for replica in self._chosen.values():
                tasks.spawn(self._pump(replica, coming), "replica")
            tasks.spawn(self._add_new(tasks, coming), "app")
            while (got := await coming.get()) is not None:
                if isinstance(got, DraasError | StoreFailure):
                    raise got
                yield got

    async def _pump(self, replica: Replica, coming: "Coming") -> None:
        query = replace(self._wanted, after_line=self._read.setdefault(number_of(replica), 0), tail=None)
        try:
            async for lines in self._controller.logs.read(replica.id, query, follow=True):
                await coming.put((replica, lines))
        except NotFound:
            return
        except (DraasError, StoreFailure) as error:
            await coming.put(error)

    async def _add_new(self, tasks: Tasks, coming: "Coming") -> None:
        """Replicas that are placed from now on. Ends all when the app is removed."""
        app, newest = self._app, max(self._chosen, default=0)
        try:
            while app.id == self._app.id:
                for replica in sorted((*app.replicas, *app.past), key=number_of):
                    if number_of(replica) > newest:
                        newest = number_of(replica)
                        tasks.spawn(self._pump(replica, coming), "replica")
                app = await self._controller.changed_app(app.name, app)
        except NotFound:
            pass
        except (DraasError, StoreFailure) as error:
            await coming.put(error)
        await coming.put(None)


def number_of(replica: Replica) -> int:
    """It counts an app's replicas from 1 and is never used again."""
    return replica.allocation.number


async def lines_of_one(
    logs: LogStore, replica: Replica, wanted: Query, after: Positions, *, follow: bool
) -> AsyncIterator[ReplicaLine]:
    """The same of one replica, to the end of its output. Raises DraasError, StoreFailure."""
    number = number_of(replica)
    query = replace(wanted, after_line=after.get(number, 0))
    try:
        async for lines in logs.read(replica.id, query, follow):
            for line in lines:
                yield ReplicaLine(replica, line, {number: line.number})
    except NotFound:
        return
