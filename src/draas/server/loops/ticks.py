"""Ticks: take what arrived, decide (draas.scheduler.control), commit in one transaction, and only then answer and act.

While one tick is being committed the next is decided; its commit waits for the first.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from draas.lib import clock, log
from draas.model.allocation import AllocationId, AllocationState, NodeId
from draas.model.app import App, AppId
from draas.model.errors import DraasError, Unavailable
from draas.model.job import Job, JobId
from draas.model.plan import Plan
from draas.model.policy import Policy
from draas.scheduler.control import Control
from draas.server.services.controller import Reply
from draas.store.logs import LogStore
from draas.store.store import Store, StoreFailure, Write
from draas.wire.link import Assign, Routes

TICK_S = 0.25  # how late a timer may be when nothing else wakes the loop
SLICE_S = 0.01  # how long a tick goes on before API calls and links have their turn
TAKE_S = 0.01  # of what people ask, and again of what agents say, for one tick: all in it wait for its end
COMMIT_AGAIN_S = 1.0
RECENT_PAST = 4  # of an app's ended replicas: more do not end in one tick unnoticed


@dataclass(slots=True)
class Tick:
    """What one tick made, on its way to disk, and who waits for it."""

    write: Write
    orders: dict[NodeId, Assign]
    routes: dict[NodeId, Routes] = field(default_factory=dict)
    replies: list[tuple[asyncio.Future[Reply], Reply]] = field(default_factory=list)
    then: list[Callable[[], None]] = field(default_factory=list)


Item = Callable[[Tick, float], Iterator[None] | None]


class TickLoop:
    """The loop itself. What people and agents ask of it is put in by draas.server.loops.control."""

    def __init__(self, store: Store, logs: LogStore, policy: Policy) -> None:
        self.logs = logs
        self.policy = policy
        self.control: Control  # from `open` on
        self.send_orders: Callable[[NodeId, Assign], None] = lambda _node, _assign: None
        self.send_routes: Callable[[NodeId, Routes], None] = lambda _node, _routes: None
        self.trouble = "the controller is starting"
        self._store = store
        self._commands: deque[Item] = deque()  # of people: first, for they wait
        self._reports: deque[Item] = deque()  # of agents, in the order in which they came
        self._wake = asyncio.Event()
        self._removed: dict[AppId, App] = {}  # until their output is dropped, after the commit
        self._deleted: dict[JobId, Job] = {}  # the same for jobs
        self._committed: asyncio.Future[None] | None = None
        self._watched: dict[str, asyncio.Future[None]] = {}  # by the ids of jobs and apps
        self._new_events = asyncio.Event()
        self._last_event = 0

    async def run(self) -> None:
        """Tick for ever."""
        committing: asyncio.Task[None] | None = None
        try:
            while True:
                await self._wait_for_work()
                tick = await self._decide()
                if committing is not None:
                    await committing
                committing = None
                if tick is not None:
                    committing = asyncio.ensure_future(self._commit(tick))
        finally:
            if committing is not None:
                await committing

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(TICK_S):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _decide(self) -> Tick | None:
        """One tick. Others have their turn every SLICE_S; what they read meanwhile waits for this tick's commit."""
        now = clock.steady()
        tick = Tick(write=Write(), orders={})
        busy = bool(self._commands or self._reports)
        before, self._committed = self._committed, asyncio.get_running_loop().create_future()
        finish = _finisher(self._committed)
        tick.then.append(finish)
        for inbox in (self._commands, self._reports):
            await self._take(inbox, tick, now)
        self.control.tick(now)
        if self.control.behind or self._commands or self._reports:
            self._wake.set()
        plan = self.control.take()
        self._removed.update(self.control.apps.take_removed())
        tick.orders = self.control.orders()
        tick.routes = self.control.apps.take_routes()
        tick.write = replace(tick.write, plan=plan)
        if busy or plan or tick.orders or tick.routes:
            return tick
        self._committed = before
        finish()
        return None

    async def _take(self, inbox: deque[Item], tick: Tick, now: float) -> None:
        """What is in `inbox` by now, as far as it fits into a tick. At least one, however long it takes."""
        count, began = len(inbox), clock.monotonic()
        until = began + SLICE_S
        for _ in range(count):
            for _ in inbox.popleft()(tick, now) or (None,):
                if clock.monotonic() > until:
                    await asyncio.sleep(0)
                    until = clock.monotonic() + SLICE_S
            if clock.monotonic() > began + TAKE_S:
                break

    async def _commit(self, tick: Tick) -> None:
        """Make `tick` durable, however long that takes; then answer, and send the orders."""
        while tick.write != NOTHING_TO_WRITE:
            try:
                self._last_event = max(self._last_event, await self._store.commit(tick.write))
            except StoreFailure as failure:
                if not self.trouble:
                    log.error("cannot commit; answering nobody until it works", reason=failure.detail)
                self.trouble = failure.detail
                for waiting, _ in tick.replies:
                    fail_reply(waiting, Unavailable(failure.detail))
                await asyncio.sleep(COMMIT_AGAIN_S)
            else:
                break
        self.trouble = ""
        for waiting, reply in tick.replies:
            if not waiting.done():
                waiting.set_result(reply)
        for follow_up in tick.then:  # a welcome among them comes before what has changed since
            follow_up()
        for node_id, assign in tick.orders.items():
            self.send_orders(node_id, self._complete(node_id, assign))
        for node_id, routes in tick.routes.items():
            self.send_routes(node_id, routes)
        if tick.write.plan.events:
            self._new_events.set()
            self._new_events = asyncio.Event()
        if self._watched:
            self._tell_watchers(tick.write.plan)
        await self._close_outputs(tick.write.plan)

    def _complete(self, _node_id: NodeId, assign: Assign) -> Assign:
        """What is added to an order after its commit."""
        return assign

    def _tell_watchers(self, plan: Plan) -> None:
        changed = (*(job.id for job in plan.jobs), *plan.gone_jobs, *(app.id for app in plan.apps), *plan.gone_apps)
        for id in changed:
            watching = self._watched.pop(id, None)
            if watching is not None and not watching.done():
                watching.set_result(None)

    async def _close_outputs(self, plan: Plan) -> None:
        """Tell the log store which outputs end without their agent saying so, and which nobody will read."""
        ended = []
        for job in plan.jobs:
            last = job.attempts[-1] if job.attempts else None
            if (
                last is not None
                and last.ended
                and (last.state is AllocationState.LOST or last.observed.started_at is None)
            ):
                ended.append(last.id)
        for app in plan.apps:
            ended += [
                replica.id
                for replica in app.past[-RECENT_PAST:]
                if replica.state is AllocationState.LOST or replica.observed.started_at is None
            ]
        gone_replicas = [id for app_id in plan.gone_apps for id in _replica_ids(self._removed.pop(app_id, None))]
        gone = [self._deleted.pop(id) for id in plan.gone_jobs if id in self._deleted]
        try:
            await asyncio.gather(*(self.logs.close_output(id) for id in ended))
            if plan.gone_jobs or gone_replicas:
                await self.logs.drop([*(attempt.id for job in gone for attempt in job.attempts), *gone_replicas])
        except (
            StoreFailure
        ) as failure:  # what was decided is durable and goes on; output of it is left open, or left over
            log.error("ends of output cannot be stored", reason=failure.detail)

    def post(self, item: Item) -> None:
        """Put what a person asks into the next tick. What it returns, if anything, is its work in slices."""
        self._commands.append(item)
        self._wake.set()

    def _post_report(self, item: Item) -> None:
        """Put what an agent says into the next tick that has room."""
        self._reports.append(item)
        self._wake.set()

    async def _settled(self) -> None:
        """Wait until all that has been decided is durable. Raises Unavailable while commits fail."""
        if self.trouble:
            raise Unavailable(self.trouble)
        committed = self._committed
        while committed is not None and not committed.done():
            await asyncio.wait({committed}, timeout=COMMIT_AGAIN_S)
            if self.trouble:
                raise Unavailable(self.trouble)


NOTHING_TO_WRITE = Write()


def _finisher(future: asyncio.Future[None]) -> Callable[[], None]:
    def finish() -> None:
        if not future.done():
            future.set_result(None)

    return finish


def fail_reply(waiting: asyncio.Future[Reply], error: DraasError) -> None:
    """Answer with `error`, where nobody has answered yet."""
    if not waiting.done():
        waiting.set_exception(error)
        waiting.exception()  # whoever waited may be gone; that is no defect


def _replica_ids(app: App | None) -> list[AllocationId]:
    """The ids of all replicas that the app ever had."""
    return [AllocationId(f"{app.id}.{number + 1}") for number in range(app.placed)] if app is not None else []
