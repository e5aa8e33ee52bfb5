"""Load: HTTP requests at a steady rate (or as fast as answers come), each of which is accounted for: sent minus answered is lost.

As a program, for machines of their own: `python -m draas.testing.load --port 80 --host shop.localhost --rate 200 --seconds 10`
prints the Tally as one JSON object.
"""

import argparse
import asyncio
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self, cast

from draas.lib import clock
from draas.lib.tasks import Tasks

GIVE_UP_S = 30.0  # a request without an answer for so long is lost
MAX_OPEN = 2_000  # connections; a rate that needs more finds its requests counted as late


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where requests go. `host` is what the Host header says; `body` makes it a POST."""

    port: int
    address: str = "127.0.0.1"
    host: str = "localhost"
    path: str = "/"
    method: str = "GET"
    body: bytes = b""
    keep_alive: bool = True

    @property
    def request(self) -> bytes:
        """The bytes of one request."""
        length = f"Content-Length: {len(self.body)}\r\n" if self.body else ""
        close = "" if self.keep_alive else "Connection: close\r\n"
        return f"{self.method} {self.path} HTTP/1.1\r\nHost: {self.host}\r\n{length}{close}\r\n".encode() + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came of it. Times in seconds, from when a request was due to the last byte of its answer."""

    sent: int
    answered: int
    statuses: Mapping[int, int] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)  # by reason
    seconds: float = 0.0
    p50_s: float = 0.0
    p99_s: float = 0.0
    worst_s: float = 0.0

    @property
    def failed(self) -> int:
        """Requests without an answer, and those answered 4xx or 5xx."""
        return self.sent - sum(count for status, count in self.statuses.items() if status < 400)

    @property
    def per_s(self) -> float:
        return self.answered / self.seconds if self.seconds else 0.0


class Load:
    """Sends requests from entering its block to leaving it; then every request has an answer or is counted as lost.

    `rate` requests a second whatever becomes of them (None: each of `connections` sends the next as soon as it is answered).
    """

    def __init__(self, target: Target, *, rate: float | None = None, connections: int = 8) -> None:
        self._target = target
        self._rate = rate
        self._connections = connections
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._under_way: set[asyncio.Task[None]] = set()
        self._statuses: Counter[int] = Counter()
        self._lost: Counter[str] = Counter()
        self.times: list[tuple[float, float]] = []  # when each request that has ended was due, and how long it took
        self._stopping = False
        self._began = self._seconds = 0.0
        self.sent = 0

    async def __aenter__(self) -> Self:
        self._tasks = await Tasks("load").__aenter__()
        self._began = clock.monotonic()
        if self._rate is None:
            self._senders = [self._tasks.spawn(self._send_on(), "sender") for _ in range(self._connections)]
        else:
            self._senders = [self._tasks.spawn(self._send_at(self._rate), "pace")]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._senders, return_exceptions=True)
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._seconds = clock.monotonic() - self._began
        for connection in self._open:
            connection.close()
        await self._tasks.cancel()

    @property
    def failed(self) -> int:
        """So far."""
        return sum(self._lost.values()) + sum(count for status, count in self._statuses.items() if status >= 400)

    @property
    def answered(self) -> int:
        """So far."""
        return sum(self._statuses.values())

    def tally(self) -> Tally:
        """What came of it; whole once the block is left."""
        took = sorted(took_s for _, took_s in self.times)
        return Tally(
            sent=self.sent,
            answered=self.answered,
            statuses=dict(self._statuses),
            lost=dict(self._lost),
            seconds=self._seconds or clock.monotonic() - self._began,
            p50_s=quantile(took, 0.5),
            p99_s=quantile(took, 0.99),
            worst_s=took[-1] if took else 0.0,
        )

    async def _send_on(self) -> None:
        while not self._stopping:
            await self._one(clock.monotonic())

    async def _send_at(self, rate: float) -> None:
        for number in range(2**62):
            due = self._began + number / rate
            if (early := due - clock.monotonic()) > 0:
                await asyncio.sleep(early)
            if self._stopping:
                return
            task = self._tasks.spawn(self._one(due), "request")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _one(self, due: float) -> None:
        self.sent += 1
        connection = None
        try:
            async with asyncio.timeout(GIVE_UP_S):
                connection = await self._connection()
                status = await connection.ask(self._target.request)
        except (OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            self._lost[f"no answer in {GIVE_UP_S:.0f} s" if isinstance(error, TimeoutError) else reason] += 1
            if connection is not None:
                connection.close()
            if self._rate is None:
                await asyncio.sleep(0.01)  # nothing listens: no busy loop
            return
        finally:
            self.times.append((due, clock.monotonic() - due))
        self._statuses[status] += 1
        if connection.reusable and self._target.keep_alive:
            self._idle.append(connection)
        else:
            connection.close()

    async def _connection(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        if len(self._open) >= MAX_OPEN:
            raise OSError("too many connections open")
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: _Connection(self._open), self._target.address, self._target.port)
        return made


class _Connection(asyncio.Protocol):
    """One connection; `ask` sends a request and returns the status of its answer, read to the end."""

    def __init__(self, among: "set[_Connection]") -> None:
        self._among = among
        self._data = bytearray()
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None
        self.closed = False
        self.reusable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self._among.add(self)

    async def ask(self, request: bytes) -> int:
        """Raises ConnectionError where the connection ends first."""
        if self.closed:
            raise ConnectionResetError("closed before it was used")
        self._answer = asyncio.get_running_loop().create_future()
        assert self._transport is not None
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._data += data
        head_end = self._data.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._data[:head_end]).lower()
        end = _end_of_body(head, self._data, head_end + 4)
        if end is None:
            return
        self.reusable = b"\r\nconnection: close" not in head
        del self._data[:end]
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(int(head.split(b" ", 2)[1][:3]))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._among.discard(self)
        if self._answer is not None and not self._answer.done():
            told = "closed without an answer" if not self._data else "closed within an answer"
            self._answer.set_exception(ConnectionResetError(told))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _end_of_body(head: bytes, data: bytearray, start: int) -> int | None:
    """Where the answer that `head` begins ends in `data`; None: not all of it is there. Raises nothing: nonsense never ends."""
    if (at := head.find(b"\r\ncontent-length:")) >= 0:
        end = start + int(head[at + 17 :].split(b"\r\n", 1)[0])
        return end if len(data) >= end else None
    if b"\r\ntransfer-encoding: chunked" in head:
        at = data.find(b"0\r\n\r\n", start)
        return at + 5 if at >= 0 else None
    return start  # 204, 304


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest that `share` of them do not exceed; 0 of none."""
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0


async def _run(target: Target, rate: float | None, connections: int, seconds: float) -> Tally:
    async with Load(target, rate=rate, connections=connections) as load:
        await asyncio.sleep(seconds)
    return load.tally()


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--path", default="/")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    target = Target(port=given.port, address=given.address, host=given.host, path=given.path)
    tally = asyncio.run(_run(target, given.rate, given.connections, given.seconds))
    print(json.dumps({**asdict(tally), "failed": tally.failed, "per_s": tally.per_s}))


if __name__ == "__main__":
    main()
