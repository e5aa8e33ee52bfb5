"""The hub: every agent's open link, what is to be sent on it, and the way of output to the log store."""

import asyncio
from collections.abc import Sequence

from draas.lib import log
from draas.model.allocation import AllocationId, NodeId
from draas.store.logs import LogStore
from draas.store.store import StoreFailure
from draas.wire import link as wire

OUT_LIMIT = (
    20_000  # messages waiting for one slow agent; beyond it the link is cut, and full state follows when it is back
)
LOG_BYTES_LIMIT = (
    32 * 1024 * 1024
)  # output on its way to disk, all agents together; beyond it, reading from links pauses
APPEND_AGAIN_S = 1.0


class Channel:
    """The sending side of one link."""

    def __init__(self, node_id: NodeId) -> None:
        self.node_id = node_id
        self.welcomed = False
        self.closing: tuple[int, str] | None = None
        self.kept: wire.Keep | None = None  # what was sent last
        self._out: list[wire.FromController] = []
        self._wake = asyncio.Event()

    def send(self, message: wire.FromController) -> None:
        """Queue a message; all that is queued leaves as one frame."""
        if len(self._out) >= OUT_LIMIT:
            self.close(1013, "the agent does not read")
            return
        self._out.append(message)
        self._wake.set()

    def close(self, code: int, reason: str) -> None:
        """Close the link from our side."""
        if self.closing is None:
            self.closing = (code, reason)
        self._wake.set()

    async def next_frame(self) -> bytes | None:
        """The next frame to send; None where the link is to be closed."""
        await self._wake.wait()
        self._wake.clear()
        if self.closing is not None:
            return None
        out, self._out = self._out, []
        return wire.encode(out) if out else b""


class Hub:
    """All links by node, and one writer that carries everybody's output to the log store."""

    def __init__(self, logs: LogStore) -> None:
        self._logs = logs
        self._channels: dict[NodeId, Channel] = {}
        self._chunks: list[tuple[Channel, wire.LogChunk]] = []
        self._chunk_bytes = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def linked(self) -> Sequence[NodeId]:
        """Nodes that have been welcomed and are still here."""
        return [node_id for node_id, channel in self._channels.items() if channel.welcomed]

    def enter(self, node_id: NodeId) -> Channel:
        """A new link; an older one of the same node is closed."""
        old = self._channels.get(node_id)
        if old is not None:
            old.close(wire.CLOSE_REPLACED, "this node has connected again")
        channel = self._channels[node_id] = Channel(node_id)
        return channel

    def leave(self, channel: Channel) -> bool:
        """A link is gone. Whether it was its node's current one."""
        if self._channels.get(channel.node_id) is not channel:
            return False
        del self._channels[channel.node_id]
        return True

    def send_orders(self, node_id: NodeId, assign: wire.Assign) -> None:
        """Send a node what it should have, if it is here; if not, it gets everything when it comes."""
        channel = self._channels.get(node_id)
        if channel is not None and channel.welcomed:
            channel.send(assign)

    def send_routes(self, node_id: NodeId, routes: wire.Routes) -> None:
        """Send an ingress what has changed, if it is here; if not, it gets everything when it comes."""
        channel = self._channels.get(node_id)
        if channel is not None and channel.welcomed:
            channel.send(routes)

    def send_keep(self, node_id: NodeId, keep: wire.Keep) -> None:
        """Send a node which images stay, if it is here and does not know."""
        channel = self._channels.get(node_id)
        if channel is not None and channel.welcomed and channel.kept != keep:
            channel.kept = keep
            channel.send(keep)

    def drop(self, node_id: NodeId) -> None:
        """This node is not wanted any more."""
        channel = self._channels.get(node_id)
        if channel is not None:
            channel.close(wire.CLOSE_REMOVED, "this node was removed")

    async def take_log(self, channel: Channel, chunk: wire.LogChunk) -> None:
        """Queue a piece of output for the log store; waits while too much is queued."""
        await self._room.wait()
        self._chunks.append((channel, chunk))
        self._chunk_bytes += len(chunk.records)
        if self._chunk_bytes >= LOG_BYTES_LIMIT:
            self._room.clear()
        self._wake.set()

    async def write_logs(self) -> None:
        """Carry output to the log store for ever: all that is queued in one append, then acknowledge it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._chunks, self._chunk_bytes = self._chunks, [], 0
            self._room.set()
            if batch:
                await self._append(batch)

    async def _append(self, batch: Sequence[tuple[Channel, wire.LogChunk]]) -> None:
        while True:
            try:
                ends = await self._logs.append([chunk for _, chunk in batch])
            except StoreFailure as failure:
                log.error("output cannot be stored; trying again", reason=failure.detail)
                await asyncio.sleep(APPEND_AGAIN_S)
            else:
                break
        acks: dict[Channel, dict[AllocationId, int]] = {}
        for channel, chunk in batch:
            acks.setdefault(channel, {})[chunk.allocation] = ends[chunk.allocation]
        for channel, some in acks.items():
            channel.send(wire.LogAck(ends=some))
