"""The runtimes that the contract is run over. A further one is an entry of KINDS: a context manager that yields a Place.

Commands of the suite are in the dialect of draas.testing.fake_runtime wherever they can be; what it does not know is scripted
for the fake in `_script_fake`, so that the suite needs no exceptions.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from draas.agent.runtimes.process.command import Isolation
from draas.agent.runtimes.process.host_runtime import HostRuntime
from draas.agent.runtimes.runtime import Runtime
from draas.model.allocation import AllocationId, Desired
from draas.model.job import JobId, ProjectName, RuntimeName
from draas.model.resources import MIB, Resources
from draas.testing.fake_runtime import End, FakeMachine, FakeRuntime, IgnoreTerm, Sleep, Write
from draas.wire.link import Assignment

BINARY = bytes(range(256))
PRINT_BINARY = "printf '" + "".join(f"\\{byte:03o}" for byte in BINARY) + "'"
LONG_LINE_BYTES = 1_000_000
LONG_LINE = f"head -c {LONG_LINE_BYTES} /dev/zero | tr '\\0' x"
PRINT_ENV = 'printf "%s|" "$GREETING" "$LINES_OF_TEXT"'
GREETING, LINES_OF_TEXT = "grüße, 世界 🌍", "one\ntwo"
EAT_MEMORY = "head -c 400m /dev/zero | tail"  # tail keeps a line without end in memory
BURN_CPU = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done"
HAS_CHILDREN = "trap '' TERM; (sleep 300) & echo up; sleep 300"  # children ignore what their parent ignored
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

    def assignment(
        self,
        command: str | tuple[str, ...],
        *,
        id: str = "a-1",
        env: Mapping[str, str] | None = None,
        memory_bytes: int = 128 * MIB,
        log_cap_bytes: int = 100_000_000,
        exclusive: bool = False,
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
            resources=Resources(cpu_millis=1000, memory_bytes=memory_bytes),
            timeout_s=None,
            exclusive=exclusive,
            desired=Desired.RUN,
            log_cap_bytes=log_cap_bytes,
        )


def _script_fake(machine: FakeMachine) -> None:
    machine.script(PRINT_BINARY, Write(data=BINARY))
    machine.script(LONG_LINE, Write(data=b"x" * LONG_LINE_BYTES))
    machine.script(PRINT_ENV, Write(data=f"{GREETING}|{LINES_OF_TEXT}|".encode()))
    machine.script(EAT_MEMORY, End(exit_code=137, oom=True))
    machine.script(BURN_CPU, Write(data=b"done\n"))
    machine.script(LIST_ENV, Write(data=b"PATH=/bin\nMARK=1\n"))
    machine.script(("echo", "a b", "$HOME"), Write(data=b"a b $HOME\n"))
    machine.script(HAS_CHILDREN, IgnoreTerm(), Write(data=b"up\n"), Sleep(seconds=300))


@asynccontextmanager
async def fake(folder: Path) -> AsyncIterator[Place]:
    async with FakeMachine() as machine:
        _script_fake(machine)
        yield Place(
            name="fake",
            image=None,
            open=lambda: FakeRuntime(machine),
            running=lambda id: int(id in machine.processes and machine.processes[id].ended is None),
            traces=lambda id: [id] if id in machine.processes else [],
        )


def _host(isolation: Isolation) -> Callable[[Path], AbstractAsyncContextManager[Place]]:
    @asynccontextmanager
    async def make(folder: Path) -> AsyncIterator[Place]:
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


def processes_of(id: str) -> list[int]:
    """Every living process with this allocation's marker in its environment."""
    marker = f"DRAAS_ALLOCATION={id}".encode()
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


KINDS: dict[str, Callable[[Path], AbstractAsyncContextManager[Place]]] = {
    "fake": fake,
    "plain": _host("plain"),
    "sandboxed": _host("sandboxed"),
}
