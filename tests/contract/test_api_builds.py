"""Builds over HTTP: through the typed client and, where it matters, as raw requests."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from registry_client import RegistryClient, digest_of, registry

from draas.client.api import Client
from draas.model.build import Built
from draas.model.command import SubmitJobs
from draas.model.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from draas.model.job import JobId, JobSpec, RuntimeName
from draas.model.resources import GIB, MIB, Resources
from draas.server.services.secrets import open_secrets
from draas.testing.api import Served, make_node, put_key, serve_api

SOURCE = b"pretends to be a tar"
GIT = "https://example.org/shop.git#main"
SECRET = "s3cr3t-of-the-build-9f2c"  # noqa: S105 - to be searched for


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[RegistryClient]:
    async with registry(tmp_path / "registry") as opened:
        yield opened


@pytest.fixture
def served(images: RegistryClient) -> Served:
    return images.served


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with Client(served.settings(), patience_s=0) as opened:
        yield opened


@pytest.fixture
async def raw(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {served.secrets['admin']}"}
    async with aiohttp.ClientSession(served.url, headers=headers) as session:
        yield session


def submitted(served: Served) -> JobSpec:
    command = served.controller.commands[-1]
    assert isinstance(command, SubmitJobs)
    return command.specs[0]


def an_image(name: str = "default/shop") -> Built:
    return Built(
        image=f"draas.internal/{name}@sha256:{'1' * 64}",
        platform="linux/amd64",
        size_bytes=5 * MIB,
        kind="Python",
        dockerfile="FROM python\n",
        port=8000,
        pushed=("docker.io/me/shop:v1",),
    )


async def test_a_build_of_a_pushed_source(served: Served, images: RegistryClient, client: Client) -> None:
    digest = await images.push(SOURCE, "default/shop")
    build = await client.builds.create({"name": "shop", "source": digest, "tags": ["latest", "v1", "latest"]})
    assert build["id"].startswith("b-")
    assert (build["state"], build["repository"], build["source"]) == ("queued", "default/shop", {"digest": digest})
    assert (build["tags"], build["priority"], build["timeout_s"]) == (["latest", "v1"], 50, 1800)
    assert build["resources"] == {"cpu_cores": 1, "memory_mb": 1024, "gpus": 0}
    assert await client.builds.get(build["id"]) == build
    spec = submitted(served)
    assert (spec.runtime, spec.command, spec.retries) == (RuntimeName.BUILD, (), 0)
    assert spec.resources == Resources(cpu_millis=1000, memory_bytes=GIB)
    page = await client.builds.list(name="shop")
    assert (page["total"], page["next"]) == (1, None)
    assert page["items"] == [{name: value for name, value in build.items() if name != "attempts"}]


async def test_every_field_reaches_the_controller(served: Served, client: Client) -> None:
    body = {
        "name": "shop-2",
        "git": "git@example.org:team/shop.git#v1.0",
        "tags": ["v1"],
        "folder": "./web/",
        "dockerfile": "docker/Dockerfile.prod",
        "target": "run",
        "args": {"VERSION": "1 ü"},
        "secrets": {"npm": SECRET, "empty": ""},
        "platform": "linux/arm64",
        "resources": {"cpu_cores": 2, "memory_mb": 512},
        "priority": 10,
        "timeout_s": 60,
        "disk_mb": 2048,
        "retries": 1,
        "constraints": ["node.labels.disk == ssd"],
        "node": "alpha",
        "cache": False,
        "labels": {"team": "x"},
    }
    build = await client.builds.create(body, project="research")
    command = served.controller.commands[-1]
    assert isinstance(command, SubmitJobs)
    spec = command.specs[0]
    made = spec.build
    assert made is not None
    assert (made.repository, made.git, made.source) == ("research/shop-2", "git@example.org:team/shop.git#v1.0", None)
    assert (made.folder, made.dockerfile, made.target) == ("web", "docker/Dockerfile.prod", "run")
    assert (made.args, made.platform, made.cache) == ({"VERSION": "1 ü"}, "linux/arm64", False)
    assert (made.disk_bytes, spec.timeout_s, spec.retries, spec.priority) == (2 * GIB, 60, 1, 10)
    assert spec.constraints == ("node.labels.disk == ssd", "node.name == alpha", "node.arch == arm64")
    job = await served.controller.job(JobId(build["id"]))
    assert open_secrets(job, served.controller.sealer) == {"npm": SECRET, "empty": ""}
    assert SECRET not in repr(job)
    assert SECRET not in str(build)
    assert (build["secrets"], build["project"], build["dockerfile_path"]) == (
        ["empty", "npm"],
        "research",
        "docker/Dockerfile.prod",
    )


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ({}, "name", "is required"),
        ({"name": "Shop", "git": GIT}, "name", "lower-case"),
        ({"name": "a_b", "git": GIT}, "name", "lower-case"),
        ({"name": "shop"}, "source", "is required"),
        ({"name": "shop", "git": GIT, "source": f"sha256:{'0' * 64}"}, "git", "give one of them"),
        ({"name": "shop", "source": f"sha256:{'0' * 64}"}, "source", "is not there"),
        ({"name": "shop", "source": "sha512:00"}, "source", "sha256:"),
        ({"name": "shop", "git": "file:///etc"}, "git", "https:// or ssh://"),
        ({"name": "shop", "git": "ext::sh -c id"}, "git", "https:// or ssh://"),
        ({"name": "shop", "git": "http://example.org/shop.git"}, "git", "https:// or ssh://"),
        ({"name": "shop", "git": "git://example.org/shop.git"}, "git", "https:// or ssh://"),
        ({"name": "shop", "git": "--upload-pack=id"}, "git", "https:// or ssh://"),
        ({"name": "shop", "git": "ssh://-oProxyCommand=id/x"}, "git", "https:// or ssh://"),
        ({"name": "shop", "git": "git@-oProxyCommand=id:x"}, "git", "https:// or ssh://"),
        ({"name": "shop", "git": "https://example.org/a\nb"}, "git", "https:// or ssh://"),
        ({"name": "shop", "git": "https://example.org/../a"}, "git", "https:// or ssh://"),
        ({"name": "shop", "git": "https://me:pass@example.org/a"}, "git", "password"),
        ({"name": "shop", "git": "https://ghp_token@example.org/a"}, "git", "password or token"),
        ({"name": "shop", "git": "https://example.org/a#--force"}, "git", "after the #"),
        ({"name": "shop", "git": "https://example.org/a#"}, "git", "after the #"),
        ({"name": "shop", "git": GIT, "folder": "../x"}, "folder", ".."),
        ({"name": "shop", "git": GIT, "folder": "a/../../x"}, "folder", ".."),
        ({"name": "shop", "git": GIT, "folder": "/etc"}, "folder", "inside the source"),
        ({"name": "shop", "git": GIT, "folder": "C:\\x"}, "folder", "inside the source"),
        ({"name": "shop", "git": GIT, "folder": "a\x00b"}, "folder", "control characters"),
        ({"name": "shop", "git": GIT, "dockerfile": "..", "target": "-x"}, "dockerfile", ".."),
        ({"name": "shop", "git": GIT, "dockerfile": "-"}, "dockerfile", "begin with -"),
        ({"name": "shop", "git": GIT, "target": "-x"}, "target", "starting with a letter"),
        ({"name": "shop", "git": GIT, "tags": [".x"]}, "tags[0]", "is no tag"),
        ({"name": "shop", "git": GIT, "args": {"a b": "x"}}, "args['a b']", "environment variable"),
        ({"name": "shop", "git": GIT, "secrets": {"a=b": "x"}}, "secrets['a=b']", "starting with a letter"),
        ({"name": "shop", "git": GIT, "secrets": {"a": 1}}, "secrets.a", "must be text"),
        ({"name": "shop", "git": GIT, "platform": "arm64"}, "platform", "linux/arm64"),
        ({"name": "shop", "git": GIT, "platform": "windows/amd64"}, "platform", "linux/arm64"),
        ({"name": "shop", "git": GIT, "retries": 9}, "retries", "at most 3"),
        ({"name": "shop", "git": GIT, "disk_mb": 1}, "disk_mb", "at least 100"),
        ({"name": "shop", "git": GIT, "constraints": ["node.arc == x"]}, "constraints[0]", "did you mean"),
        ({"name": "shop", "git": GIT, "sources": "x"}, "sources", "did you mean source?"),
    ],
    ids=str,
)
async def test_what_is_no_build(client: Client, served: Served, body: dict, path: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        await client.builds.create(body)
    assert [fault.message for fault in caught.value.faults if fault.path == path and words in fault.message], (
        caught.value.faults
    )
    assert served.controller.commands == []


async def test_a_project_that_no_image_can_be_named_by(client: Client) -> None:
    with pytest.raises(Invalid, match="lower-case"):
        await client.builds.create({"name": "shop", "git": GIT}, project="Research")


async def test_a_source_of_another_repository_is_not_there(images: RegistryClient, client: Client) -> None:
    digest = await images.push(SOURCE, "default/other")
    with pytest.raises(Invalid, match="push sha256:"):
        await client.builds.create({"name": "shop", "source": digest})


async def test_jobs_and_builds_are_kept_apart(client: Client) -> None:
    job = await client.submit({"command": "true"})
    build = await client.builds.create({"name": "shop", "git": GIT})
    assert [one["id"] for one in (await client.jobs())["items"]] == [job["id"]]
    assert [one["id"] for one in (await client.builds.list())["items"]] == [build["id"]]
    for call in (client.job, client.cancel, client.retry, client.delete, client.explain):
        with pytest.raises(NotFound, match=f"is a build: see /api/builds/{build['id']}"):
            await call(build["id"])
    builds = client.builds
    for call in (builds.get, builds.cancel, builds.retry, builds.delete, builds.explain):
        with pytest.raises(NotFound, match=f"is a job: see /api/jobs/{job['id']}"):
            await call(job["id"])
        with pytest.raises(NotFound, match="there is no build 'b-none'"):
            await call("b-none")
    with pytest.raises(NotFound, match="is a build"):
        _ = [piece async for piece in client.logs(build["id"])]
    with pytest.raises(NotFound, match="is a job"):
        _ = [piece async for piece in builds.logs(job["id"])]


async def test_the_life_of_a_build(served: Served, client: Client) -> None:
    build = await client.builds.create({"name": "shop", "git": GIT})
    following = asyncio.ensure_future(_followed(client, build["id"]))
    await served.controller.put_node(make_node("alpha"))
    attempt = await served.controller.start(JobId(build["id"]), make_node("alpha"))
    await served.controller.logs.write(attempt, b"step 1\nstep 2\n")
    assert (await client.builds.get(build["id"]))["state"] == "running"
    assert (await client.builds.explain(build["id"]))["state"] == "running"
    waiting = asyncio.ensure_future(client.builds.wait(build["id"], 30))
    await served.controller.finish(JobId(build["id"]), built=an_image())
    ended = await waiting
    assert (ended["state"], ended["image"], ended["node"]) == ("succeeded", an_image().image, "alpha")
    assert (ended["kind"], ended["dockerfile"], ended["port"]) == ("Python", "FROM python\n", 8000)
    assert (ended["platform"], ended["size_bytes"], ended["pushed"]) == (
        "linux/amd64",
        5 * MIB,
        ["docker.io/me/shop:v1"],
    )
    assert await following == ["step 1", "step 2"]
    assert b"".join([piece async for piece in client.builds.logs(build["id"], grep="2")]) == b"step 2\n"
    kinds = [one.event.kind for one in await served.controller.events(0, 100)]
    assert [kind for kind in kinds if kind.startswith("build.")] == [
        "build.queued",
        "build.running",
        "build.succeeded",
    ]
    again = await client.builds.retry(build["id"])
    assert (again["state"], again["image"]) == ("queued", None)
    assert (await client.builds.cancel(build["id"]))["state"] == "cancelled"
    await client.builds.delete(build["id"])
    with pytest.raises(NotFound):
        await client.builds.get(build["id"])


async def _followed(client: Client, id: str) -> list[str]:
    return [seen.line["text"] async for seen in client.builds.follow(id) if seen.line is not None]


async def test_the_source_of_a_live_build_stays(images: RegistryClient, client: Client) -> None:
    digest = await images.push(SOURCE, "default/shop")
    build = await client.builds.create({"name": "shop", "source": digest})
    refused = await images.ask("DELETE", f"/v2/default/shop/blobs/{digest}")
    assert (refused.status, refused.code) == (409, "DENIED")
    assert "has not ended" in refused.message
    await client.builds.cancel(build["id"])
    assert (await images.ask("DELETE", f"/v2/default/shop/blobs/{digest}")).status == 202
    with pytest.raises(Conflict, match="upload it again"):
        await client.builds.retry(build["id"])


async def test_a_repeated_key_makes_one_build(client: Client) -> None:
    body = {"name": "shop", "git": GIT, "secrets": {"npm": SECRET}}
    first = await client.builds.create(body, idempotency_key="k")
    assert await client.builds.create(body, idempotency_key="k") == first
    assert (await client.builds.list())["total"] == 1
    with pytest.raises(Conflict, match="Idempotency-Key"):
        await client.builds.create({**body, "name": "other"}, idempotency_key="k")


async def test_a_key_of_a_project_builds_there_and_sees_that_alone(served: Served, client: Client) -> None:
    theirs = await client.builds.create({"name": "shop", "git": GIT}, project="blue")
    secret = await put_key(served.controller, "deployer", project="red")
    headers = {"Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(served.url, headers=headers) as red:
        async with red.post("/api/builds", json={"name": "shop", "git": GIT}) as answer:
            mine = await answer.json()
            assert (answer.status, mine["repository"]) == (201, "red/shop")
        async with red.post("/api/builds?project=blue", json={"name": "shop", "git": GIT}) as answer:
            assert answer.status == 403
        async with red.get("/api/builds") as answer:
            assert [one["id"] for one in (await answer.json())["items"]] == [mine["id"]]
        for path in ("", "/logs", "/explain"):
            async with red.get(f"/api/builds/{theirs['id']}{path}") as answer:
                assert (answer.status, (await answer.json())["detail"]) == (
                    404,
                    f"there is no build {theirs['id']!r}",
                )
    viewer = served.settings("viewer")
    async with Client(viewer, patience_s=0) as watching:
        with pytest.raises(Forbidden):
            await watching.builds.create({"name": "shop", "git": GIT})


async def test_without_a_registry_no_source_can_be_there() -> None:
    async with serve_api() as alone, Client(alone.settings(), patience_s=0) as client:
        assert (await client.builds.create({"name": "shop", "git": GIT}))["state"] == "queued"
        with pytest.raises(Unavailable, match="keeps no images"):
            await client.builds.create({"name": "shop", "source": digest_of(SOURCE)})
