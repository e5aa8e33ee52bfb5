"""The runtimes that the contract is run over. A further one is an entry of KINDS: a context manager that yields a Place.

Commands of the suite are in the dialect of draas.testing.fake_runtime wherever they can be; what it does not know is scripted
for the fake in `_script_fake`, so that the suite needs no exceptions.
"""

import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from draas.agent.compose import watch_containers
from draas.agent.runtimes.docker.runtime import DockerRuntime
from draas.agent.runtimes.docker.sample_image import DEFAULT_SAMPLE_IMAGE
from draas.agent.runtimes.process.command import Isolation
from draas.agent.runtimes.process.host_runtime import HostRuntime
from draas.agent.runtimes.runtime import Runtime
from draas.model.allocation import AllocationId, Desired
from draas.model.job import JobId, ProjectName, RuntimeName
from draas.model.resources import MIB, Resources
from draas.testing.engine import PrivateEngine
from draas.testing.fake_runtime import End, FakeMachine, FakeRuntime, IgnoreTerm, Sleep, Write
from draas.wire.link import Assignment, Service

BINARY = bytes(range(256))
PRINT_BINARY = "printf '" + "".join(f"\\{byte:03o}" for byte in BINARY) + "'"
LONG_LINE_BYTES = 1_000_000
LONG_LINE = f"head -c {LONG_LINE_BYTES} /dev/zero | tr '\\0' x"
PRINT_ENV = 'printf "%s|" "$GREETING" "$LINES_OF_TEXT"'
GREETING, LINES_OF_TEXT = "grüße, 世界 🌍", "one\ntwo"
EAT_MEMORY = "head -c 400m /dev/zero | tail"  # tail keeps a line without end in memory
BURN_CPU = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done"
HAS_CHILDREN = "trap '' TERM; (sleep 300) & echo up; sleep 300"  # children ignore what their parent ignored
SPIN = "timeout 1 sh -c 'while :; do :; done'; echo done"
LIST_ENV = "env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a runtime lives during one test. `open` makes one on the same machine: after a close, or after the agent died.

    `running` counts what still runs of an allocation, `traces` names what is left of it on the machine.
    """

    name: str
    image: str | None
    open: Callable[[], Runtime]
    running: Callable[[AllocationId], int]
    traces: Callable[[AllocationId], list[str]]
    runtime_name: RuntimeName = RuntimeName.PROCESS
    serves: bool = False  # whether it runs replicas of apps
    knows_leases: bool = True  # whether a successor can tell that what ended was ended by its lease

    def assignment(
        self,
        command: str | tuple[str, ...],
        *,
        id: str = "a-1",
        env: Mapping[str, str] | None = None,
        memory_bytes: int = 128 * MIB,
        cpu_millis: int = 1000,
        log_cap_bytes: int = 100_000_000,
        exclusive: bool = False,
        service: Service | None = None,
    ) -> Assignment:
        """Valid by default."""
        return Assignment(
            id=AllocationId(id),
            job_id=JobId("j-1"),
            project=ProjectName("default"),
            number=1,
            name="contract",
            runtime=self.runtime_name,
            image=self.image,
            command=command,
            env=env or {},
            resources=Resources(cpu_millis=cpu_millis, memory_bytes=memory_bytes),
            timeout_s=None,
            exclusive=exclusive,
            desired=Desired.RUN,
            log_cap_bytes=log_cap_bytes,
            service=service,
        )


def _script_fake(machine: FakeMachine) -> None:
    machine.script(PRINT_BINARY, Write(data=BINARY))
    machine.script(LONG_LINE, Write(data=b"x" * LONG_LINE_BYTES))
    machine.script(PRINT_ENV, Write(data=f"{GREETING}|{LINES_OF_TEXT}|".encode()))
    machine.script(EAT_MEMORY, End(exit_code=137, oom=True))
    machine.script(BURN_CPU, Write(data=b"done\n"))
    machine.script(SPIN, Sleep(seconds=1), Write(data=b"done\n"))
    machine.script(LIST_ENV, Write(data=b"PATH=/bin\nMARK=1\n"))
    machine.script(("echo", "a b", "$HOME"), Write(data=b"a b $HOME\n"))
    machine.script(HAS_CHILDREN, IgnoreTerm(), Write(data=b"up\n"), Sleep(seconds=300))


@asynccontextmanager
async def fake(_folder: Path, _engine: PrivateEngine | None) -> AsyncIterator[Place]:
    async with FakeMachine() as machine:
        _script_fake(machine)
        yield Place(
            name="fake",
            image=None,
            open=lambda: FakeRuntime(machine),
            running=lambda id: int(id in machine.processes and machine.processes[id].ended is None),
            traces=lambda id: [id] if id in machine.processes else [],
            serves=True,
        )


Make = Callable[[Path, PrivateEngine | None], AbstractAsyncContextManager[Place]]


def _host(isolation: Isolation) -> Make:
    @asynccontextmanager
    async def make(folder: Path, _engine: PrivateEngine | None) -> AsyncIterator[Place]:
        runtime = HostRuntime(folder, isolation)
        yield Place(
            name=isolation,
            image=None,
            open=lambda: HostRuntime(folder, isolation),
            running=lambda id: len(processes_of(id)),
            traces=lambda id: host_traces(folder, id),
        )
        for one in await runtime.found():
            await runtime.remove(one.id)
        await runtime.close()

    return make


@asynccontextmanager
async def docker(folder: Path, engine: PrivateEngine | None) -> AsyncIterator[Place]:
    """Containers of a private engine; the supervisor of host jobs looks after leases, as on a node."""
    assert engine is not None
    host = HostRuntime(folder, "plain")
    yield Place(
        name="docker",
        image=DEFAULT_SAMPLE_IMAGE,
        open=lambda: DockerRuntime(
            owner="n-contract",
            default_image=DEFAULT_SAMPLE_IMAGE,
            url=engine.url,
            watchdog=partial(watch_containers, host, str(engine.socket_path)),
        ),
        running=lambda id: len(processes_of(id, "DRAAS_ALLOCATION_ID")),
        traces=lambda id: container_traces(engine, id),
        runtime_name=RuntimeName.DOCKER,
        serves=True,
        knows_leases=False,
    )
    await host.link.watch_containers({})
    await host.close()


def container_traces(engine: PrivateEngine, id: str) -> list[str]:
    """Containers and processes."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(engine.socket_path))
        asking.sendall(b"GET /v1.41/containers/json?all=1 HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: asking.recv(65536), b""))
    names = [name for item in json.loads(answer.partition(b"\r\n\r\n")[2]) for name in item["Names"]]
    return [name for name in names if id in name] + [f"pid {pid}" for pid in processes_of(id, "DRAAS_ALLOCATION_ID")]


def processes_of(id: str, variable: str = "DRAAS_ALLOCATION") -> list[int]:
    """Every living process with this allocation's marker in its environment."""
    marker = f"{variable}={id}".encode()
    return [pid for pid in _pids() if marker in _read(f"/proc/{pid}/environ").split(b"\0")]


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def host_traces(folder: Path, id: str) -> list[str]:
    """Files and processes."""
    files = [str(path) for part in ("work", "spool") if (path := folder / part / id).exists()]
    return files + [f"pid {pid}" for pid in processes_of(id)]


KINDS: dict[str, Make] = {
    "fake": fake,
    "plain": _host("plain"),
    "sandboxed": _host("sandboxed"),
    "docker": docker,
}
