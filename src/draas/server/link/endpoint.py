"""WS /api/link: one agent's connection, from its hello to its end."""

import asyncio
import contextlib
from collections.abc import Mapping

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from draas.lib import clock
from draas.lib.tasks import Tasks
from draas.model.allocation import AllocationId, NodeId
from draas.server.link.hub import Channel, Hub
from draas.server.loops.control import ControlLoop
from draas.wire import link as wire
from draas.wire.bounds import in_bounds

HELLO_TIMEOUT_S = 10.0
SILENCE_STEP_S = 1.0
SILENCE_S = 30.0  # a link that is silent for so long is closed; nodes count as disconnected long before
CLOCK_OFF_S = 300.0


class Endpoint:
    """Serves agents' links. The caller has checked the key and says whose it is."""

    def __init__(self, loop: ControlLoop, hub: Hub) -> None:
        self._loop = loop
        self._hub = hub
        self._logs = loop.logs

    async def serve(self, socket: WebSocket, node_id: NodeId, name: str) -> None:
        """One connection, to its end."""
        await socket.accept()
        hello = await self._hello(socket)
        if hello is None:
            return
        channel = self._hub.enter(node_id)
        try:
            async with Tasks(f"link {node_id}") as tasks:
                writing = tasks.spawn(self._write(socket, channel), "write")
                reading = tasks.spawn(self._converse(socket, channel, name, hello), "read")
                await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self._hub.leave(channel):
                self._loop.on_closed(node_id)

    async def _hello(self, socket: WebSocket) -> wire.Hello | None:
        try:
            frame = await asyncio.wait_for(socket.receive_bytes(), HELLO_TIMEOUT_S)
            messages = wire.decode_from_agent(frame)
        except (msgspec.MsgspecError, TimeoutError, KeyError):
            await _close(socket, wire.CLOSE_VERSION, "that was no hello of this version")
            return None
        except WebSocketDisconnect:
            return None
        hello = messages[0] if messages else None
        if not isinstance(hello, wire.Hello) or hello.version != wire.VERSION or not in_bounds(hello):
            await _close(socket, wire.CLOSE_VERSION, f"this controller speaks version {wire.VERSION} of the link")
            return None
        if abs(hello.sent_at - clock.now()) > CLOCK_OFF_S:
            await _close(socket, wire.CLOSE_CLOCK, "the clock of the machine is off")
            return None
        return hello

    async def _converse(self, socket: WebSocket, channel: Channel, name: str, hello: wire.Hello) -> None:
        node_id = channel.node_id
        ends = await self._logs.ends(list(hello.have))
        welcome = wire.Welcome(
            node_id=node_id,
            epoch=self._loop.control.epoch,
            heartbeat_s=self._loop.policy.heartbeat_of(self._loop.fleet_size()),
            lease_s=self._loop.policy.lease_s,
            log_ends={**ends, **await self._unwanted(hello.have)},
        )

        def greet(orders: wire.Assign, routes: wire.Routes | None) -> None:
            channel.welcomed = True
            channel.send(welcome)
            channel.send(orders)
            if routes is not None:
                channel.send(routes)

        self._loop.on_hello(node_id, name, hello.facts, hello.have, hello.complete, greet)
        wanted = _Wanted(self._loop, node_id)
        try:
            time, heard = asyncio.get_running_loop().time, 0.0
            async with asyncio.timeout(SILENCE_S) as silence:
                while True:
                    messages = wire.decode_from_agent(await socket.receive_bytes())
                    if time() > heard + SILENCE_STEP_S:  # a new timer for each frame is dear
                        heard = time()
                        silence.reschedule(heard + SILENCE_S)
                    if not all(map(in_bounds, messages)):
                        channel.close(wire.CLOSE_VERSION, "figures that cannot be on the link")
                        return
                    for message in messages:
                        if (
                            channel.closing is not None
                        ):  # what is still in the buffer of a replaced link is no news any more
                            return
                        await self._take(channel, message, wanted)
        except (WebSocketDisconnect, KeyError):
            return
        except (msgspec.MsgspecError, TimeoutError) as error:
            channel.close(wire.CLOSE_VERSION, f"silence or nonsense on the link: {type(error).__name__}")

    async def _unwanted(self, have: Mapping[AllocationId, object]) -> dict[AllocationId, int]:
        wanted = await self._loop.wanted_outputs(list(have))
        return {id: wire.UNWANTED for id in have if id not in wanted}

    async def _take(self, channel: Channel, message: wire.FromAgent, wanted: "_Wanted") -> None:
        node_id = channel.node_id
        match message:
            case wire.Report(observed=observed):
                self._loop.on_report(node_id, observed)
            case wire.Heartbeat(mono=mono, load=load, facts=facts):
                self._loop.on_heartbeat(node_id, load, facts)
                if channel.welcomed:
                    channel.send(wire.Beat(mono=mono))
            case wire.LogChunk():
                if await wanted.has(message.allocation):
                    await self._hub.take_log(channel, message)
                else:
                    channel.send(wire.LogAck(ends={message.allocation: wire.UNWANTED}))
            case wire.Traffic():
                self._loop.on_traffic(node_id, message)
            case wire.Usages():
                self._loop.on_usages(node_id, message)
            case wire.Hello():
                channel.close(wire.CLOSE_VERSION, "a second hello")

    async def _write(self, socket: WebSocket, channel: Channel) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):  # the link may close under our hands
            while (frame := await channel.next_frame()) is not None:
                if frame:
                    await socket.send_bytes(frame)
            code, reason = channel.closing or (1000, "")
            await _close(socket, code, reason)


class _Wanted:
    """Whose output a node may send: attempts and replicas that were placed on it and whose job or app still exists."""

    def __init__(self, loop: ControlLoop, node_id: NodeId) -> None:
        self._loop = loop
        self._node_id = node_id
        self._known: set[AllocationId] = set()

    async def has(self, id: AllocationId) -> bool:
        """Whether this node may add to this output."""
        if id in self._known:
            return True
        if not await self._loop.may_write(self._node_id, id):
            return False
        self._known.add(id)
        return True


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code, reason)
