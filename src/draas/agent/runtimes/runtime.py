"""The Runtime protocol: what the agent needs of whatever runs its allocations. tests/contract holds every implementation to it."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from draas.model.allocation import AllocationId, Cause
from draas.model.build import Built
from draas.model.job import RuntimeName
from draas.model.node import Image, RuntimeInfo
from draas.wire.link import Assignment


class RuntimeFailure(Exception):
    """An expected failure: the attempt fails with this cause and this sentence (cause and remedy)."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """How an allocation ended. `exit_code` is 128 + N for signal N. `cause` and `detail` are of a runtime that knows more than the code."""

    exit_code: int
    started_at: float
    finished_at: float
    oom: bool = False
    peak_memory_bytes: int | None = None
    cpu_s: float | None = None
    cause: Cause = Cause.NONE
    detail: str = ""
    built: Built | None = None  # of a build


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something of ours that was here before the agent started. `started_at` is None where it was made but never started."""

    id: AllocationId
    started_at: float | None
    exclusive: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a replica's port can be reached. Empty and 0 where it has none.

    `endpoint` is for other machines ("host:port"), `host` and `port` for this agent. `proxied`: whoever answers there accepts every connection,
    so that accepting alone says nothing. `published` is another way in for this agent, always proxied, where `host` cannot be reached.
    `subnet` ("172.17.0.2/16"): the network that `host` is in. What answers there is the replica only for who has an address in it, too.
    """

    endpoint: str = ""
    host: str = ""
    port: int = 0
    proxied: bool = False
    published: tuple[str, int] | None = None
    subnet: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a running allocation has used: CPU seconds since its start, memory in bytes now."""

    cpu_s: float
    memory_bytes: int


class Listener(NamedTuple):
    """A TCP port that something inside listens on."""

    address: str
    port: int


class Ran(NamedTuple):
    """How a command inside ended, and the last of what it wrote."""

    exit_code: int
    output: str


def unheard(_: str) -> None:
    """For who does not want to be told."""


class Runtime(Protocol):
    """Every method is idempotent and may be called again after a crash of the agent at any point.

    Raises RuntimeFailure for what users can cause or the machine can suffer; anything else is a defect.
    """

    name: RuntimeName

    async def probe(self) -> RuntimeInfo:
        """Whether it can be used here, and in one line what is missing. Never raises."""
        ...

    async def images(self) -> tuple[Image, ...]:
        """The images that are here (none for host processes)."""
        ...

    async def prepare(
        self, assignment: Assignment, progress: Callable[[str], None], pinned: Callable[[str], None] = unheard
    ) -> None:
        """Get ready what can take long: pull the image. `progress` is told short sentences ("pulling 43 %").

        `pinned` is told what the image of a replica is exactly (name@sha256:…, or an image id), as soon as that is known.
        """
        ...

    async def start(self, assignment: Assignment) -> float:
        """Start it, or adopt what already runs under this id; never a second one. Returns when it started (Unix seconds).

        `renew` is told the lease of an exclusive one before, so that nothing exclusive ever runs without one.
        """
        ...

    async def wait(self, id: AllocationId) -> Exited:
        """Wait for its end. Answers at once where it has ended already. Raises RuntimeFailure(RUNTIME) where it is unknown."""
        ...

    async def stop(self, id: AllocationId, grace_s: float) -> None:
        """TERM, and KILL after `grace_s` for everything it started. Returns when nothing of it runs. Unknown ids are fine."""
        ...

    async def remove(self, id: AllocationId) -> None:
        """Remove every trace (container, files, cgroup), stopping it first if it runs. Unknown ids are fine."""
        ...

    async def found(self) -> list[Found]:
        """All allocations of this agent that exist here, running or ended: what is adopted after a restart."""
        ...

    def output(self, id: AllocationId, offset: int) -> AsyncIterator[bytes]:
        """Records (draas.wire.records) of the output after the first `offset` payload bytes, as it is written, to its end.

        Deterministic: the same allocation gives the same bytes in the same order however often it is read. Each item
        is at most 256 KiB of records. Does not read ahead of its consumer without bound, so a slow reader slows nothing but itself.
        """
        ...

    async def renew(self, exclusive: dict[AllocationId, float]) -> None:
        """Tell whatever outlives the agent until when (monotonic seconds) each exclusive allocation may run."""
        ...

    # --- of an app's replica that runs; each raises RuntimeFailure where it does not ---

    async def door(self, id: AllocationId) -> Door:
        """Where its port can be reached."""
        ...

    async def frozen(self, id: AllocationId) -> bool:
        """Whether it is paused, so that nothing in it goes on."""
        ...

    async def execute(self, id: AllocationId, command: Sequence[str], timeout_s: float) -> Ran:
        """Run `command` inside. Raises TimeoutError where it takes longer; what it started is ended where that can be done."""
        ...

    async def listeners(self, id: AllocationId) -> tuple[Listener, ...] | None:
        """What listens inside; None where that cannot be seen."""
        ...

    async def used(self, ids: Collection[AllocationId]) -> Mapping[AllocationId, Used]:
        """What these use. Those of which nothing is known are left out. Never raises."""
        ...

    async def close(self) -> None:
        """Let go of connections; what runs goes on running."""
        ...
