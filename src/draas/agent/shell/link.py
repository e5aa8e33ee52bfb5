"""The agent's end of the link: dials out, says hello, keeps the controller told, and comes back after every cut."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext

import aiohttp
import msgspec

from draas.agent.core import events as e
from draas.agent.shell.performer import Performer
from draas.lib import clock, log
from draas.lib.backoff import full_jitter
from draas.model.errors import Forbidden
from draas.model.node import Facts, Load
from draas.wire import link as wire

CONNECT_TIMEOUT_S = 10.0
SILENCE_S = 10.0  # a controller that answers no heartbeat for so long is gone, whatever TCP says
RECONNECT_BASE_S = 0.25
RECONNECT_CAP_S = 5.0
TELL_AGAIN_S = 60.0

_FINAL = {
    wire.CLOSE_VERSION: "the controller speaks another version of the link; install the same version of draas on both",
    wire.CLOSE_KEY: "the controller does not accept this node's key (revoked?); join again with a new token",
    wire.CLOSE_REMOVED: "this node was removed from the cluster; join again with a new token to come back",
    wire.CLOSE_CLOCK: "this machine's clock is off by more than 5 minutes from the controller's; set it (NTP) and start again",
}


class LinkRefused(Forbidden):
    """The controller will not have this agent; the message says why and what to do. Trying again helps nothing."""

    def __init__(self, code: int) -> None:
        super().__init__(_FINAL[code])
        self.key_refused = code in (wire.CLOSE_KEY, wire.CLOSE_REMOVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where and as whom to connect."""

    url: str
    key: str
    name: str
    tls: SSLContext | None


class Link:
    """One agent's connection. `send` queues a message; a writer sends all that is queued as one frame."""

    def __init__(
        self,
        target: Target,
        performer: Performer,
        facts: Callable[[], Facts],
        load: Callable[[], Load],
        complete: Callable[[], bool],
    ) -> None:
        self._target = target
        self._performer = performer
        self._facts = facts
        self._load = load
        self._complete = complete
        self._out: list[wire.FromAgent] = []
        self._wake = asyncio.Event()
        self._linked = False
        self._heard_at = 0.0
        self._lease_s = 0.0
        self._told = ("", 0.0)
        self.node_id: str | None = None
        self.on_routes: Callable[[wire.Routes], None] = _no_ingress
        self.on_keep: Callable[[frozenset[str] | None], None] = lambda _: None  # None: the link is cut

    @property
    def is_linked(self) -> bool:
        """Whether the controller has welcomed this agent, and the connection holds."""
        return self._linked

    def send_log(self, chunk: wire.LogChunk) -> None:
        """Queue a piece of output. The shipment's window bounds how much is queued."""
        if self._linked:
            self._out.append(chunk)
            self._wake.set()

    def send_usages(self, usages: wire.Usages) -> None:
        """Queue what replicas use; while there is no link nobody is told, and the next figures make up for it."""
        if self._linked:
            self._out.append(usages)
            self._wake.set()

    def send_traffic(self, traffic: wire.Traffic) -> None:
        """Queue the ingress's word; it stands for one that is not sent yet."""
        if self._linked:
            self._out = [message for message in self._out if not isinstance(message, wire.Traffic)]
            self._out.append(traffic)
            self._wake.set()

    def on_news(self) -> None:
        """The core may have something to report."""
        if self._linked:
            self._wake.set()

    async def run(self) -> None:
        """Stay connected for ever. Raises LinkRefused where the controller says never."""
        failures = 0
        async with aiohttp.ClientSession() as session:
            while True:
                began = clock.monotonic()
                try:
                    await self._connect(session)
                    reason = "the controller closed the link"
                except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError) as error:
                    reason = str(error) or type(error).__name__
                failures = 0 if clock.monotonic() - began > RECONNECT_CAP_S else failures + 1
                wait_s = full_jitter(failures, base_s=RECONNECT_BASE_S, cap_s=RECONNECT_CAP_S, chance=random.random())
                self._tell(reason)
                await asyncio.sleep(wait_s)

    def _tell(self, reason: str) -> None:
        """Say why there is no link: once, and then now and again, not at every try."""
        now = clock.monotonic()
        if reason != self._told[0] or now - self._told[1] >= TELL_AGAIN_S:
            self._told = (reason, now)
            log.warning("not linked; trying again", controller=self._target.url, reason=reason)

    async def _connect(self, session: aiohttp.ClientSession) -> None:
        try:
            socket = await asyncio.wait_for(
                session.ws_connect(
                    self._target.url.rstrip("/") + wire.PATH,
                    headers={"Authorization": f"Bearer {self._target.key}"},
                    ssl=self._target.tls if self._target.tls is not None else True,
                    max_msg_size=wire.MAX_FRAME_BYTES * 4,
                    compress=0,
                    autoclose=True,
                ),
                CONNECT_TIMEOUT_S,
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in (401, 403):
                raise LinkRefused(wire.CLOSE_KEY) from None
            raise
        async with socket:
            await socket.send_bytes(wire.encode([self._hello()]))
            welcome, first = await self._await_welcome(socket)
            await self._converse(socket, welcome, first)

    def _hello(self) -> wire.Hello:
        return wire.Hello(
            version=wire.VERSION,
            name=self._target.name,
            facts=self._facts(),
            sent_at=clock.now(),
            have=self._performer.core.have(),
            complete=self._complete(),
        )

    async def _await_welcome(
        self, socket: aiohttp.ClientWebSocketResponse
    ) -> tuple[wire.Welcome, list[wire.FromController]]:
        frame = await asyncio.wait_for(socket.receive(), SILENCE_S)
        messages = self._decode(socket, frame)
        if not messages or not isinstance(messages[0], wire.Welcome):
            raise aiohttp.ClientError("the controller did not say welcome")
        return messages[0], messages[1:]

    async def _converse(
        self, socket: aiohttp.ClientWebSocketResponse, welcome: wire.Welcome, first: list[wire.FromController]
    ) -> None:
        self.node_id = welcome.node_id
        self._lease_s = welcome.lease_s
        self._out.clear()
        self._linked = True
        self._heard_at = clock.monotonic()
        log.info("linked", controller=self._target.url, node=welcome.node_id)
        self._performer.on_link(welcome.log_ends)
        for message in first:
            self._take(message)
        jobs = [
            asyncio.ensure_future(self._read(socket)),
            asyncio.ensure_future(self._write(socket)),
            asyncio.ensure_future(self._beat(welcome.heartbeat_s)),
        ]
        try:
            done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            self._linked = False
            self._performer.on_unlink()
            self.on_keep(None)
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            frame = await asyncio.wait_for(socket.receive(), SILENCE_S)
            for message in self._decode(socket, frame):
                self._take(message)

    def _decode(self, socket: aiohttp.ClientWebSocketResponse, frame: aiohttp.WSMessage) -> list[wire.FromController]:
        if frame.type is aiohttp.WSMsgType.BINARY:
            self._heard_at = clock.monotonic()
            return wire.decode_from_controller(frame.data)
        code = socket.close_code or 0
        if code in _FINAL:
            raise LinkRefused(code)
        raise aiohttp.ClientError(f"the link was closed ({code})")

    def _take(self, message: wire.FromController) -> None:
        match message:
            case wire.Assign():
                self._performer.feed(e.Ordered(assign=message))
            case wire.Beat(mono=mono):
                self._performer.feed(e.LeaseRenewed(mono=mono, lease_s=self._lease_s))
            case wire.Routes():
                self.on_routes(message)
            case wire.Keep(images=images):
                self.on_keep(frozenset(images))
            case wire.LogAck():
                self._performer.on_log_ack(message)
            case wire.Welcome():
                raise aiohttp.ClientError("the controller said welcome twice")

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            news = self._performer.core.take_news()
            out: list[wire.FromAgent] = [wire.Report(observed=news)] if news else []
            out += self._out
            self._out.clear()
            for frame in _frames(out):
                await socket.send_bytes(frame)

    async def _beat(self, every_s: float) -> None:
        told = self._facts()
        while True:
            facts = self._facts()
            self._out.append(
                wire.Heartbeat(mono=clock.monotonic(), load=self._load(), facts=facts if facts != told else None)
            )
            told = facts
            self._wake.set()
            await asyncio.sleep(every_s)


def _no_ingress(routes: wire.Routes) -> None:
    """A node that is no ingress any more: the controller will see that in its facts."""


def _frames(messages: list[wire.FromAgent]) -> list[bytes]:
    """Messages as frames, none far beyond MAX_FRAME_BYTES."""
    frames, group, size = [], [], 0
    for message in messages:
        group.append(message)
        size += len(message.records) if isinstance(message, wire.LogChunk) else 200
        if size >= wire.MAX_FRAME_BYTES // 2:
            frames.append(wire.encode(group))
            group, size = [], 0
    if group:
        frames.append(wire.encode(group))
    return frames


def identity_path(data_dir: Path) -> Path:
    """Where an agent keeps who it is."""
    return data_dir / "identity.json"
