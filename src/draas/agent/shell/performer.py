"""The performer: carries out the core's instructions and feeds back what came of them."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping

from draas.agent.core import events as e
from draas.agent.core.core import AgentCore
from draas.agent.core.metering import Meter
from draas.agent.observe.probing import Way
from draas.agent.runtimes.runtime import Runtime, RuntimeFailure
from draas.agent.shell.journal import Journal
from draas.agent.shell.shipping import Shipment
from draas.agent.shell.tending import tend
from draas.lib import clock, log
from draas.lib.tasks import Tasks
from draas.model.allocation import AllocationId, Cause
from draas.model.job import RuntimeName
from draas.model.probe import Served
from draas.wire.link import LogAck, LogChunk, Usage

AGAIN_S = 1.0  # stopping and removing are tried until they work
SHIP_TRIES = 60  # an engine that restarts is back by then; output that is gone for good must not be waited for for ever


class Performer:
    """Core and runtimes joined. `feed` takes events; `send_log` and `on_news` lead to the link."""

    def __init__(
        self,
        core: AgentCore,
        runtimes: Mapping[RuntimeName, Runtime],
        journal: Journal,
        tasks: Tasks,
        send_log: Callable[[LogChunk], None],
        on_news: Callable[[], None],
    ) -> None:
        self.core = core
        self._runtimes = runtimes
        self._journal = journal
        self._tasks = tasks
        self._send_log = send_log
        self._on_news = on_news
        self._runtime_of: dict[AllocationId, Runtime] = {}
        self._tended: dict[AllocationId, asyncio.Task[None]] = {}
        self._meter = Meter()
        self._ways: dict[RuntimeName, Way] = {}
        self._preparing: dict[AllocationId, asyncio.Task[None]] = {}
        self.shipments: dict[AllocationId, Shipment] = {}
        self.shipped_bytes = 0  # made durable by the controller since the start
        self._renewed: Mapping[AllocationId, float] = {}
        self._linked_ends: Mapping[AllocationId, int] | None = None

    def feed(self, event: e.Event) -> None:
        """Let the core decide about `event`, and start what it says."""
        for instruction in self.core.on_event(event, clock.now()):
            self._begin(instruction)
        self._on_news()

    async def adopt(self, away: Collection[RuntimeName] = ()) -> bool:
        """Take over what the runtimes still have. False where one of them could not be asked.

        One that is `away` and was given nothing as far as the journal knows is not waited for: a machine need not have an engine.
        """
        complete = True
        for name, runtime in self._runtimes.items():
            if name in away and not self._journal.has(name):
                continue
            try:
                found = await runtime.found()
            except RuntimeFailure as failure:
                log.warning("cannot ask a runtime what it has", runtime=name, reason=failure.detail)
                complete = False
                continue
            for item in found:
                self._runtime_of[item.id] = runtime
                noted = self._journal.noted(item.id)
                self.feed(
                    e.Adopted(
                        id=item.id,
                        assignment=self._journal.get(item.id),
                        started_at=item.started_at,
                        exclusive=item.exclusive,
                        image=noted.image if noted is not None else "",
                        served=noted.served if noted is not None else None,
                    )
                )
        return complete

    # --- the link's side ---

    def on_link(self, ends: Mapping[AllocationId, int]) -> None:
        """The link is up; `ends` says how much of each output the controller has."""
        self._linked_ends = ends
        for id, shipment in self.shipments.items():
            shipment.on_link(ends.get(id))

    def on_unlink(self) -> None:
        """The link is gone."""
        self._linked_ends = None
        for shipment in self.shipments.values():
            shipment.on_unlink()

    def on_log_ack(self, ack: LogAck) -> None:
        """Pass on how much is durable."""
        for id, end in ack.ends.items():
            shipment = self.shipments.get(id)
            if shipment is not None:
                before = shipment.safe
                shipment.on_ack(end)
                self.shipped_bytes += max(shipment.safe - before, 0)

    # --- instructions ---

    def _begin(self, instruction: e.Instruction) -> None:
        match instruction:
            case e.Prepare(assignment=assignment):
                self._journal.put(assignment)
                id = assignment.id
                task = self._spawn(self._prepare(instruction), f"prepare {id}")
                self._preparing[id] = task
                task.add_done_callback(lambda _: self._preparing.pop(id, None))
            case e.Start(assignment=assignment):
                self._journal.put(assignment)
                self._spawn(self._start(instruction), f"start {assignment.id}")
            case e.Watch(id=id):
                self._spawn(self._watch(id), f"watch {id}")
                if id not in self.shipments:
                    self._spawn(self._ship(id), f"ship {id}")
            case e.LookAfter():
                self._look_after(instruction)
            case e.Stop(id=id, grace_s=grace_s):
                self._leave_alone(id)
                if (preparing := self._preparing.get(id)) is not None:
                    preparing.cancel()
                self._spawn(self._stop(id, grace_s), f"stop {id}")
            case e.Remove(id=id):
                self._spawn(self._remove(id), f"remove {id}")
            case e.Refuse(detail=detail):
                log.warning("refused", reason=detail)

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        return self._tasks.spawn(work, name)

    def _runtime(self, id: AllocationId) -> Runtime | None:
        known = self._runtime_of.get(id)
        if known is not None:
            return known
        assignment = self.core.locals[id].assignment if id in self.core.locals else self._journal.get(id)
        runtime = self._runtimes.get(assignment.runtime) if assignment is not None else None
        if runtime is not None:
            self._runtime_of[id] = runtime
        return runtime

    async def _prepare(self, instruction: e.Prepare) -> None:
        assignment = instruction.assignment
        runtime = self._runtime(assignment.id)
        if runtime is None:
            self.feed(_not_here(assignment.id, assignment.runtime))
            return
        try:
            await runtime.prepare(
                assignment,
                lambda text: self.feed(e.Progressed(id=assignment.id, text=text)),
                lambda image: self._pin(assignment.id, image),
            )
        except RuntimeFailure as failure:
            self.feed(e.Broke(id=assignment.id, cause=failure.cause, detail=failure.detail))
        else:
            self.feed(e.Prepared(id=assignment.id))

    async def _start(self, instruction: e.Start) -> None:
        assignment = instruction.assignment
        runtime = self._runtime(assignment.id)
        if runtime is None:
            self.feed(_not_here(assignment.id, assignment.runtime))
            return
        try:
            if assignment.exclusive:
                await self._claim(assignment.id, runtime)
            at = await runtime.start(assignment)
        except RuntimeFailure as failure:
            self.feed(e.Broke(id=assignment.id, cause=failure.cause, detail=failure.detail))
        else:
            self.feed(e.Started(id=assignment.id, at=at))

    async def _claim(self, id: AllocationId, runtime: Runtime) -> None:
        """Tell what outlives the agent of the lease before there is anything to stop. Raises RuntimeFailure where it is over."""
        leases = self.core.leases or {}
        if leases.get(id, 0.0) <= clock.monotonic():
            raise RuntimeFailure(Cause.LEASE, "the lease ran out before it could start")
        await runtime.renew({known: until for known, until in leases.items() if self._runtime(known) is runtime})

    async def renew(self) -> None:
        """Pass on to what outlives the agent until when exclusive allocations may run."""
        leases = self.core.leases
        if leases is None or leases == self._renewed:
            return
        for name, runtime in self._runtimes.items():
            own = {id: until for id, until in leases.items() if self._runtime(id) is runtime}
            had = any(self._runtime_of.get(id) is runtime for id in self._renewed)
            try:
                if own or had:
                    await runtime.renew(own)
            except RuntimeFailure as failure:
                log.warning("leases cannot be passed on", runtime=name, reason=failure.detail)
        self._renewed = leases

    def _pin(self, id: AllocationId, image: str) -> None:
        self.feed(e.Pinned(id=id, image=image))
        self._note(id)

    def _note(self, id: AllocationId) -> None:
        """Keep what is known of a replica for the agent after this one."""
        if (local := self.core.locals.get(id)) is not None:
            self._journal.note(id, local.observed)

    def _look_after(self, instruction: e.LookAfter) -> None:
        assignment = instruction.assignment
        runtime = self._runtime(assignment.id)
        if runtime is None or assignment.service is None:
            return

        def say(served: Served) -> None:
            self.feed(e.LookedAfter(id=assignment.id, served=served))
            self._note(assignment.id)

        way = self._ways.setdefault(assignment.runtime, Way())
        tending = tend(runtime, assignment.id, assignment.service, instruction.served, way, say)
        self._tended[assignment.id] = self._spawn(tending, f"tend {assignment.id}")

    async def measure(self) -> Mapping[AllocationId, Usage]:
        """What each replica here uses, since the last call."""
        by_runtime: dict[Runtime, list[AllocationId]] = {}
        for id in self._tended:
            if (runtime := self._runtime(id)) is not None:
                by_runtime.setdefault(runtime, []).append(id)
        used = {id: one for runtime, ids in by_runtime.items() for id, one in (await runtime.used(ids)).items()}
        return self._meter.usages(used, clock.monotonic())

    def _leave_alone(self, id: AllocationId) -> None:
        if (tending := self._tended.pop(id, None)) is not None:
            tending.cancel()

    async def _watch(self, id: AllocationId) -> None:
        runtime = self._runtime_of[id]
        try:
            ended = await runtime.wait(id)
        except RuntimeFailure as failure:
            self._leave_alone(id)
            self.feed(e.Broke(id=id, cause=failure.cause, detail=failure.detail))
        else:
            self._leave_alone(id)
            self.feed(e.HasExited(id=id, ended=ended))

    async def _ship(self, id: AllocationId) -> None:
        shipment = self.shipments[id] = Shipment(id, self._runtime_of[id], self._send_log)
        if self._linked_ends is not None:
            shipment.on_link(self._linked_ends.get(id))
        try:
            for _ in range(SHIP_TRIES):
                try:
                    await shipment.run()
                except RuntimeFailure as failure:
                    log.warning("output cannot be read; trying again", allocation=id, reason=failure.detail)
                    await asyncio.sleep(AGAIN_S)
                else:
                    break
        finally:
            self.shipments.pop(id, None)
        self.feed(e.LogsSafe(id=id))

    async def _stop(self, id: AllocationId, grace_s: float) -> None:
        runtime = self._runtime(id)
        while runtime is not None:
            try:
                await runtime.stop(id, grace_s)
            except RuntimeFailure as failure:
                log.warning("cannot stop yet; trying again", allocation=id, reason=failure.detail)
                await asyncio.sleep(AGAIN_S)
            else:
                break
        self.feed(e.HasStopped(id=id))

    async def _remove(self, id: AllocationId) -> None:
        runtime = self._runtime(id)
        while runtime is not None:
            try:
                await runtime.remove(id)
            except RuntimeFailure as failure:
                log.warning("cannot remove yet; trying again", allocation=id, reason=failure.detail)
                await asyncio.sleep(AGAIN_S)
            else:
                break
        self._runtime_of.pop(id, None)
        self._journal.drop(id)
        self.feed(e.Removed(id=id))


def _not_here(id: AllocationId, runtime: RuntimeName) -> e.Broke:
    what = "host jobs are" if runtime is RuntimeName.PROCESS else f"the {runtime} runtime is"
    return e.Broke(
        id=id,
        cause=Cause.REFUSED,
        detail=f"{what} not allowed on this node; its owner starts the agent with --allow-host-jobs",
    )
