"""One attempt's output on its way under every fault: the agent's real Shipment, a real log store, a link that loses what is in flight."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable

from draas.agent.runtimes.runtime import Runtime
from draas.agent.shell.shipping import Shipment
from draas.model.allocation import AllocationId
from draas.store.logs import LogStore, Query
from draas.testing.sim.invariants import Violated
from draas.wire.link import LogChunk
from draas.wire.records import Stream, pack

ID = AllocationId("j1.1")
LINES = 60
TURNS = 5  # of the event loop after each step: enough for what it set off
STEPS_MOST = 20_000


class Output:
    """What a program writes, bit by bit; read from any offset, cut into records as it pleases, to its end."""

    def __init__(self, chance: random.Random) -> None:
        self.lines = [f"{number} {'x' * chance.randrange(40)}".encode() for number in range(LINES)]
        self.data = b"".join(line + b"\n" for line in self.lines)
        self.written = 0
        self._chance = chance
        self._more = asyncio.Event()

    def write(self) -> None:
        """The program writes some more."""
        self.written = min(len(self.data), self.written + self._chance.randrange(1, 200))
        self._more.set()

    async def output(self, _id: AllocationId, offset: int) -> AsyncIterator[bytes]:
        """As Runtime.output."""
        while offset < len(self.data):
            if offset >= self.written:
                self._more.clear()
                await self._more.wait()
                continue
            piece = self.data[offset : min(self.written, offset + self._chance.randrange(1, 90))]
            offset += len(piece)
            yield pack(Stream.STDOUT, 0, piece)


class Way:
    """The link: chunks one way, how much is durable the other; a cut loses both."""

    def __init__(self, chance: random.Random, logs: LogStore, shipment: Callable[["Way", Runtime], Shipment]) -> None:
        self.chance = chance
        self.logs = logs
        self.output = Output(chance)
        self.up = False
        self.story: list[str] = []
        self._chunks: deque[LogChunk] = deque()
        self._acks: deque[int] = deque()
        self.shipment = shipment(self, self.output)  # type: ignore[arg-type]

    def send(self, chunk: LogChunk) -> None:
        """What the shipment sends."""
        if self.up:
            self._chunks.append(chunk)

    async def step(self, *, faults: bool) -> None:
        """One thing happens."""
        kinds = [self.output.write, self._arrive, self._arrive, self._tell, self._tell]
        if not self.up:
            kinds.append(self._link)
        if faults:
            kinds += [self._cut, self._restart_agent] if self.chance.random() < 0.2 else []
        done = self.chance.choice(kinds)()
        if done is not None:
            await done
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def _arrive(self) -> None:
        """Some chunks reach the controller in one frame, one of them perhaps twice."""
        count = self.chance.randrange(1, 4)
        batch = [self._chunks.popleft() for _ in range(min(count, len(self._chunks)))]
        if not batch:
            return
        if self.chance.random() < 0.1:
            batch.append(self.chance.choice(batch))
        ends = await self.logs.append(batch)
        self._acks.append(ends[ID])

    def _tell(self) -> None:
        """The agent hears how much is durable."""
        if self.up and self._acks:
            self.shipment.on_ack(self._acks.popleft())

    def _cut(self) -> None:
        self.story.append("cut")
        self.up = False
        self._chunks.clear()
        self._acks.clear()
        self.shipment.on_unlink()

    async def _link(self) -> None:
        ends = await self.logs.ends([ID])
        self.story.append(f"linked, {ends[ID]} durable")
        self.up = True
        self.shipment.on_link(ends[ID])

    def _restart_agent(self) -> None:
        """Its link goes down with it, and a new shipment knows nothing."""
        self._cut()
        self.story.append("agent restarts")
        self.restart()

    restart: Callable[[], None]


async def ship_seed(
    seed: int,
    logs: LogStore,
    shipment: Callable[[AllocationId, Runtime, Callable[[LogChunk], None]], Shipment] = Shipment,
) -> None:
    """One run: faults for a while, then none; raises Violated where a line is missing, twice, or out of order."""
    chance = random.Random(seed)
    way = Way(chance, logs, lambda way, runtime: shipment(ID, runtime, way.send))
    running = asyncio.ensure_future(way.shipment.run())

    def restart() -> None:
        nonlocal running
        running.cancel()
        way.shipment = shipment(ID, way.output, way.send)  # type: ignore[arg-type]
        running = asyncio.ensure_future(way.shipment.run())

    way.restart = restart
    try:
        for number in range(STEPS_MOST):
            await way.step(faults=number < 400)
            if running.done() and number >= 400:
                break
            if number % 20 == 0:
                await _check(seed, way, whole=False)
        else:
            raise Violated(f"seed {seed}: it never ends\n{way.story[-20:]}")
        running.result()
        await _check(seed, way, whole=True)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _check(seed: int, way: Way, *, whole: bool) -> None:
    stored = [line async for batch in way.logs.read(ID, Query()) for line in batch]
    lines = [line.data for line in stored if not line.partial]
    wanted = way.output.lines if whole else way.output.lines[: len(lines)]
    if lines != wanted or (whole and not await way.logs.closed(ID)):
        where = next((at for at, pair in enumerate(zip(lines, wanted, strict=False)) if pair[0] != pair[1]), len(lines))
        raise Violated(
            f"seed {seed}: stored {len(lines)} of {len(wanted)} lines, wrong from line {where}\n" + "\n".join(way.story)
        )
