"""The agent's side of the supervisor: starts it where none runs, asks it, and knows what it holds."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

import draas
from draas.agent.runtimes.process.protocol import (
    SOCKET,
    VERSION,
    ContainerLease,
    Done,
    Ended,
    Exit,
    FromSupervisor,
    Greeting,
    Held,
    Output,
    Quit,
    Started,
    ToSupervisor,
    WatchContainers,
    decode_from_supervisor,
    frame,
    take_frames,
)

LAUNCH_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 30.0
CONNECT_TRIES = 3
Answer = TypeVar("Answer", Started, Done, Output)


class SupervisorGone(Exception):
    """The connection ended, or the supervisor cannot be started; the sentence says why."""


class _Connection(asyncio.Protocol):
    def __init__(self, on_message: Callable[[FromSupervisor], None], on_lost: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._unsent: list[ToSupervisor] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            for body in take_frames(self._buffer):
                for message in decode_from_supervisor(body):
                    self._on_message(message)
        except (ValueError, msgspec.MsgspecError):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_lost()

    def send(self, message: ToSupervisor) -> None:
        """What one turn of the loop sends leaves in one frame."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self.flush)
        self._unsent.append(message)

    def flush(self) -> None:
        if self._transport is not None and self._unsent:
            self._transport.write(frame(self._unsent))
        self._unsent = []

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class SupervisorLink:
    """One connection to the supervisor of a data folder, made again when it is lost."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._connecting = asyncio.Lock()
        self._connection: _Connection | None = None
        self._greeted: asyncio.Future[Greeting] | None = None
        self._seq = 0
        self._answers: dict[int, asyncio.Future[FromSupervisor]] = {}
        self._ends: dict[str, list[asyncio.Future[None]]] = {}
        self.greeting: Greeting | None = None
        self.held: dict[str, Held] = {}

    async def connect(self) -> Greeting:
        """What the supervisor said of itself, which is started if need be. Raises SupervisorGone."""
        if self._connection is not None and self.greeting is not None:
            return self.greeting
        async with self._connecting:
            if self._connection is not None and self.greeting is not None:
                return self.greeting
            for _ in range(CONNECT_TRIES):
                if (greeting := await self._try_connect()) is not None:
                    return self._take(greeting)
                await self._launch()
            raise SupervisorGone(f"the supervisor of host jobs does not answer: see {self._data_dir}/supervisor.log")

    async def _try_connect(self) -> Greeting | None:
        loop = asyncio.get_running_loop()
        self._greeted = loop.create_future()
        try:
            folder = os.open(self._data_dir, os.O_PATH)
        except FileNotFoundError:
            return None
        try:  # by way of the open folder: a socket's path may have 107 bytes only
            path = f"/proc/self/fd/{folder}/{SOCKET}"
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                _, self._connection = await loop.create_unix_connection(
                    lambda: _Connection(self._on_message, self._on_lost), path
                )
                return await self._greeted
        except (OSError, TimeoutError, SupervisorGone):
            return None
        finally:
            os.close(folder)

    def _take(self, greeting: Greeting) -> Greeting:
        if greeting.version != VERSION:
            raise SupervisorGone(
                f"the supervisor of host jobs (pid {greeting.pid}) is of another version: stop it when its jobs have ended"
            )
        self.greeting = greeting
        self.held = {one.id: one for one in greeting.held}
        return greeting

    async def _launch(self) -> None:
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        env = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": str(Path(draas.__file__).parent.parent)}
        module = "draas.agent.runtimes.process.supervisor"
        log = os.open(self._data_dir / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-s", "-m", module, str(self._data_dir),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True,
            )  # fmt: skip
            async with asyncio.timeout(LAUNCH_TIMEOUT_S):
                code = await process.wait()
        except (OSError, TimeoutError) as error:
            raise SupervisorGone(f"the supervisor of host jobs could not be started: {error}") from None
        finally:
            os.close(log)
        if code != 0:
            raise SupervisorGone(f"the supervisor of host jobs did not start: see {self._data_dir}/supervisor.log")

    def _on_message(self, message: FromSupervisor) -> None:
        match message:
            case Greeting():
                if self._greeted is not None and not self._greeted.done():
                    self._greeted.set_result(message)
            case Exit():
                self._on_exit(message.id, message.ended)
            case Started() | Done() | Output():
                answer = self._answers.pop(message.seq, None)
                if answer is not None and not answer.done():
                    answer.set_result(message)

    def _on_exit(self, id: str, ended: Ended) -> None:
        held = self.held.get(id) or Held(id=id, started_at=ended.started_at, exclusive=False)
        self.held[id] = msgspec.structs.replace(held, ended=ended)
        for waiter in self._ends.pop(id, ()):
            if not waiter.done():
                waiter.set_result(None)

    def _on_lost(self) -> None:
        gone = SupervisorGone("the supervisor of host jobs closed the connection")
        self._connection = self.greeting = None
        if self._greeted is not None:
            _fail(self._greeted, gone)
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            _fail(answer, gone)
        ends, self._ends = self._ends, {}
        for waiters in ends.values():
            for waiter in waiters:
                _fail(waiter, gone)
        self._greeted = None

    async def ask(
        self, build: Callable[[int], ToSupervisor], answer: type[Answer], timeout_s: float | None = ANSWER_TIMEOUT_S
    ) -> Answer:
        """Send what `build` makes of a number and wait for the answer to it. Raises SupervisorGone."""
        await self.connect()
        connection = self._connection
        if connection is None:
            raise SupervisorGone("the supervisor of host jobs closed the connection")
        self._seq += 1
        seq = self._seq
        waiter: asyncio.Future[FromSupervisor] = asyncio.get_running_loop().create_future()
        self._answers[seq] = waiter
        connection.send(build(seq))
        try:
            async with asyncio.timeout(timeout_s):
                got = await waiter
        except TimeoutError:
            raise SupervisorGone(f"the supervisor of host jobs gave no answer within {timeout_s} s") from None
        finally:
            self._answers.pop(seq, None)
        assert isinstance(got, answer)
        return got

    async def until_ended(self, id: str) -> Ended | None:
        """How it ended, as soon as it has; None where the supervisor does not hold it. Raises SupervisorGone."""
        while True:
            await self.connect()
            held = self.held.get(id)
            if held is None or held.ended is not None:
                return held.ended if held is not None else None
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiters = self._ends.setdefault(id, [])
            waiters.append(waiter)
            try:
                await waiter
            except SupervisorGone:
                continue  # its successor knows how it ended
            finally:
                if waiter in waiters:
                    waiters.remove(waiter)

    async def watch_containers(self, leases: Mapping[str, ContainerLease]) -> None:
        """Have these containers, and no others, killed when their leases pass, whatever happens to the agent.

        For runtimes whose containers outlive the agent; to be told again after each renewal. Raises SupervisorGone.
        """
        await self.ask(lambda seq: WatchContainers(seq=seq, leases=dict(leases)), Done)

    async def close(self) -> None:
        """Let go. The supervisor leaves too if it holds nothing."""
        if self._connection is not None:
            self._connection.send(Quit())
            self._connection.flush()
            self._connection.close()
            await asyncio.sleep(0)


def _fail(waiter: "asyncio.Future[Any]", error: Exception) -> None:
    """Who waits gets the error; where nobody does, that is no defect."""
    if not waiter.done():
        waiter.set_exception(error)
        waiter.exception()
