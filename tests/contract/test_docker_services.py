"""Replicas of apps on a real engine: from the assignment to what is reported, as an agent does it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from draas.agent.core import events as e
from draas.agent.core.core import AgentCore
from draas.agent.runtimes.docker.container_body import container_name
from draas.agent.runtimes.docker.runtime import DockerRuntime
from draas.agent.runtimes.docker.sample_image import DEFAULT_SAMPLE_IMAGE, load_sample_image
from draas.agent.shell.journal import Journal
from draas.agent.shell.performer import Performer
from draas.lib import clock
from draas.lib.tasks import Tasks
from draas.model.allocation import AllocationId, AllocationState, Cause, Observed
from draas.model.job import RuntimeName
from draas.model.probe import Health, Probe, ProbeKind, Served
from draas.model.resources import MIB, Resources
from draas.testing.builders import QUICK_PROBE, a_service
from draas.testing.engine import PrivateEngine
from draas.wire.link import UNWANTED, Assign, Assignment, LogAck, LogChunk

pytestmark = pytest.mark.needs("root", "dockerd", "busybox")

DEADLINE_S = 30.0
HTTPD = ("httpd", "-f", "-p", "8080")
_numbers = itertools.count(1)


class AgentHere:
    """An agent without a link: the real core, performer and journal, with what it would have reported."""

    def __init__(self, runtime: DockerRuntime, folder: Path, tasks: Tasks) -> None:
        self.runtime = runtime
        self.core = AgentCore()
        self.journal = Journal(folder / "assignments.journal")
        self.performer = Performer(
            self.core, {RuntimeName.DOCKER: runtime}, self.journal, tasks, self._unwanted, self._hear
        )
        self.performer.on_link({})
        self.told: list[tuple[AllocationId, Observed]] = []
        self._generation = itertools.count(1)

    def _unwanted(self, chunk: LogChunk) -> None:
        self.performer.on_log_ack(LogAck(ends={chunk.allocation: UNWANTED}))

    def _hear(self) -> None:
        self.told += self.core.take_news().items()

    def order(self, *put: Assignment, forget: tuple[AllocationId, ...] = ()) -> None:
        orders = Assign(epoch=int(clock.now() * 1000), generation=next(self._generation), put=put, forget=forget)
        self.performer.feed(e.Ordered(assign=orders))

    def seen(self, id: AllocationId) -> Observed:
        return self.core.locals[id].observed

    def reports(self, id: AllocationId) -> list[Observed]:
        return [observed for one, observed in self.told if one == id]

    async def until(self, id: AllocationId, what: Callable[[Observed], bool]) -> Observed:
        """Wait until what is observed of `id` is so; the last that was seen is in the failure."""
        deadline = clock.monotonic() + DEADLINE_S
        while not what(self.seen(id)):
            assert clock.monotonic() < deadline, f"last seen: {self.seen(id)}"
            await asyncio.sleep(0.01)
        return self.seen(id)

    async def until_health(self, id: AllocationId, health: Health) -> Served:
        observed = await self.until(id, lambda one: one.served is not None and one.served.health is health)
        assert observed.served is not None
        return observed.served


def replica(command: str | tuple[str, ...] = HTTPD, **more: Any) -> Assignment:
    given: dict[str, Any] = {
        "id": AllocationId(f"r-{next(_numbers):04}"),
        "job_id": "",
        "project": "default",
        "number": 1,
        "name": "shop",
        "runtime": RuntimeName.DOCKER,
        "image": DEFAULT_SAMPLE_IMAGE,
        "command": command,
        "env": {},
        "resources": Resources(cpu_millis=500, memory_bytes=32 * MIB),
        "timeout_s": None,
        "exclusive": False,
        "desired": "run",
        "log_cap_bytes": 10_000_000,
        "service": a_service(stop_grace_s=1.0),
    }
    return Assignment(**{**given, **more})


@pytest.fixture
def inside(docker_engine: PrivateEngine) -> Iterator[PrivateEngine]:
    """The test runs where an agent would: in the engine's network."""
    with docker_engine.inside():
        yield docker_engine


@asynccontextmanager
async def an_agent(engine: PrivateEngine, folder: Path, **more: Any) -> AsyncIterator[AgentHere]:
    """One life of an agent: containers run on after it."""
    runtime = DockerRuntime(owner="n-services", default_image=DEFAULT_SAMPLE_IMAGE, url=engine.url, **more)
    async with Tasks("agent") as tasks:
        agent = AgentHere(runtime, folder, tasks)
        assert await agent.performer.adopt()
        try:
            yield agent
        finally:
            await tasks.cancel()
            agent.journal.close()
            await runtime.close()


@pytest.fixture
async def agent(inside: PrivateEngine, tmp_path: Path) -> AsyncIterator[AgentHere]:
    async with an_agent(inside, tmp_path) as made:
        yield made
        for found in await made.runtime.found():
            await made.runtime.remove(found.id)


async def get(endpoint: str, path: str = "/") -> int:
    """The status that the published port answers with."""
    reader, writer = await asyncio.open_connection(*endpoint.rsplit(":", 1))
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


async def inspect(agent: AgentHere, id: AllocationId) -> dict[str, Any]:
    found: dict[str, Any] = await agent.runtime.api.call("GET", f"containers/{container_name(id)}/json")
    return found


async def test_a_replica_is_published_and_becomes_healthy(agent: AgentHere) -> None:
    one = replica()
    agent.order(one)
    served = await agent.until_health(one.id, Health.HEALTHY)
    assert agent.seen(one.id).state is AllocationState.RUNNING
    assert served.endpoint.startswith("127.0.0.1:")
    assert await get(served.endpoint) in (200, 404)


async def test_replicas_with_the_same_port_do_not_clash(agent: AgentHere) -> None:
    both = (replica(), replica())
    agent.order(*both)
    endpoints = {(await agent.until_health(one.id, Health.HEALTHY)).endpoint for one in both}
    assert len(endpoints) == 2
    for endpoint in endpoints:
        assert await get(endpoint) in (200, 404)
