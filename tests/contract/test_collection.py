"""Collecting in the real files: beside pushes, after SIGKILL at every step, and as the API tells of it."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from cli_world import environment
from click.testing import CliRunner
from collection_world import DAY, World, age, blobs_in, check_sound, size_of
from registry_client import OCI, OCI_INDEX, RegistryClient, digest_of, image_manifest, registry

from draas.cli.main import main
from draas.client.api import Client
from draas.model.app import App, AppId
from draas.model.app_spec import AppSpec
from draas.model.bucket import Bucket
from draas.model.errors import Conflict, Forbidden, NotFound
from draas.model.job import DEFAULT_PROJECT
from draas.model.node import Image
from draas.model.plan import Plan
from draas.model.release import Release, ReleaseState
from draas.server.registry.images import Images
from draas.server.services.images import ImageCare
from draas.testing.api import make_node, put_key
from draas.testing.s3_server import BUCKET, S3Server


class Shop(RegistryClient):
    """A registry with a collection; what is in use is put into `world.cluster`."""

    world: World
    content: Path  # the folder that has blobs/: the registry's, or the bucket's

    async def image(self, *layers: bytes, tag: str = "", repository: str = "p/web") -> str:
        """Push an image of these layers; its digest. Without a tag nothing names it."""
        manifest = image_manifest(
            await self.push(b"{}", repository), *[await self.push(one, repository) for one in layers]
        )
        return await self.put_manifest(manifest, OCI, tag, repository)

    async def put_manifest(self, manifest: bytes, kind: str, tag: str = "", repository: str = "p/web") -> str:
        name = tag or digest_of(manifest)
        told = await self.ask("PUT", f"/v2/{repository}/manifests/{name}", manifest, Content_Type=kind)
        assert told.status == 201, told.body
        return told.headers["Docker-Content-Digest"]

    async def index(self, *digests: str, tag: str = "") -> str:
        listed = [{"mediaType": OCI, "digest": one, "size": 1} for one in digests]
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
        return await self.put_manifest(json.dumps(document).encode(), OCI_INDEX, tag)

    async def status(self, name: str, repository: str = "p/web") -> int:
        return (await self.ask("HEAD", f"/v2/{repository}/manifests/{name}")).status


@pytest.fixture
async def shop(tmp_path: Path, bucket: Bucket | None, s3: S3Server) -> AsyncIterator[Shop]:
    folder = tmp_path / "registry"
    worlds: list[World] = []

    def care(images: Images) -> ImageCare:
        worlds.append(World(images, folder))
        return worlds[0].care

    async with registry(folder, care, bucket=bucket) as client:
        shop = Shop(client.served, client._session, client.images, folder)
        shop.world = worlds[0]
        shop.content = content_of(folder, bucket, s3)
        yield shop


def content_of(folder: Path, bucket: Bucket | None, s3: S3Server) -> Path:
    return folder if bucket is None else s3.folder / BUCKET / bucket.prefix


# --- what goes and what stays ---


async def test_what_nothing_names_goes_with_its_bytes_and_can_be_pushed_again(shop: Shop) -> None:
    gone, kept = await shop.image(b"old", b"base"), await shop.image(b"new", b"base", tag="v1")
    assert (await shop.world.care.collect(is_urgent=False)).removed == []  # a push may still be under way
    age(shop.folder, 2 * DAY)
    before = size_of(shop.folder, shop.content)
    done = await shop.world.care.collect(is_urgent=False)
    after = size_of(shop.folder, shop.content)
    assert done.freed_bytes == before - after
    assert (await shop.status(gone), await shop.status(kept), await shop.status("v1")) == (404, 200, 200)
    assert len(blobs_in(shop.content)) == 3
    check_sound(shop.folder, shop.content)
    assert [event.kind for event in shop.world.events] == ["images.collected"]
    assert await shop.image(b"old", b"base") == gone
    assert await shop.status(gone) == 200


async def test_what_is_in_use_stays_by_tag_by_digest_and_through_an_index(shop: Shop) -> None:
    used = [await shop.image(b"one"), await shop.image(b"two"), await shop.image(b"three")]
    unused = await shop.image(b"four")
    index = await shop.index(used[1])
    by_tag = await shop.image(b"five", tag="j-" + "0" * 20)
    names = [f"@{used[0]}", f"@{index}", f":j-{'0' * 20}"]
    shop.world.use(*(f"draas.internal/p/web{name}" for name in names))
    age(shop.folder, 90 * DAY)
    await shop.world.care.collect(is_urgent=True)
    assert [await shop.status(one) for one in (*used, index, by_tag, unused)] == [200, 200, 404, 200, 200, 404]
    check_sound(shop.folder, shop.content)


async def test_a_tag_that_moves_leaves_its_image_a_day(shop: Shop) -> None:
    first = await shop.image(b"one", tag="latest")
    age(shop.folder, 30 * DAY)
    await shop.image(b"two", tag="latest")
    age(shop.folder, DAY / 2)
    await shop.world.care.collect(is_urgent=False)
    assert await shop.status(first) == 200
    age(shop.folder, DAY / 2)
    await shop.world.care.collect(is_urgent=False)
    assert await shop.status(first) == 404


async def test_an_upload_that_nobody_goes_on_with_is_dropped_and_another_is_not(shop: Shop) -> None:
    left, going = await shop.begin(), await shop.begin()
    await shop.ask("PATCH", left, b"part")
    age(shop.folder, 2 * DAY)
    assert (await shop.ask("PATCH", going, b"part")).status == 202
    done = await shop.world.care.collect(is_urgent=False)
    assert [(one.upload, one.size_bytes) for one in done.removed] == [(left.rsplit("/", 1)[1], 4)]
    assert [(await shop.ask("GET", one)).status for one in (left, going)] == [404, 204]


# --- beside pushes ---


async def test_a_blob_that_a_push_found_here_is_not_taken_from_under_it(shop: Shop) -> None:
    """As docker does: look whether the layer is there, send the rest, then the manifest that refers to it."""
    await shop.image(b"layer")
    age(shop.folder, 90 * DAY)
    plan = await shop.world.care.plan(is_urgent=True)
    assert len(plan) == 5
    layer, config = [await shop.push(content, "p/other") for content in (b"layer", b"{}")]
    assert [(await shop.ask("HEAD", f"/v2/p/web/blobs/{one}")).status for one in (layer, config)] == [200, 200]
    done = await shop.world.care.collect(is_urgent=True)
    assert [one.kind.value for one in done.removed] == ["image"]
    await shop.put_manifest(image_manifest(config, layer), OCI, "v1")
    check_sound(shop.folder, shop.content)


async def test_what_became_fresh_after_it_was_looked_at_stays(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the plan and each deletion: pushed again, named, mounted, written."""
    again, named = await shop.image(b"again"), await shop.image(b"named")
    mounted, upload = await shop.push(b"mounted"), await shop.begin()
    age(shop.folder, 90 * DAY)
    plan = await shop.world.care.plan(is_urgent=True)
    assert await shop.image(b"again") == again
    content = (await shop.ask("GET", f"/v2/p/web/manifests/{named}")).body
    assert await shop.put_manifest(content, OCI, "v9") == named
    mount = f"/v2/p/api/blobs/uploads/?mount={mounted}&from=p/web"
    assert (await shop.ask("POST", mount)).status == 201
    assert (await shop.ask("PATCH", upload, b"more")).status == 202

    async def planned(*, is_urgent: bool):
        return plan

    monkeypatch.setattr(shop.world.care, "plan", planned)
    done = await shop.world.care.collect(is_urgent=True)
    assert done.removed == [], "all of it became fresh"
    assert len(done.kept) == len(plan) >= 6
    assert [await shop.status(one) for one in (again, named, "v9")] == [200, 200, 200]
    assert (await shop.ask("GET", f"/v2/p/api/blobs/{mounted}")).body == b"mounted"
    check_sound(shop.folder, shop.content)


async def test_what_came_into_use_after_it_was_looked_at_stays(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = await shop.image(b"layer")
    index = await shop.index(digest)
    age(shop.folder, 90 * DAY)
    plan = await shop.world.care.plan(is_urgent=True)

    async def planned(*, is_urgent: bool):
        shop.world.use(f"draas.internal/p/web@{index}")
        return plan

    monkeypatch.setattr(shop.world.care, "plan", planned)
    assert (await shop.world.care.collect(is_urgent=True)).removed == []
    assert await shop.status(digest) == 200
    check_sound(shop.folder, shop.content)


async def test_pushes_and_collections_at_the_same_time(shop: Shop) -> None:
    """Layers are shared and old; images are pushed as docker does while collections take what is old: no push is refused."""
    layers = [f"layer {number}".encode() for number in range(6)]
    removed = 0

    async def found_or_sent(content: bytes, repository: str) -> str:
        if (await shop.ask("HEAD", f"/v2/{repository}/blobs/{digest_of(content)}")).status == 200:
            return digest_of(content)
        return await shop.push(content, repository)

    async def push(number: int, turn: int) -> None:
        repository, own = f"p/r{number % 3}", f"own {number} {turn % 2}".encode()
        parts = [await found_or_sent(one, repository) for one in (b"{}", own, *layers[(number + turn) % 6 :][:2])]
        await shop.put_manifest(image_manifest(*parts), OCI, "", repository)

    async def collect(pushing: asyncio.Future[list[None]]) -> int:
        count = 0
        while not pushing.done():
            count += len((await shop.world.care.collect(is_urgent=True)).removed)
        return count

    for turn in range(8):
        pushing = asyncio.gather(*(push(number, turn) for number in range(6)))
        removed += await collect(pushing)
        await pushing
        assert check_sound(shop.folder, shop.content) >= 6
        age(shop.folder, 90 * DAY)
    assert removed > 20


# --- SIGKILL ---


async def test_a_collection_that_dies_at_any_step_leaves_a_sound_registry(
    shop: Shop, tmp_path: Path, bucket: Bucket | None, s3: S3Server
) -> None:
    single, other = await shop.image(b"single"), await shop.image(b"other", b"base")
    await shop.index(single, other)
    kept = await shop.image(b"kept", b"base", tag="v1")
    await shop.push(b"a source")
    await shop.ask("PATCH", await shop.begin(), b"part")
    age(shop.folder, 90 * DAY)
    ends, step, died = set[tuple[str, ...]](), 2, True
    while died:
        copy = tmp_path / f"step-{step}"
        shutil.copytree(shop.folder, copy)
        copied = None
        if bucket is not None:
            copied = Bucket(name=bucket.name, prefix=f"{bucket.prefix}-{step}")
            await s3.copy(bucket.prefix, copied.prefix)
        content = content_of(copy, copied, s3)
        script = [sys.executable, str(Path(__file__).with_name("collection_world.py")), str(copy), str(step)]
        script += [copied.url] if copied is not None else []
        process = await asyncio.create_subprocess_exec(*script, stderr=subprocess.PIPE)
        _, error = await process.communicate()
        died = process.returncode == -signal.SIGKILL
        assert died or process.returncode == 0, error.decode()
        check_sound(copy, content)
        async with registry(copy, bucket=copied) as client:
            await World(client.images, copy).care.collect(is_urgent=True)
            assert (await client.ask("HEAD", f"/v2/p/web/manifests/{kept}")).status == 200
            assert check_sound(copy, content) == 1
            ends.add((*client.files(), *sorted(blobs_in(content))))
            again = Shop(client.served, client._session, client.images, copy)
            assert await again.image(b"single") == single
        step += 1 if bucket is None else 3  # before one and after another in turn; what differs are the bytes alone
    assert step > 20, "it was to die many times"
    assert len(ends) == 1, "whenever it died, the next one came to the same end"


# --- the API and the client ---


async def test_the_api_lists_plans_prunes_and_removes(shop: Shop) -> None:
    used, old = await shop.image(b"used", tag="v1"), await shop.image(b"old", b"older")
    app_image = f"draas.internal/p/web@{used}"
    spec = AppSpec(image=app_image)
    release = Release(number=3, spec=spec, state=ReleaseState.LIVE, created_at=1.0, image=app_image)
    app = App(
        id=AppId("p-1"), name="shop", project=DEFAULT_PROJECT, created_at=1.0, spec=spec, wanted=1, releases=(release,)
    )
    shop.world.cluster.apply(Plan(apps=(app,)))
    age(shop.folder, 2 * DAY)
    async with Client(shop.served.settings()) as client:
        listed = (await client.images())["items"]
        assert {one["digest"]: (one["tags"], one["used_by"]) for one in listed} == {
            used: (["v1"], ["app shop, release 3"]),
            old: ([], []),
        }
        (planned,) = (await client.plan_prune())["items"]
        assert (planned["kind"], planned["node"], planned["name"]) == ("image", None, f"p/web@{old}")
        assert "nothing uses it" in planned["reason"]
        assert await shop.status(old) == 200
        with pytest.raises(Conflict, match="app shop, release 3"):
            await client.remove_image("p/web@" + used)
        assert (await client.prune_images())["items"] == [planned]
        assert (await client.plan_prune())["items"] == []
        await client.remove_image("p/web:v1")  # the app has it by its digest
        assert [await shop.status(one) for one in (old, used, "v1")] == [404, 200, 404]
        with pytest.raises(NotFound, match="p/web:v1"):
            await client.remove_image("p/web:v1")


async def test_a_removed_image_frees_its_bytes_with_the_next_collection(shop: Shop) -> None:
    await shop.image(b"one", tag="v1")
    await shop.image(b"two", tag="v2")
    age(shop.folder, 2 * DAY)
    async with Client(shop.served.settings()) as client:
        await client.remove_image("p/web:v1")
    done = await shop.world.care.collect(is_urgent=False)
    assert [one.kind.value for one in done.removed] == ["content"]
    assert check_sound(shop.folder, shop.content) == 1


async def test_a_key_of_one_project_sees_and_removes_its_own(shop: Shop) -> None:
    await shop.image(b"own", tag="v1", repository="mine/web")
    await shop.image(b"other", tag="v1")
    secret = await put_key(shop.served.controller, "admin", project="mine")
    async with Client(replace(shop.served.settings(), key=secret)) as client:
        assert [one["repository"] for one in (await client.images())["items"]] == ["mine/web"]
        for refused in (client.images("p/web"), client.remove_image("p/web:v1"), client.prune_images()):
            with pytest.raises(Forbidden, match="mine"):
                await refused
        await client.remove_image("mine/web:v1")
        assert (await client.images())["items"] == []


async def test_the_command_line(shop: Shop, tmp_path: Path) -> None:
    await shop.image(b"named", tag="v1")
    old = await shop.image(b"old")
    age(shop.folder, 2 * DAY)
    node = make_node()
    image = Image(id="sha256:1", tags=("nginx:1",), size_bytes=5_000_000, ours=True)
    shop.world.cluster.apply(Plan(nodes=(replace(node, facts=replace(node.facts, images=(image,))),)))
    runner = CliRunner(env=environment(shop.served, tmp_path))

    async def draas(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(runner.invoke, main, ["images", *words])
        return done.exit_code, done.output

    code, listed = await draas()
    assert code == 0
    assert listed.split()[:7] == ["REPOSITORY", "TAGS", "DIGEST", "SIZE", "AGE", "USED", "BY"]
    assert "v1" in listed
    assert old[:19] in listed
    code, shown = await draas("show", "p/web")
    assert (code, f"p/web@{old}" in shown, "used by" in shown) == (0, True, True)
    code, plan = await draas("prune", "--dry-run")
    lines = plan.splitlines()
    assert lines[1].split()[:3] == ["controller", "image", f"p/web@{old}"]
    assert lines[2].split()[:3] == ["node-a", "image", "nginx:1"]
    assert "the node removes it" in lines[2]
    assert lines[-1].endswith("would be freed on the controller")
    assert await shop.status(old) == 200
    told = json.loads((await draas("prune", "--json"))[1].splitlines()[-1])  # before it, this process's own log
    assert [one["name"] for one in told["items"]] == [f"p/web@{old}"]
    assert await shop.status(old) == 404
    assert (await draas("prune"))[1] == "Nothing to remove on the controller.\n"
    assert await draas("rm", "p/web:v1") == (0, "p/web:v1 removed\n")
    code, told_twice = await draas("rm", "p/web:v1")
    assert (code, "there is no image p/web:v1" in told_twice) == (1, True)
    assert "No images yet" in (await draas())[1]
    assert (await draas("show", "p/web"))[0] == 1
