"""Blobs in a bucket of a real server of S3: what lies where, what goes wrong on the way, and what a controller says at its start."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from collection_world import DAY, World, age
from image_stores import images_in
from registry_client import LARGE, OCI, RegistryClient, basic, digest_of, image_manifest, registry
from skopeo_program import docker_archive, skopeo

from draas.model.bucket import Bucket
from draas.model.errors import Invalid
from draas.model.image_name import Digest, Repository
from draas.store.blob_bucket import PART_BYTES
from draas.store.store import StoreFailure
from draas.testing.s3_server import BUCKET, S3Relay, S3Server, s3_relay, s3_server
from draas.testing.waiting import until

PARTS = os.urandom(2 * PART_BYTES + 7)  # too large for one part
ADMIN = "admin-key-of-this-test-0123456789"


@pytest.fixture
def place(tmp_path: Path) -> Bucket:
    return Bucket(name=BUCKET, prefix=tmp_path.name)


@pytest.fixture
async def client(tmp_path: Path, place: Bucket, relay: S3Relay) -> AsyncIterator[RegistryClient]:
    async with registry(tmp_path / "registry", bucket=place) as started:
        yield started


def path_of(digest: str) -> str:
    name = digest.removeprefix("sha256:")
    return f"blobs/sha256/{name[:2]}/{name}"


async def sent(client: RegistryClient, content: bytes) -> str:
    """The location of an upload that has all of `content`."""
    location = await client.begin()
    assert (await client.ask("PATCH", location, content)).status == 202
    return location


# --- what lies where ---


async def test_a_blob_is_an_object_and_the_data_folder_holds_no_content(
    client: RegistryClient, s3: S3Server, place: Bucket, relay: S3Relay
) -> None:
    digest = await client.push(PARTS)
    assert s3.objects(place.prefix)[path_of(digest)] == PARTS
    assert [asked for asked in relay.asked if "uploadId" in asked or asked.startswith("POST")], "in parts"
    assert sum(path.stat().st_size for path in client.folder.rglob("*") if path.name != "bucket.json") < 100_000
    told = await client.ask("GET", f"/v2/p/web/blobs/{digest}", Range=f"bytes=3-{PART_BYTES + 9}")
    assert (told.status, told.body) == (206, PARTS[3 : PART_BYTES + 10])
    asked = len(relay.asked)
    assert await client.push(PARTS, "q/web") == digest
    assert not [one for one in relay.asked[asked:] if one.startswith(("PUT", "POST"))], (
        "what is there is not sent again"
    )


async def test_an_object_that_somebody_deleted_is_missed_and_can_be_pushed_again(
    client: RegistryClient, s3: S3Server, place: Bucket
) -> None:
    digest = await client.push(b"layer")
    manifest = image_manifest(digest)
    await s3.delete(f"{place.prefix}/{path_of(digest)}")
    assert (await client.ask("HEAD", f"/v2/p/web/blobs/{digest}")).status == 404
    told = await client.ask("PUT", "/v2/p/web/manifests/v1", manifest, Content_Type=OCI)
    assert (told.status, told.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert await client.push(b"layer") == digest
    assert (await client.ask("PUT", "/v2/p/web/manifests/v1", manifest, Content_Type=OCI)).status == 201


async def test_blobs_that_were_files_move_into_the_bucket(
    tmp_path: Path, place: Bucket, s3: S3Server, relay: S3Relay
) -> None:
    folder = tmp_path / "registry"
    async with registry(folder) as client:
        digests = [await client.push(content) for content in (LARGE, b"small", b"")]
    relay.status = 503
    with pytest.raises(StoreFailure, match="cannot be reached or used now"):
        async with registry(folder, bucket=place):
            pass
    relay.status = None
    async with registry(folder, bucket=place) as client:
        for digest, content in zip(digests, (LARGE, b"small", b""), strict=True):
            assert (await client.ask("GET", f"/v2/p/web/blobs/{digest}")).body == content
    assert not [path for path in (folder / "blobs").rglob("*") if path.is_file()]
    assert {path_of(digest) for digest in digests} < s3.objects(place.prefix).keys()
    with pytest.raises(Invalid, match=f"set DRAAS_BLOBS={place.url}"):  # the other way somebody has to copy them
        async with registry(folder):
            pass


async def test_a_bucket_has_one_controller_and_a_controller_one_bucket(
    tmp_path: Path, place: Bucket, s3: S3Server, relay: S3Relay
) -> None:
    async with registry(tmp_path / "registry", bucket=place) as client:
        digest = await client.push(b"layer")
    with pytest.raises(Invalid, match=r"another controller.*its own prefix"):
        async with registry(tmp_path / "another", bucket=place):
            pass
    moved = Bucket(name=BUCKET, prefix=f"{place.prefix}/moved")
    with pytest.raises(Invalid, match="copy all of it"):
        async with registry(tmp_path / "registry", bucket=moved):
            pass
    await s3.copy(place.prefix, moved.prefix)
    async with registry(tmp_path / "registry", bucket=moved) as client:
        assert (await client.ask("GET", f"/v2/p/web/blobs/{digest}")).body == b"layer"


# --- faults ---


async def test_while_the_bucket_is_away_all_is_503_and_nothing_is_lost(client: RegistryClient, relay: S3Relay) -> None:
    digest, location = await client.push(LARGE), await sent(client, PARTS)
    await relay.stop()
    for method, path in [
        ("HEAD", f"/v2/p/web/blobs/{digest}"),
        ("GET", f"/v2/p/web/blobs/{digest}"),
        ("PUT", f"{location}?digest={digest_of(PARTS)}"),
    ]:
        told = await client.ask(method, path)
        assert (told.status, told.headers["Retry-After"]) == (503, "1"), path
        assert method == "HEAD" or (told.code == "UNAVAILABLE" and "cannot be reached" in told.message)
    with pytest.raises(StoreFailure, match="cannot be reached"):
        await World(client.images, client.folder).care.collect(is_urgent=True)
    assert (await client.ask("GET", "/v2/p/web/tags/list")).status == 404  # what needs no blob goes on
    await relay.start()
    assert (await client.ask("PUT", f"{location}?digest={digest_of(PARTS)}")).status == 201
    for content in (LARGE, PARTS):
        assert (await client.ask("GET", f"/v2/p/web/blobs/{digest_of(content)}")).body == content


async def test_a_server_that_dies_while_a_blob_is_sent_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(tmp_path / "s3") as server:
        async with s3_relay(server) as relay:
            for name, value in relay.environ.items():
                monkeypatch.setenv(name, value)

            async def die(method: str, path: str) -> None:
                if method == "PUT" and "/blobs/" in path:
                    server.kill()

            async with registry(tmp_path / "registry", bucket=Bucket(name=BUCKET)) as client:
                location = await sent(client, PARTS)
                relay.after = die
                told = await client.ask("PUT", f"{location}?digest={digest_of(PARTS)}")
                assert (told.status, told.code) == (503, "UNAVAILABLE")
                relay.after = None
                server.start()
                assert not [path for path in server.objects("") if path.startswith("blobs/") and "temp" not in path]
                assert (await client.ask("PUT", f"{location}?digest={digest_of(PARTS)}")).status == 201
                assert server.objects("")[path_of(digest_of(PARTS))] == PARTS


async def test_a_slow_server_holds_up_nobody_else(client: RegistryClient, relay: S3Relay) -> None:
    """Pushes wait for it, and what needs no bucket does not; a client that goes away meanwhile changes nothing."""
    go_on, waiting = asyncio.Event(), asyncio.Event()

    async def hold(method: str, path: str) -> None:
        if method in ("PUT", "POST") and "/blobs/" in path:
            waiting.set()
            await go_on.wait()

    locations = [await sent(client, b"%d" % number) for number in range(10)]
    relay.before = hold
    finishing = [
        asyncio.ensure_future(client.ask("PUT", f"{location}?digest={digest_of(b'%d' % number)}"))
        for number, location in enumerate(locations)
    ]
    await waiting.wait()
    assert await sent(client, LARGE)
    finishing[0].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await finishing[0]
    go_on.set()
    assert {told.status for told in await asyncio.gather(*finishing[1:])} == {201}

    async def there(number: int) -> int:
        return (await client.ask("HEAD", f"/v2/p/web/blobs/{digest_of(b'%d' % number)}")).status

    await until(lambda: there(0), lambda status: status == 200, "what was begun is finished")


async def test_credentials_that_are_refused_later(
    client: RegistryClient, tmp_path: Path, place: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await client.push(b"layer")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    blobs = images_in(client.folder, place).blobs
    with pytest.raises(StoreFailure, match=r"refuses these credentials.*AWS_SECRET_ACCESS_KEY") as told:
        await blobs.size(Repository("p/web"), Digest(digest))
    assert "another" not in told.value.detail
    await blobs.close()


async def test_what_a_crash_between_object_and_link_left_is_collected(
    client: RegistryClient, s3: S3Server, place: Bucket
) -> None:
    digest = await client.push(b"layer")
    (client.folder / "repositories" / "p" / "web" / "_blobs" / digest.removeprefix("sha256:")).unlink()
    care = World(client.images, client.folder).care
    assert (await care.collect(is_urgent=True)).removed == []  # its push may still be under way
    age(client.folder, DAY)
    assert (await care.collect(is_urgent=True)).freed_bytes == 5
    assert path_of(digest) not in s3.objects(place.prefix)


# --- the program ---


@contextlib.asynccontextmanager
async def controller(folder: Path, blobs: str, **more: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`draas server`, its process and its URL. It may have ended."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAAS_")}
    environ = kept | {"HOME": str(folder), "DRAAS_ADMIN_KEY": ADMIN, "DRAAS_BLOBS": blobs, **more}
    words = [sys.executable, "-m", "draas", "server", "--listen", address, "--data-dir", str(folder)]
    process = await asyncio.create_subprocess_exec(
        *words, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield process, f"http://{address}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def said(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """How it ended, and all that it said."""
    assert process.stdout is not None
    out = await asyncio.wait_for(process.stdout.read(), 60)
    return await process.wait(), out.decode()


async def until_answers(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while "controller at" not in (line := (await asyncio.wait_for(process.stdout.readline(), 60)).decode()):
        assert line, "it ended"


@pytest.mark.parametrize(
    ("blobs", "variables", "message"),
    [
        ("s3://images", {"AWS_SECRET_ACCESS_KEY": "x"}, "s3://images refuses these credentials (SignatureDoesNotMatch)"),
        ("s3://none", {}, "the bucket of s3://none is not there"),
        ("s3://images", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "s3://images cannot be reached or used now"),
    ],
)  # fmt: skip
async def test_a_controller_that_cannot_have_its_bucket_says_so_in_one_line(
    tmp_path: Path, relay: S3Relay, blobs: str, variables: dict[str, str], message: str
) -> None:
    async with controller(tmp_path, blobs, **variables) as (process, _):
        ended, out = await said(process)
    (line,) = [line for line in out.splitlines() if message in line]
    assert (ended, "Traceback" in out, "test-secret" in out) == (1, False, False), out
    assert re.match(r"draas: ", line)


async def test_a_controller_killed_between_object_and_link(
    tmp_path: Path, relay: S3Relay, s3: S3Server, place: Bucket
) -> None:
    """The server has the object, the controller never hears of it. The push goes on where it was."""
    digest, key = digest_of(PARTS), {"Authorization": basic(ADMIN)}
    async with aiohttp.ClientSession(headers=key) as session:
        async with controller(tmp_path, place.url) as (process, url):
            await until_answers(process)
            async with session.post(f"{url}/v2/p/web/blobs/uploads/") as begun:
                location = begun.headers["Location"]
            async with session.patch(url + location, data=PARTS) as stored:
                assert stored.status == 202

            async def die(method: str, path: str) -> None:
                if method == "POST" and path_of(digest) in s3.objects(place.prefix):
                    process.send_signal(signal.SIGKILL)
                    await process.wait()

            relay.after = die
            with pytest.raises(aiohttp.ClientError):
                await session.put(f"{url}{location}?digest={digest}")
        relay.after = None
        assert s3.objects(place.prefix)[path_of(digest)] == PARTS
        async with controller(tmp_path, place.url) as (process, url):
            await until_answers(process)
            async with session.get(f"{url}/v2/p/web/blobs/{digest}") as told:
                assert told.status == 404
            async with session.get(url + location) as told:
                assert (told.status, told.headers["Range"]) == (204, f"0-{len(PARTS) - 1}")
            async with session.put(f"{url}{location}?digest={digest}") as told:
                assert told.status == 201
            async with session.get(f"{url}/v2/p/web/blobs/{digest}") as told:
                assert await told.read() == PARTS


@pytest.mark.needs("skopeo")
async def test_skopeo_pushes_into_the_bucket_and_pulls_from_it(
    tmp_path: Path, relay: S3Relay, s3: S3Server, place: Bucket
) -> None:
    layer = docker_archive(tmp_path / "image.tar")
    async with controller(tmp_path / "data", place.url) as (process, url):
        await until_answers(process)
        remote = f"docker://{url.removeprefix('http://')}/default/web:v1"
        to, back = (
            ("--dest-tls-verify=false", f"--dest-creds=x:{ADMIN}"),
            ("--src-tls-verify=false", f"--src-creds=x:{ADMIN}"),
        )
        code, out = await skopeo("--insecure-policy", "copy", *to, f"docker-archive:{tmp_path}/image.tar", remote)
        assert code == 0, out
        code, out = await skopeo("--insecure-policy", "copy", *back, remote, f"dir:{tmp_path}/pulled")
        assert code == 0, out
    manifest = json.loads((tmp_path / "pulled" / "manifest.json").read_bytes())
    names = [manifest["config"]["digest"], manifest["layers"][0]["digest"]]
    assert {path_of(name) for name in names} < s3.objects(place.prefix).keys()
    held = [
        path for path in (tmp_path / "data").rglob("*") if path.is_file() and path.stat().st_size >= len(layer) // 4
    ]
    assert not [path for path in held if "registry" in path.parts], "no blob is in the data folder"
