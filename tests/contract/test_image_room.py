"""Making room on a real engine: what the agent pulled and nothing needs goes; everything else stays."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from small_registry import SmallRegistry, small_registry
from test_docker_runtime import assignment, make_runtime

from draas.agent.runtimes.docker.image_archive import Entry, image_archive
from draas.agent.runtimes.docker.image_ledger import ImageLedger
from draas.agent.runtimes.docker.runtime import DockerRuntime
from draas.agent.runtimes.docker.sample_image import machine_arch
from draas.agent.runtimes.runtime import unheard
from draas.agent.shell.image_care import ImageCare
from draas.lib import clock
from draas.lib.disk import Disk
from draas.testing.engine import PrivateEngine

DAY = 86400.0
WEEK_LATER = 8 * DAY


@pytest.fixture
def registry(docker_engine: PrivateEngine) -> Iterator[SmallRegistry]:
    """With five images, each of its own content."""
    with small_registry(docker_engine) as started:
        for name in ("one", "two", "three", "four", "five"):
            content = [Entry("name", name.encode())]
            started.push(image_archive(content, tag="x:1", arch=machine_arch(), command=["/none"]), name)
        yield started


@pytest.fixture
async def runtime(docker_engine: PrivateEngine, tmp_path: Path) -> AsyncIterator[DockerRuntime]:
    made = make_runtime(docker_engine, ledger=ImageLedger(tmp_path / "images.json"))
    yield made
    await made.close()


def care_of(runtime: DockerRuntime, wanted: tuple[str, ...] = (), disk: Disk | None = None) -> ImageCare:
    assert runtime.api.ledger is not None
    return ImageCare(
        room=runtime.room, ledger=runtime.api.ledger, wanted=lambda: wanted, disk=lambda: disk, keep=frozenset()
    )


async def pull(runtime: DockerRuntime, image: str) -> str:
    """As for a job; the image's id."""
    await runtime.prepare(assignment("true", image=image), unheard)
    return str((await runtime.api.call("GET", f"images/{image}/json"))["Id"])


async def ids(runtime: DockerRuntime) -> set[str]:
    return {str(item["Id"]) for item in await runtime.api.call("GET", "images/json")}


def later(monkeypatch: pytest.MonkeyPatch, seconds: float = WEEK_LATER) -> None:
    monkeypatch.setattr(clock, "now", lambda: time.time() + seconds)


async def test_what_the_agent_pulled_goes_and_what_was_there_before_stays(
    runtime: DockerRuntime, registry: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await ids(runtime)
    async with runtime.api.stream("POST", "images/create", fromImage=registry.name, tag="one") as stream:
        await stream.read()  # by hand
    (by_hand,) = await ids(runtime) - before
    assert await pull(runtime, f"{registry.name}:one") == by_hand
    ours = await pull(runtime, f"{registry.name}:two")
    assert await care_of(runtime).make_room() == []
    later(monkeypatch)
    gone = await care_of(runtime).make_room()
    assert [(one.image.id, one.reason) for one in gone] == [(ours, "not used for 8 days")]
    assert await ids(runtime) == {*before, by_hand}
    await runtime.api.call("DELETE", f"images/{registry.name}:one")


async def test_what_somebody_needs_stays(
    runtime: DockerRuntime, registry: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container of anybody's, the controller, an allocation here, somebody's own name."""
    names = [f"{registry.name}:{tag}" for tag in ("one", "two", "three", "four", "five")]
    contained, kept, wanted, named, free = [await pull(runtime, name) for name in names]
    container = (await runtime.api.call("POST", "containers/create", body={"Image": names[0]}))["Id"]
    await runtime.api.call("POST", f"images/{named}/tag", repo="mine", tag="keep")
    care = care_of(runtime, wanted=(names[2],))
    later(monkeypatch)
    care.hear(None)
    assert await care.make_room() == []
    care.hear(frozenset({kept}))
    assert [one.image.id for one in await care.make_room()] == [free]
    assert {contained, kept, wanted, named} <= await ids(runtime)
    await runtime.api.call("DELETE", f"containers/{container}")
    await runtime.api.call("DELETE", "images/mine:keep")
    later(monkeypatch, 3 * WEEK_LATER)
    rest = await care_of(runtime).make_room()
    assert {one.image.id for one in rest} == {contained, kept, wanted, named}


async def test_a_full_disk_needs_no_week_and_a_fresh_image_is_left(
    runtime: DockerRuntime, registry: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    care = care_of(runtime, disk=Disk(used_bytes=90, total_bytes=100))
    old = await pull(runtime, f"{registry.name}:one")
    later(monkeypatch, 900)
    fresh = await pull(runtime, f"{registry.name}:two")
    assert [one.image.id for one in await care.make_room()] == [old]
    assert fresh in await ids(runtime)
    later(monkeypatch, 1800)
    assert [one.image.id for one in await care.make_room()] == [fresh]


async def test_the_next_agent_knows_what_is_ours(
    runtime: DockerRuntime, docker_engine: PrivateEngine, registry: SmallRegistry, tmp_path: Path
) -> None:
    id = await pull(runtime, f"{registry.name}:three")
    another = ImageLedger(tmp_path / "images.json")
    assert id in another.owned
    assert another.owned[id].names == (f"{registry.name}:three",)
    (tmp_path / "images.json").write_text("torn")
    assert ImageLedger(tmp_path / "images.json").owned == {}
    await runtime.api.call("DELETE", f"images/{registry.name}:three")


async def test_while_it_is_pulled_an_image_is_in_use(runtime: DockerRuntime, registry: SmallRegistry) -> None:
    name, ledger = f"{registry.name}:four", runtime.api.ledger
    assert ledger is not None
    pulled: set[str] = set()
    await runtime.prepare(assignment("true", image=name), lambda _: pulled.update(ledger.pulling))
    assert pulled == {name}
    assert ledger.pulling == {}
    ledger.pulling["shop:1"] = 1
    assert "shop:1" in await runtime.room.in_use()
    await runtime.api.call("DELETE", f"images/{name}")
