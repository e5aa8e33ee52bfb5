"""Images of the controller's registry on real Docker Engines, through their agents' loopback addresses."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from image_site import Hold, Site, cluster_images, image_site
from registry_client import digest_of
from test_docker_runtime import assignment, make_runtime, read, run

from draas.agent.images.cluster_images import ClusterImages
from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.image_archive import Entry, image_archive
from draas.agent.runtimes.docker.push import push
from draas.agent.runtimes.docker.runtime import DockerRuntime
from draas.agent.runtimes.docker.sample_image import machine_arch, sample_archive
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.lib.values import replace
from draas.model.allocation import Cause
from draas.model.registry import registry_of
from draas.testing.builders import a_service
from draas.testing.engine import PrivateEngine

MIB = 1024 * 1024
WEB = "draas.internal/p/web"
pytestmark = pytest.mark.needs("root", "dockerd", "netns", "busybox")


@pytest.fixture(scope="module")
def second_engine(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """That has no image at all."""
    private = PrivateEngine(tmp_path_factory.mktemp("second"))
    try:
        private.start()
        yield private
    finally:
        private.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with image_site(tmp_path / "registry") as started:
        yield started


@pytest.fixture
async def builder(site: Site, docker_engine: PrivateEngine, tmp_path: Path) -> AsyncIterator[ClusterImages]:
    """Of a node that runs a build of p/web."""
    controller = await site.node("builder")
    await site.builds("builder", "p/web")
    async with cluster_images(tmp_path / "builder", controller, docker_engine) as served:
        yield served


@pytest.fixture
async def engine(docker_engine: PrivateEngine) -> AsyncIterator[EngineApi]:
    api = EngineApi(docker_engine.url)
    yield api
    await api.close()


@pytest.fixture
async def runner(site: Site, second_engine: PrivateEngine, tmp_path: Path) -> AsyncIterator[DockerRuntime]:
    """Of another node."""
    controller = await site.node("runner")
    async with cluster_images(tmp_path / "runner", controller, second_engine) as served:
        runtime = make_runtime(second_engine, cluster=served)
        yield runtime
        for found in await runtime.found():
            await runtime.remove(found.id)
        for image in await runtime.images():
            await runtime.api.call("DELETE", f"images/{image.id}", force=1)
        await runtime.close()


async def load(api: EngineApi, images: ClusterImages, tag: str, archive: bytes | None = None) -> str:
    """An image by this tag of p/web, on this engine alone: the name for pushing it."""
    name = images.local(f"{WEB}:{tag}")
    await api.call("POST", "images/load", data=archive or sample_archive(tag=name), quiet="1")
    return name


def large_archive(name: str, size: int) -> bytes:
    """An image of `size` bytes that cannot be packed smaller."""
    return archive_with(Entry("noise", os.urandom(size)), tag=name)


def archive_with(entry: Entry, tag: str) -> bytes:
    """An image with a shell and one file more."""
    entries = [Entry("bin"), Entry("bin/sh", Path("/bin/busybox").read_bytes()), entry]
    return image_archive(entries, tag=tag, arch=machine_arch(), command=["sh"])


# --- pushing and pulling ---


async def test_one_engine_pushes_and_another_pulls_and_runs_it(
    site: Site, builder: ClusterImages, engine: EngineApi, runner: DockerRuntime
) -> None:
    said: list[str] = []
    digest = await push(engine, await load(engine, builder, "v1"), said.append, builder.login)
    assert said[-1] == "pushing 100 %"
    await site.runs("runner", f"{WEB}:v1")
    told: list[str] = []
    wanted = assignment("echo from elsewhere", image=f"{WEB}@{digest}")
    await runner.prepare(wanted, told.append)
    assert "pulling 100 %" in told
    assert (await run(runner, wanted))[1] == "from elsewhere\n"
    names = [name for image in await runner.images() for name in image.tags]
    assert names == [f"{WEB}@{digest}"]  # as the cluster calls it, and nothing of the loopback address
    by_tag = assignment("echo by tag", image=f"{WEB}:v1")
    assert (await run(runner, by_tag))[1] == "by tag\n"


async def test_a_tag_that_was_moved_is_looked_for_anew(
    site: Site, builder: ClusterImages, engine: EngineApi, runner: DockerRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build moves its tag: the next job runs what it made; with the controller away, what is here is run."""
    monkeypatch.setattr("draas.agent.runtimes.docker.seen_images.SEEN_S", 0.0)
    await site.runs("runner", f"{WEB}:latest")
    for word in ("first", "second"):
        archive = archive_with(Entry("word", word.encode()), tag=builder.local(f"{WEB}:{word}"))
        name = await load(engine, builder, word, archive)
        await engine.call("POST", f"images/{name}/tag", repo=builder.local(WEB), tag="latest")
        await push(engine, builder.local(f"{WEB}:latest"), lambda _: None, builder.login)
        wanted = assignment('while read -r line || [ -n "$line" ]; do echo $line; done < /word', image=WEB)
        assert (await run(runner, wanted))[1] == f"{word}\n"
    monkeypatch.setattr("draas.agent.images.upstream.Upstream.ask.__defaults__", (None, 0.2), raising=False)
    await site.stop()
    wanted = assignment('while read -r line || [ -n "$line" ]; do echo $line; done < /word', image=WEB)
    assert (await run(runner, wanted))[1] == "second\n"
    await site.start()


async def test_a_replica_is_pinned_to_a_digest_of_the_cluster(
    site: Site, builder: ClusterImages, engine: EngineApi, runner: DockerRuntime
) -> None:
    digest = await push(engine, await load(engine, builder, "v2"), lambda _: None, builder.login)
    await site.runs("runner", f"{WEB}:v2")
    pins: list[str] = []
    wanted = assignment("sleep 300", image=f"{WEB}:v2", service=a_service())
    await runner.prepare(wanted, lambda _: None, pins.append)
    assert set(pins) == {f"{WEB}@{digest}"}
    await runner.start(wanted)
    again = make_runtime_like(runner)  # an agent after this one
    assert [found.id for found in await again.found()] == [wanted.id]
    assert await again.start(wanted) > 0
    await again.stop(wanted.id, 0.0)
    await again.close()


def make_runtime_like(runtime: DockerRuntime) -> DockerRuntime:
    return DockerRuntime(owner="n-test", default_image="", url=runtime.api.address, cluster=runtime._cluster)


async def test_another_registrys_login_opens_it(
    site: Site, builder: ClusterImages, engine: EngineApi, docker_engine: PrivateEngine
) -> None:
    """To an engine that is given no registry of the controller's, this one is any registry with a password."""
    name = await load(engine, builder, "private")
    digest = await push(engine, name, lambda _: None, builder.login)
    await engine.call("DELETE", f"images/{name}", force=1)
    runtime = make_runtime(docker_engine)
    image = f"{builder.login.host}/p/web@{digest}"
    try:
        with pytest.raises(RuntimeFailure, match="the project's login") as caught:
            await runtime.prepare(assignment("true", image=image), lambda _: None)
        assert caught.value.cause is Cause.IMAGE
        other = replace(builder.login, host="elsewhere.example")
        with pytest.raises(RuntimeFailure):
            await runtime.prepare(assignment("true", image=image, logins=(other,)), lambda _: None)
        assert registry_of(image) == builder.login.host
        await runtime.prepare(assignment("true", image=image, logins=(other, builder.login)), lambda _: None)
    finally:
        await runtime.close()


async def test_an_engine_that_its_agent_cannot_serve_is_told_so(docker_engine: PrivateEngine) -> None:
    runtime = make_runtime(docker_engine)
    with pytest.raises(RuntimeFailure, match="run the agent where its engine is"):
        await runtime.prepare(assignment("true", image=f"{WEB}:v1"), lambda _: None)
    await runtime.close()


# --- what goes wrong ---


async def test_the_wrong_password_is_told_in_the_registrys_words(
    builder: ClusterImages, engine: EngineApi, site: Site
) -> None:
    name = await load(engine, builder, "v3")
    wrong = replace(builder.login, password="wrong" * 3)
    with pytest.raises(RuntimeFailure, match=r"could not be pushed to .*the registry said: .*") as caught:
        await push(engine, name, lambda _: None, wrong)
    assert caught.value.cause is Cause.IMAGE
    assert wrong.password not in caught.value.detail
    assert site.asked == []


async def test_what_a_node_may_not_read_is_told_in_the_clusters_names(site: Site, runner: DockerRuntime) -> None:
    with pytest.raises(RuntimeFailure) as caught:
        await runner.prepare(assignment("true", image="draas.internal/q/secret:v1"), lambda _: None)
    assert caught.value.cause is Cause.IMAGE
    assert "draas.internal/q/secret:v1" in caught.value.detail
    assert "127.0.0.1" not in caught.value.detail


async def test_an_image_with_a_wrong_digest_is_not_run(
    site: Site, builder: ClusterImages, engine: EngineApi, runner: DockerRuntime
) -> None:
    archive = large_archive(builder.local(f"{WEB}:bad"), 2 * MIB)
    digest = await push(engine, await load(engine, builder, "bad", archive), lambda _: None, builder.login)
    await site.runs("runner", f"{WEB}:bad")
    largest = max(site.folder.glob("blobs/sha256/*/*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.chmod(0o600)
    largest.write_bytes(content)
    with pytest.raises(RuntimeFailure) as caught:
        await runner.prepare(assignment("true", image=f"{WEB}@{digest}"), lambda _: None)
    assert caught.value.cause is Cause.IMAGE
    assert f"{WEB}@{digest}" in caught.value.detail
    assert digest_of(bytes(content)) != f"sha256:{largest.name}"


@pytest.mark.parametrize("method", ["PATCH", "GET"])
async def test_a_controller_that_is_restarted_in_the_middle(
    site: Site, builder: ClusterImages, engine: EngineApi, runner: DockerRuntime, method: str
) -> None:
    """Of a push, or of a pull: the engine tries again, and nothing is lost."""
    archive = large_archive(builder.local(f"{WEB}:large"), 24 * MIB)
    name = await load(engine, builder, "large", archive)
    await site.runs("runner", f"{WEB}:large")
    site.hold = Hold("PATCH") if method == "PATCH" else None
    pushing = asyncio.ensure_future(push(engine, name, lambda _: None, builder.login))
    if method == "PATCH":
        await restart_once_held(site)
    digest = await asyncio.wait_for(pushing, 60)
    site.hold = Hold("GET") if method == "GET" else None
    wanted = assignment("echo whole", image=f"{WEB}@{digest}")
    pulling = asyncio.ensure_future(runner.prepare(wanted, lambda _: None))
    if method == "GET":
        await restart_once_held(site)
    await asyncio.wait_for(pulling, 60)
    assert (await engine.call("GET", f"images/{name}/json"))["Size"] > 24 * MIB
    await runner.start(wanted)
    assert await runner.wait(wanted.id) is not None
    assert await read(runner, wanted.id) != []


async def restart_once_held(site: Site) -> None:
    assert site.hold is not None
    await asyncio.wait_for(site.hold.reached.wait(), 30)
    await site.stop()
    site.hold = None
    await site.start()
