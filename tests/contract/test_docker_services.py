"""Replicas of apps on a real engine: from the assignment to what is reported, as an agent does it."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from small_registry import small_registry

from draas.agent.core import events as e
from draas.agent.core.core import AgentCore
from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.container_body import container_name
from draas.agent.runtimes.docker.running import read_stats
from draas.agent.runtimes.docker.runtime import DockerRuntime
from draas.agent.runtimes.docker.sample_image import DEFAULT_SAMPLE_IMAGE, load_sample_image, sample_archive
from draas.agent.shell.journal import Journal
from draas.agent.shell.performer import Performer
from draas.lib import clock
from draas.lib.tasks import Tasks
from draas.model.allocation import AllocationId, AllocationState, Cause, Desired, Observed
from draas.model.job import RuntimeName
from draas.model.probe import Health, Probe, ProbeKind, Served
from draas.model.resources import MIB, Resources
from draas.testing.builders import a_service
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
        "desired": Desired.RUN,
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


async def test_what_a_replica_is_told_and_how_it_is_walled_in(agent: AgentHere) -> None:
    one = replica("env; exec httpd -f -p $PORT", env={"MODE": "production", "DRAAS_APP": "forged"})
    agent.order(one)
    await agent.until_health(one.id, Health.HEALTHY)
    info = await inspect(agent, one.id)
    env = dict(line.split("=", 1) for line in info["Config"]["Env"])
    told = {name: env[name] for name in ("PORT", "MODE", "DRAAS_APP", "DRAAS_RELEASE", "DRAAS_ALLOCATION_ID")}
    assert told == {
        "PORT": "8080",
        "MODE": "production",
        "DRAAS_APP": "shop",
        "DRAAS_RELEASE": "1",
        "DRAAS_ALLOCATION_ID": one.id,
    }
    labels = info["Config"]["Labels"]
    wanted = {"app": "shop", "app_id": "app-shop", "release": "1", "port": "8080", "project": "default"}
    assert {name: labels[f"draas.{name}"] for name in wanted} == wanted
    host = info["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert "NET_RAW" not in "".join(host["CapAdd"])
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert (host["Privileged"], host["PidMode"], host["IpcMode"], host["PidsLimit"]) == (False, "", "private", 1024)
    assert (host["NetworkMode"], host["Memory"], host["CpuQuota"]) == ("bridge", 32 * MIB, 50_000)
    assert int(host["LogConfig"]["Config"]["max-size"]) == 4 * one.log_cap_bytes


@pytest.mark.parametrize(
    ("command", "detail"),
    [
        (
            ("httpd", "-f", "-p", "9090"),
            "nothing listens on port 8080; the app listens on 9090: deploy with --port 9090",
        ),
        (
            ("httpd", "-f", "-p", "127.0.0.1:8080"),
            "the app listens on 127.0.0.1:8080 only: make it listen on 0.0.0.0",
        ),
        (("sleep", "600"), "nothing listens on port 8080: the app listens on no port at all, or does not yet"),
    ],
)
async def test_a_wrong_port_is_explained_by_what_listens_inside(
    agent: AgentHere, command: tuple[str, ...], detail: str
) -> None:
    one = replica(command)
    agent.order(one)
    served = await agent.until_health(one.id, Health.UNHEALTHY)
    assert served.detail == detail


def http(path: str, **more: Any) -> Probe:
    return Probe(kind=ProbeKind.HTTP, path=path, every_s=0.2, **{"failures": 2, **more})


HTTP_SERVER = """mkdir /tmp/www; cd /tmp/www; echo ok >ready; exec httpd -f -p 8080 -h /tmp/www"""


async def test_health_follows_the_http_probe_both_ways(agent: AgentHere) -> None:
    one = replica(HTTP_SERVER, service=a_service(probe=http("/ready")))
    agent.order(one)
    await agent.until_health(one.id, Health.HEALTHY)
    before = agent.seen(one.id).served
    await agent.runtime.execute(one.id, ("rm", "/tmp/www/ready"), 5)
    sick = await agent.until_health(one.id, Health.UNHEALTHY)
    assert sick.detail == "GET /ready answered with status 404"
    assert before is not None
    assert sick.since > before.since
    await agent.runtime.execute(one.id, ("touch", "/tmp/www/ready"), 5)
    well = await agent.until_health(one.id, Health.HEALTHY)
    assert well.detail == ""
    assert well.endpoint == sick.endpoint


async def test_one_failure_of_several_needed_changes_nothing(agent: AgentHere) -> None:
    one = replica(HTTP_SERVER, service=a_service(probe=http("/ready", failures=1000)))
    agent.order(one)
    await agent.until_health(one.id, Health.HEALTHY)
    await agent.runtime.execute(one.id, ("rm", "/tmp/www/ready"), 5)
    told = len(agent.told)
    await asyncio.sleep(1)  # some probes fail meanwhile; what is asserted is that nothing is told of them
    assert agent.told[told:] == []


async def test_exec_and_none_probes(agent: AgentHere) -> None:
    probe = Probe(
        kind=ProbeKind.EXEC, command=("sh", "-c", "echo not yet; test -e /tmp/ready"), every_s=0.2, failures=2
    )
    one = replica(("sleep", "600"), service=a_service(probe=probe))
    other = replica(("sleep", "600"), service=a_service(port=None, probe=Probe(kind=ProbeKind.NONE)))
    agent.order(one, other)
    assert (await agent.until_health(other.id, Health.HEALTHY)).endpoint == ""
    assert "ended with code 1: not yet" in (await agent.until_health(one.id, Health.UNHEALTHY)).detail
    await agent.runtime.execute(one.id, ("touch", "/tmp/ready"), 5)
    await agent.until_health(one.id, Health.HEALTHY)


async def test_an_exec_probe_that_hangs_is_ended_and_one_that_is_not_there_is_named(agent: AgentHere) -> None:
    hanging = Probe(kind=ProbeKind.EXEC, command=("sleep", "300"), every_s=0.2, timeout_s=0.2, failures=2)
    missing = Probe(kind=ProbeKind.EXEC, command=("no-such-check",), every_s=0.2, failures=2)
    one = replica(("sleep", "600"), service=a_service(probe=hanging))
    other = replica(("sleep", "600"), service=a_service(probe=missing))
    agent.order(one, other)
    assert "took longer than 0.2 s" in (await agent.until_health(one.id, Health.UNHEALTHY)).detail
    assert "no-such-check" in (await agent.until_health(other.id, Health.UNHEALTHY)).detail
    deadline = clock.monotonic() + DEADLINE_S
    while (many := await hanging_probes(agent, one.id)) > 1:
        assert clock.monotonic() < deadline, f"{many} probes hang inside"


async def hanging_probes(agent: AgentHere, id: AllocationId) -> int:
    ran = await agent.runtime.execute(id, ("sh", "-c", "ps | grep -c '[s]leep 300'"), 5)
    return int(ran.output)


@pytest.mark.parametrize("kind", [ProbeKind.TCP, ProbeKind.HTTP, ProbeKind.NONE])
async def test_a_paused_replica_is_unhealthy(agent: AgentHere, kind: ProbeKind) -> None:
    one = replica(HTTP_SERVER, service=a_service(probe=Probe(kind=kind, path="/ready", every_s=0.2, failures=2)))
    agent.order(one)
    await agent.until_health(one.id, Health.HEALTHY)
    await agent.runtime.api.call("POST", f"containers/{container_name(one.id)}/pause")
    assert "paused" in (await agent.until_health(one.id, Health.UNHEALTHY)).detail
    await agent.runtime.api.call("POST", f"containers/{container_name(one.id)}/unpause")
    await agent.until_health(one.id, Health.HEALTHY)


async def test_a_paused_replica_can_be_stopped(agent: AgentHere) -> None:
    one = replica()
    agent.order(one)
    await agent.until_health(one.id, Health.HEALTHY)
    await agent.runtime.api.call("POST", f"containers/{container_name(one.id)}/pause")
    agent.order(msgspec.structs.replace(one, desired=Desired.STOP))
    await agent.until(one.id, lambda seen: seen.state is AllocationState.STOPPED)


@pytest.mark.parametrize(
    ("command", "detail"),
    [
        ("exit 0", r"exited with code 0 after .* s; an app should keep running: .*"),
        ("sleep 0.2; exit 7", r"exit code 7, after 0\..* s"),
        ("no-such-server", r"exit code 127: the command was not found, after .* s"),
        (("/etc/passwd",), r"exit code 126: .*(not executable, or for another architecture).*"),
    ],
)
async def test_a_replica_that_ends_has_failed(agent: AgentHere, command: str | tuple[str, ...], detail: str) -> None:
    one = replica(command)
    agent.order(one)
    seen = await agent.until(one.id, lambda seen: seen.state is AllocationState.FAILED)
    assert seen.cause is Cause.EXIT
    assert re.fullmatch(detail, seen.detail), seen.detail
    assert seen.image.startswith("sha256:")
    assert seen.served is None


async def test_out_of_memory_names_the_limit(agent: AgentHere) -> None:
    one = replica("head -c 400m /dev/zero | tail")
    agent.order(one)
    seen = await agent.until(one.id, lambda seen: seen.state is AllocationState.FAILED)
    assert (seen.cause, seen.oom) == (Cause.OUT_OF_MEMORY, True)
    assert "32 MB" in seen.detail


async def test_stop_gives_the_grace_that_the_app_wants(agent: AgentHere) -> None:
    polite = "trap 'sleep 0.5; exit 0' TERM; httpd -p 8080; while :; do sleep 0.05; done"
    one = replica(polite, service=a_service(stop_grace_s=20))
    deaf = replica("trap '' TERM; httpd -p 8080; while :; do sleep 0.05; done", service=a_service(stop_grace_s=0.2))
    agent.order(one, deaf)
    for each in (one, deaf):
        await agent.until_health(each.id, Health.HEALTHY)
        agent.order(msgspec.structs.replace(each, desired=Desired.STOP))
    for each, code in ((one, 0), (deaf, 137)):
        seen = await agent.until(each.id, lambda seen: seen.state is AllocationState.STOPPED)
        assert (seen.cause, seen.exit_code, seen.served) == (Cause.REPLACED, code, None)


async def test_a_successor_keeps_endpoint_and_health(inside: PrivateEngine, tmp_path: Path) -> None:
    one = replica()
    async with an_agent(inside, tmp_path) as agent:
        agent.order(one)
        before = await agent.until_health(one.id, Health.HEALTHY)
    async with an_agent(inside, tmp_path) as successor:
        seen = successor.core.have()[one.id]  # the first that it would tell the controller
        assert (seen.state, seen.served) == (AllocationState.RUNNING, before)
        assert seen.image.startswith("sha256:")
        await successor.runtime.api.call("POST", f"containers/{container_name(one.id)}/pause")
        await successor.until_health(one.id, Health.UNHEALTHY)  # it is looked after again
        told = [report.served.health for report in successor.reports(one.id) if report.served is not None]
        assert list(dict.fromkeys(told)) == [Health.HEALTHY, Health.UNHEALTHY]
        await successor.runtime.remove(one.id)


async def test_an_engine_that_is_restarted_changes_nothing_of_a_healthy_replica(tmp_path: Path) -> None:
    """With live-restore: what the agent cannot see for a while is not held against the replica."""
    engine = PrivateEngine(tmp_path, live_restore=True)
    try:
        await asyncio.to_thread(engine.start)
        with engine.inside():
            async with an_agent(engine, tmp_path) as agent:
                await load_sample_image(agent.runtime.api)
                one = replica(service=a_service(probe=Probe(every_s=0.1, failures=1)))
                agent.order(one)
                before = await agent.until_health(one.id, Health.HEALTHY)
                await asyncio.to_thread(engine.kill)
                await asyncio.sleep(1)  # ten probes' time; what is asserted is that nothing is told of them
                await asyncio.to_thread(engine.start)
                assert await agent.runtime.door(one.id) is not None
                assert await get(before.endpoint) in (200, 404)
                assert [told.served for told in agent.reports(one.id) if told.served is not None] == [before]
                await agent.runtime.remove(one.id)
    finally:
        await asyncio.to_thread(engine.close)


async def test_the_images_own_entry_point_and_stop_signal(agent: AgentHere) -> None:
    await load_own_server(agent, "own-server:1")
    one = replica((), image="own-server:1", service=a_service(stop_grace_s=20))
    agent.order(one)
    await agent.until_health(one.id, Health.HEALTHY)
    info = await inspect(agent, one.id)
    assert info["Config"]["Cmd"] == ["sh", "-c", OWN_SERVER]
    agent.order(msgspec.structs.replace(one, desired=Desired.STOP))
    seen = await agent.until(one.id, lambda seen: seen.state is AllocationState.STOPPED)
    assert seen.exit_code == 3  # what it does on its own signal


OWN_SERVER = "trap 'exit 3' QUIT; httpd -p 8080; while :; do sleep 0.05; done"


async def load_own_server(agent: AgentHere, tag: str) -> None:
    """An image of the sample image's files with a command and a stop signal of its own, as `docker commit` makes it."""
    api = agent.runtime.api
    made = await api.call("POST", "containers/create", body={"Image": DEFAULT_SAMPLE_IMAGE, "Cmd": ["true"]})
    config = {"Cmd": ["sh", "-c", OWN_SERVER], "StopSignal": "SIGQUIT"}
    repo, _, version = tag.partition(":")
    await api.call("POST", "commit", body=config, container=made["Id"], repo=repo, tag=version)
    await api.call("DELETE", f"containers/{made['Id']}")


async def test_use_is_measured(agent: AgentHere) -> None:
    one = replica("httpd -p 8080; while :; do :; done")
    agent.order(one)
    await agent.until_health(one.id, Health.HEALTHY)
    await agent.performer.measure()
    deadline = clock.monotonic() + DEADLINE_S
    busiest = 0
    while busiest < 100:  # it may have half a core, and others want the machine too
        assert clock.monotonic() < deadline, f"at most {busiest} thousandths of a core"
        await asyncio.sleep(0.3)
        usage = (await agent.performer.measure())[one.id]
        busiest = max(busiest, usage.cpu_millis)
    assert busiest < 800
    assert 50_000 < usage.memory_bytes <= 32 * MIB
    stats = await agent.runtime.api.call("GET", f"containers/{container_name(one.id)}/stats?stream=0&one-shot=1")
    assert read_stats(stats) is not None  # what an engine on another machine is asked


# --- images ---


async def test_a_tag_is_pinned_by_one_question_and_pulled_by_its_digest(
    agent: AgentHere, inside: PrivateEngine
) -> None:
    with small_registry(inside) as registry:
        digest = registry.push(await asyncio.to_thread(sample_archive, tag="x:1"), "v1")
        one = replica(image=f"{registry.name}:v1")
        agent.order(one)
        await agent.until_health(one.id, Health.HEALTHY)
        assert agent.seen(one.id).image == f"{registry.name}@{digest}"
        preparing = [told for told in agent.reports(one.id) if told.state is AllocationState.PREPARING and told.image]
        assert preparing, agent.reports(one.id)
        registry.tags.clear()  # the tag is gone; who is told the digest does not care
        registry.asked.clear()
        pinned = replica(image=f"{registry.name}@{digest}")
        agent.order(pinned)
        await agent.until_health(pinned.id, Health.HEALTHY)
        assert registry.asked == []  # it is here
    assert (await inspect(agent, pinned.id))["Image"] == (await inspect(agent, one.id))["Image"]


async def test_a_start_without_its_prepare_finds_the_image_again(agent: AgentHere, inside: PrivateEngine) -> None:
    """The agent died between the two: what was pulled by its digest has no tag here."""
    with small_registry(inside) as registry:
        registry.push(await asyncio.to_thread(sample_archive, tag="x:1"), "v2")
        one = replica(image=f"{registry.name}:v2")
        await agent.runtime.start(one)
    assert "@sha256:" in (await inspect(agent, one.id))["Config"]["Image"]


async def test_an_image_without_a_registry_is_pinned_to_its_id(agent: AgentHere) -> None:
    one = replica()
    agent.order(one)
    await agent.until_health(one.id, Health.HEALTHY)
    id = agent.seen(one.id).image
    assert re.fullmatch("sha256:[0-9a-f]{64}", id)
    other = replica(image=id)
    agent.order(other)
    await agent.until_health(other.id, Health.HEALTHY)
    absent = replica(image="sha256:" + "0" * 64)
    agent.order(absent)
    seen = await agent.until(absent.id, lambda seen: seen.state is AllocationState.FAILED)
    assert seen.cause is Cause.IMAGE
    assert "loaded by hand" in seen.detail


async def test_a_tag_that_nobody_has_fails_with_its_name(agent: AgentHere, inside: PrivateEngine) -> None:
    with small_registry(inside) as registry:
        one = replica(image=f"{registry.name}:nothing")
        agent.order(one)
        seen = await agent.until(one.id, lambda seen: seen.state is AllocationState.FAILED)
    assert seen.cause is Cause.IMAGE
    assert f"{registry.name}:nothing" in seen.detail


async def test_the_sample_image_is_the_same_on_every_machine(inside: PrivateEngine, tmp_path: Path) -> None:
    """A fresh engine that loads its own copy gets the same id, so that a replica pinned to it runs there too."""
    other = PrivateEngine(tmp_path)
    try:
        await asyncio.to_thread(other.start)
        ids = []
        for engine in (inside, other):
            api = EngineApi(engine.url)
            await load_sample_image(api)
            ids.append((await api.call("GET", f"images/{DEFAULT_SAMPLE_IMAGE}/json"))["Id"])
            await api.close()
    finally:
        await asyncio.to_thread(other.close)
    assert ids[0] == ids[1]
