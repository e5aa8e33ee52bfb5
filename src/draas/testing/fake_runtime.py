"""A Runtime in memory: runs a small shell dialect, and whole commands by script. It passes tests/contract like the real ones.

The dialect: statements separated by lines or `;`: `echo WORDS`, `printf TEXT`, `sleep S`, `exit N`, `kill -N $$`, `trap '' TERM`,
`httpd -f -p PORT`, each with an optional `>&2`. Anything else is "not found" (127), as in a shell. `FakeMachine.script` overrides whole commands.
"""

import asyncio
import hashlib
import shlex
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from draas.agent.runtimes.runtime import Door, Exited, Found, Listener, Ran, RuntimeFailure, Used, unheard
from draas.lib import clock
from draas.lib.tasks import Tasks
from draas.model.allocation import AllocationId, Cause
from draas.model.job import RuntimeName
from draas.model.node import Image, RuntimeInfo
from draas.wire.link import Assignment
from draas.wire.records import Stream, pack, payload_bytes, skip, unpack

MAX_PAYLOAD_BYTES = 64 * 1024
TERM, KILL = 15, 9
FOR_EVER_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Output."""

    data: bytes
    stream: Stream = Stream.STDOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """Time passes."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """From here on its port answers: a real one, on loopback, with status 200 to every request."""

    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreTerm:
    """From here on only KILL ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """It ends here."""

    exit_code: int
    oom: bool = False


Act = Write | Sleep | Listen | IgnoreTerm | End
Script = Callable[[Assignment], Sequence[Act]]


def parse_script(assignment: Assignment) -> list[Act]:
    """The acts of a command of the dialect."""
    command = assignment.command
    if not isinstance(command, str):
        return list(_acts(list(command)))
    return [act for words in _statements(command) for act in _acts(words)]


def _statements(text: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(text.replace("\n", ";"), posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    statement: list[str] = []
    for word in [*lexer, ";"]:
        if word.strip(";") == "":
            if statement:
                yield statement
            statement = []
        else:
            statement.append(word)


def _acts(words: list[str]) -> Iterator[Act]:
    stream = Stream.STDERR if words[-1] == ">&2" else Stream.STDOUT
    match words[:-1] if words[-1] == ">&2" else words:
        case ["echo", *rest]:
            yield Write(data=" ".join(rest).encode() + b"\n", stream=stream)
        case ["printf", text]:
            yield Write(data=text.encode().decode("unicode_escape").encode("latin-1"), stream=stream)
        case ["sleep", seconds]:
            yield Sleep(seconds=float(seconds))
        case ["exit", code]:
            yield End(exit_code=int(code))
        case ["kill", signal, "$$"]:
            yield End(exit_code=128 + int(signal.lstrip("-")))
        case ["trap", "", "TERM"]:
            yield IgnoreTerm()
        case ["httpd", "-f", "-p", port]:
            yield Listen(port=int(port))
            yield Sleep(seconds=FOR_EVER_S)
        case ["true"]:
            return
        case [name, *_]:
            yield Write(data=f"{name}: not found\n".encode(), stream=Stream.STDERR)
            yield End(exit_code=127)


@dataclass(slots=True, kw_only=True, eq=False)
class _Process:
    assignment: Assignment
    started_at: float
    records: bytearray = field(default_factory=bytearray)
    written_bytes: int = 0
    cut: bool = False
    ignores_term: bool = False
    ports: dict[int, asyncio.Server] = field(default_factory=dict)
    published: socket.socket | None = None  # of a replica: refuses until something listens on the app's port
    frozen: bool = False
    until: float | None = None
    lease_over: bool = False
    ended: Exited | None = None
    signalled: asyncio.Event = field(default_factory=asyncio.Event)
    signal: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


class FakeMachine:
    """What outlives a FakeRuntime: the processes. `sleep` and `now` may be driven by a test."""

    def __init__(
        self,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = clock.now,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self.sleep = sleep
        self.now = now
        self.monotonic = monotonic
        self.tasks = Tasks("fake machine")
        self.scripts: dict[str | tuple[str, ...], Script] = {}
        self.processes: dict[AllocationId, _Process] = {}
        self.starts: list[AllocationId] = []  # evidence: one for each process that was ever started

    async def __aenter__(self) -> "FakeMachine":
        await self.tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.tasks.__aexit__(kind, error, trace)

    def script(self, command: str | tuple[str, ...], *acts: Act) -> None:
        """From now on `command` does this."""
        self.scripts[command] = lambda _: acts

    def start(self, assignment: Assignment) -> _Process:
        """One process an id."""
        known = self.processes.get(assignment.id)
        if known is not None:
            return known
        process = _Process(assignment=assignment, started_at=self.now())
        self.processes[assignment.id] = process
        self.starts.append(assignment.id)
        if assignment.service is not None and assignment.service.port is not None:
            process.published = socket.socket()
            process.published.bind(("127.0.0.1", 0))
        self.tasks.spawn(self._run(process), f"process {assignment.id}")
        return process

    async def _run(self, process: _Process) -> None:
        try:
            await self._act(process)
        finally:
            for server in process.ports.values():
                server.close()
            if process.published is not None:
                process.published.close()

    @staticmethod
    async def _listen(process: _Process, port: int) -> None:
        service = process.assignment.service
        if service is not None and service.port == port and process.published is not None:
            process.ports[port] = await asyncio.start_server(_answer, sock=process.published)
        else:
            process.ports[port] = await asyncio.start_server(_answer, "127.0.0.1", 0)

    async def _act(self, process: _Process) -> None:
        script = self.scripts.get(process.assignment.command, parse_script)
        end = End(exit_code=0)
        for act in script(process.assignment):
            match act:
                case Write():
                    await self._write(process, act)
                case Listen():
                    await self._listen(process, act.port)
                case IgnoreTerm():
                    process.ignores_term = True
                case Sleep():
                    await self._sleep(process, act.seconds)
                case End():
                    end = act
            if process.signal or isinstance(act, End):
                break
        await self._end(process, End(exit_code=128 + process.signal) if process.signal else end)

    async def _write(self, process: _Process, act: Write) -> None:
        cap = process.assignment.log_cap_bytes
        kept = act.data[: max(0, cap - process.written_bytes)]
        process.written_bytes += len(kept)
        at_ms = int(self.now() * 1000)
        for at in range(0, len(kept), MAX_PAYLOAD_BYTES):
            process.records += pack(act.stream, at_ms, kept[at : at + MAX_PAYLOAD_BYTES])
        if len(kept) < len(act.data) and not process.cut:
            process.cut = True
            process.records += pack(Stream.NOTICE, at_ms, f"output cut at {cap} bytes\n".encode())
        async with process.changed:
            process.changed.notify_all()

    async def _sleep(self, process: _Process, seconds: float) -> None:
        """Until the time is over or a signal comes, whichever is first."""
        sleeping = asyncio.ensure_future(self.sleep(seconds))
        signalled = asyncio.ensure_future(process.signalled.wait())
        try:
            await asyncio.wait((sleeping, signalled), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            signalled.cancel()

    async def _end(self, process: _Process, end: End) -> None:
        process.ended = Exited(
            exit_code=end.exit_code,
            started_at=process.started_at,
            finished_at=self.now(),
            oom=end.oom,
            peak_memory_bytes=1_000_000,
            cpu_s=0.001,
        )
        async with process.changed:
            process.changed.notify_all()

    def send_signal(self, process: _Process, signal: int) -> None:
        """What a real machine's kill does."""
        if process.ended is None and not (signal == TERM and process.ignores_term):
            process.signal = signal
            process.signalled.set()


class FakeRuntime:
    """A Runtime over a FakeMachine. `failures` makes the next prepare of an id fail."""

    def __init__(self, machine: FakeMachine, name: RuntimeName = RuntimeName.PROCESS) -> None:
        self.name = name
        self._machine = machine
        self.failures: dict[AllocationId, RuntimeFailure] = {}
        self.renewed: list[dict[AllocationId, float]] = []

    async def probe(self) -> RuntimeInfo:
        return RuntimeInfo(name=self.name, available=True, version="fake", isolation="none")

    async def images(self) -> tuple[Image, ...]:
        return ()

    async def prepare(
        self, assignment: Assignment, progress: Callable[[str], None], pinned: Callable[[str], None] = unheard
    ) -> None:
        failure = self.failures.pop(assignment.id, None)
        if failure is not None:
            raise failure
        if assignment.service is not None and assignment.image is not None:
            pinned(fake_pin(assignment.image))
        progress("ready")

    async def start(self, assignment: Assignment) -> float:
        return self._machine.start(assignment).started_at

    async def wait(self, id: AllocationId) -> Exited:
        process = self._machine.processes.get(id)
        if process is None:
            raise RuntimeFailure(Cause.RUNTIME, f"no process of allocation {id} is known on this machine")
        ended = await self._ended(process)
        if process.lease_over:
            raise RuntimeFailure(Cause.LEASE, "the exclusive job's lease ran out")
        return ended

    async def _ended(self, process: _Process) -> Exited:
        async with process.changed:
            while process.ended is None:
                await process.changed.wait()
        return process.ended

    async def stop(self, id: AllocationId, grace_s: float) -> None:
        process = self._machine.processes.get(id)
        if process is None or process.ended is not None:
            return
        self._machine.send_signal(process, TERM)
        ended = asyncio.ensure_future(self._ended(process))
        grace = asyncio.ensure_future(self._machine.sleep(grace_s))
        await asyncio.wait((ended, grace), return_when=asyncio.FIRST_COMPLETED)
        grace.cancel()
        self._machine.send_signal(process, KILL)
        await ended

    async def remove(self, id: AllocationId) -> None:
        await self.stop(id, 0)
        self._machine.processes.pop(id, None)

    async def found(self) -> list[Found]:
        return [
            Found(
                id=id,
                started_at=process.started_at,
                exclusive=process.assignment.exclusive,
                ended=process.ended is not None,
            )
            for id, process in self._machine.processes.items()
        ]

    async def output(self, id: AllocationId, offset: int) -> AsyncIterator[bytes]:
        process = self._machine.processes.get(id)
        at = 0
        while process is not None:
            async with process.changed:
                while len(process.records) == at and process.ended is None:
                    await process.changed.wait()
            for item in _items(bytes(process.records[at:])):
                at += len(item)
                kept = skip(item, offset)
                offset = max(0, offset - payload_bytes(item))
                if kept:
                    yield kept
            if process.ended is not None and at == len(process.records):
                return

    async def renew(self, exclusive: dict[AllocationId, float]) -> None:
        self.renewed.append(dict(exclusive))
        for id, until in exclusive.items():
            process = self._machine.processes.get(id)
            if process is not None:
                process.until = until
                self._machine.tasks.spawn(self._enforce(process, until), f"lease {id}")

    async def _enforce(self, process: _Process, until: float) -> None:
        await self._machine.sleep(max(0.0, until - self._machine.monotonic()))
        if process.until == until and process.ended is None:
            process.lease_over = True
            self._machine.send_signal(process, KILL)

    def _running(self, id: AllocationId) -> _Process:
        process = self._machine.processes.get(id)
        if process is None or process.ended is not None:
            raise RuntimeFailure(Cause.RUNTIME, "it does not run")
        return process

    async def door(self, id: AllocationId) -> Door:
        process = self._running(id)
        if process.published is None:
            return Door()
        port = process.published.getsockname()[1]
        return Door(endpoint=f"127.0.0.1:{port}", host="127.0.0.1", port=port)

    async def frozen(self, id: AllocationId) -> bool:
        return self._running(id).frozen

    async def execute(self, id: AllocationId, command: Sequence[str], timeout_s: float) -> Ran:
        self._running(id)
        written, code = b"", 0
        for act in _acts(list(command)):
            match act:
                case Write():
                    written += act.data
                case End():
                    code = act.exit_code
                case Sleep() if act.seconds > timeout_s:
                    raise TimeoutError
        return Ran(code, written.decode())

    async def listeners(self, id: AllocationId) -> tuple[Listener, ...] | None:
        return tuple(Listener("0.0.0.0", port) for port in sorted(self._running(id).ports))

    async def used(self, ids: Collection[AllocationId]) -> Mapping[AllocationId, Used]:
        running = {id: self._machine.processes[id] for id in ids if id in self._machine.processes}
        return {id: Used(cpu_s=0.001, memory_bytes=1_000_000) for id, one in running.items() if one.ended is None}

    async def close(self) -> None:
        return


def fake_pin(image: str) -> str:
    """What the fake resolves an image to: always the same digest for the same name."""
    if "@" in image or image.startswith("sha256:"):
        return image
    return f"{image.rpartition(':')[0] or image}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while (await reader.readline()).strip():
        continue
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


def _items(records: bytes) -> Iterator[bytes]:
    """Whole records, one an item: each is far below the protocol's 256 KiB."""
    for record in unpack(records):
        yield pack(*record)
