"""The OCI distribution API, each test named after the section of specification 1.1 that it holds us to."""

import asyncio
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from registry_client import OCI, OCI_INDEX, RegistryClient, basic, digest_of, image_manifest, registry

from draas.model.bucket import Bucket
from draas.model.errors import Conflict
from draas.model.image_name import Digest, Repository
from draas.server.api import pieces
from draas.server.registry.manifest import MAX_BYTES
from draas.store.blobs import PIECE_BYTES, UploadId
from draas.testing.api import put_key
from draas.testing.waiting import until

LARGE = os.urandom(3 * PIECE_BYTES + 17)
UNKNOWN = digest_of(b"never pushed")
WEB = Repository("p/web")


@pytest.fixture
async def client(tmp_path: Path, bucket: Bucket | None) -> AsyncIterator[RegistryClient]:
    async with registry(tmp_path / "registry", bucket=bucket) as started:
        yield started


async def range_of(client: RegistryClient, location: str) -> str:
    told = await client.ask("GET", location)
    assert (told.status, told.headers["Location"]) == (204, location)
    return told.headers["Range"]


# --- Determining Support, and who may ---


async def test_determining_support(client: RegistryClient) -> None:
    told = await client.ask("GET", "/v2/")
    assert (told.status, told.headers["Docker-Distribution-API-Version"]) == (200, "registry/2.0")
    assert (await client.ask("HEAD", "/v2/")).status == 200


async def test_determining_support_needs_a_key_by_basic_or_bearer(client: RegistryClient) -> None:
    good = client.served.secrets["viewer"]
    for authorization in (
        f"Bearer {good}",
        basic(good),
        basic(good, "ä b"),
        basic(good, ""),
        basic(good).replace("B", "b", 1),
    ):
        assert (await client.ask("GET", "/v2/", key=authorization)).status == 200, authorization
    wrong = ["", "Basic", "Basic ", "Basic %", basic(""), basic("wrong"), basic("x", good), f"Basic {good}", "Bearer x"]
    wrong += ["Basic " + "A" * 5000, f"Digest {good}"]
    for authorization in wrong:
        told = await client.ask("GET", "/v2/", key=authorization)
        assert (told.status, told.code) == (401, "UNAUTHORIZED"), authorization
        assert told.headers["WWW-Authenticate"] == 'Basic realm="DRaaS"'


async def test_error_codes_denied_by_role(client: RegistryClient) -> None:
    digest, secrets = await client.push(b"content"), client.served.secrets
    viewer, deployer, node = (basic(secrets[role]) for role in ("viewer", "deployer", "node"))
    blob = f"/v2/p/web/blobs/{digest}"
    for key, method, path, status in [
        (viewer, "GET", blob, 200),
        (viewer, "POST", "/v2/p/web/blobs/uploads/", 403),
        (viewer, "PUT", "/v2/p/web/manifests/v1", 403),
        (deployer, "POST", "/v2/p/web/blobs/uploads/", 202),
        (deployer, "DELETE", blob, 403),
        (node, "GET", "/v2/", 200),
        (node, "GET", blob, 403),
        (None, "DELETE", blob, 202),
    ]:
        told = await client.ask(method, path, key=key)
        assert told.status == status, (key, method, path)
        assert status != 403 or told.code == "DENIED"


async def test_error_codes_denied_outside_the_keys_project(client: RegistryClient) -> None:
    """Whether the repository of another project exists is not told: the same words for both."""
    digest = await client.push(b"secret", "q/web")
    key = basic(await put_key(client.served.controller, "admin", project="p"))
    assert (await client.ask("POST", "/v2/p/web/blobs/uploads/", key=key)).status == 202
    for method, path in [
        ("GET", f"/v2/q/web/blobs/{digest}"),
        ("HEAD", f"/v2/q/web/blobs/{digest}"),
        ("DELETE", f"/v2/q/web/blobs/{digest}"),
        ("POST", "/v2/q/web/blobs/uploads/"),
        ("GET", "/v2/q/web/tags/list"),
        ("PUT", "/v2/pp/web/manifests/v1"),
    ]:
        assert (await client.ask(method, path, key=key)).status == 403, (method, path)
    told = await client.ask("GET", f"/v2/q/web/blobs/{digest}", key=key)
    assert told.body == (await client.ask("GET", f"/v2/q/none/blobs/{UNKNOWN}", key=key)).body
    assert (await client.ask("GET", f"/v2/p/web/blobs/{digest}", key=key)).code == "BLOB_UNKNOWN"
    mounted = await client.ask("POST", f"/v2/p/web/blobs/uploads/?mount={digest}&from=q/web", key=key)
    assert mounted.status == 202  # told to upload it
    assert (await client.ask("GET", f"/v2/p/web/blobs/{digest}", key=key)).status == 404


# --- Pulling blobs ---


async def test_pulling_blobs(client: RegistryClient) -> None:
    for content in (b"", b"x", LARGE):
        digest = await client.push(content)
        told = await client.ask("GET", f"/v2/p/web/blobs/{digest}")
        assert (told.status, told.body) == (200, content)
        assert told.headers["Docker-Content-Digest"] == digest


async def test_checking_if_content_exists_blobs(client: RegistryClient) -> None:
    digest = await client.push(LARGE)
    told = await client.ask("HEAD", f"/v2/p/web/blobs/{digest}")
    assert (told.status, told.headers["Content-Length"], told.body) == (200, str(len(LARGE)), b"")
    assert (await client.ask("HEAD", f"/v2/p/web/blobs/{UNKNOWN}")).status == 404
    assert (await client.ask("GET", f"/v2/p/web/blobs/{UNKNOWN}")).code == "BLOB_UNKNOWN"
    assert (await client.ask("HEAD", f"/v2/p/other/blobs/{digest}")).status == 404  # seen where it was pushed only


async def test_pulling_blobs_by_range(client: RegistryClient) -> None:
    path = f"/v2/p/web/blobs/{await client.push(LARGE)}"
    size = len(LARGE)
    for asked, first, last in [("5-9", 5, 9), (f"{PIECE_BYTES}-", PIECE_BYTES, size - 1), ("-7", size - 7, size - 1)]:
        told = await client.ask("GET", path, Range=f"bytes={asked}")
        assert (told.status, told.body) == (206, LARGE[first : last + 1])
        assert told.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    told = await client.ask("GET", path, Range=f"bytes={size}-")
    assert (told.status, told.headers["Content-Range"], bool(told.code)) == (416, f"bytes */{size}", True)
    assert (await client.ask("GET", path, Range="bytes=0-1,5-6")).status == 200
    assert (await client.ask("GET", path, Range="bytes=0-1", If_Range='"another"')).status == 200


# --- Pushing blobs ---


async def test_pushing_a_blob_monolithically_post_then_put(client: RegistryClient) -> None:
    told = await client.ask("PUT", f"{await client.begin()}?digest={digest_of(LARGE)}", LARGE)
    assert (told.status, told.headers["Location"]) == (201, f"/v2/p/web/blobs/{digest_of(LARGE)}")
    assert (await client.ask("GET", told.headers["Location"])).body == LARGE
    assert not [path for path in client.files() if "_uploads" in path]


async def test_pushing_a_blob_monolithically_single_post(client: RegistryClient) -> None:
    told = await client.ask("POST", f"/v2/p/web/blobs/uploads/?digest={digest_of(LARGE)}", LARGE)
    assert (told.status, told.headers["Location"]) == (201, f"/v2/p/web/blobs/{digest_of(LARGE)}")
    before = client.files()
    wrong = await client.ask("POST", f"/v2/p/web/blobs/uploads/?digest={UNKNOWN}", LARGE)
    assert (wrong.status, wrong.code, client.files()) == (400, "DIGEST_INVALID", before)
    await client.cut("POST", f"/v2/p/web/blobs/uploads/?digest={UNKNOWN}", b"some", 100)
    await until(client.files, lambda seen: seen == before, "nothing is left of what was cut")


async def test_pushing_a_blob_in_chunks(client: RegistryClient) -> None:
    location = await client.begin()
    middle = PIECE_BYTES + 5
    told = await client.ask("PATCH", location, LARGE[:middle], Content_Range=f"0-{middle - 1}")
    assert (told.status, told.headers["Range"], told.headers["Location"]) == (202, f"0-{middle - 1}", location)
    told = await client.ask("PATCH", location, LARGE[middle:-9], Content_Range=f"{middle}-{len(LARGE) - 10}")
    assert told.status == 202
    last = f"{len(LARGE) - 9}-{len(LARGE) - 1}"
    told = await client.ask("PUT", f"{location}?digest={digest_of(LARGE)}", LARGE[-9:], Content_Range=last)
    assert told.status == 201
    assert (await client.ask("GET", told.headers["Location"])).body == LARGE
    assert (await client.ask("GET", location)).code == "BLOB_UPLOAD_UNKNOWN"


async def test_pushing_a_blob_in_chunks_streamed(client: RegistryClient) -> None:
    """Without length and range, as Docker's engine sends a layer."""

    async def stream() -> AsyncIterator[bytes]:
        for at in range(0, len(LARGE), 100_000):
            yield LARGE[at : at + 100_000]

    location = await client.begin()
    told = await client.ask("PATCH", location, stream())
    assert (told.status, told.headers["Range"]) == (202, f"0-{len(LARGE) - 1}")
    assert (await client.ask("PUT", f"{location}?digest={digest_of(LARGE)}")).status == 201


async def test_pushing_a_blob_in_chunks_out_of_order(client: RegistryClient) -> None:
    location = await client.begin()
    await client.ask("PATCH", location, b"01234", Content_Range="0-4")
    for wrong in ("0-4", "6-10", "4-8", "nonsense", "bytes 5-9/10", "9-5"):
        told = await client.ask("PATCH", location, b"56789", Content_Range=wrong)
        assert (told.status, told.headers["Range"], told.headers["Location"]) == (416, "0-4", location), wrong
        assert told.code == "BLOB_UPLOAD_INVALID"
    assert (await client.ask("PUT", f"{location}?digest={UNKNOWN}", b"5", Content_Range="7-7")).status == 416
    assert await range_of(client, location) == "0-4"
    digest = digest_of(b"0123456789")
    assert (await client.ask("PUT", f"{location}?digest={digest}", b"56789", Content_Range="5-9")).status == 201


async def test_pushing_a_blob_in_chunks_of_another_size_than_said(client: RegistryClient) -> None:
    async def stream(content: bytes) -> AsyncIterator[bytes]:
        yield content

    location = await client.begin()
    await client.ask("PATCH", location, b"01234")
    for content in (b"5", b"56789x", LARGE):
        told = await client.ask("PATCH", location, content, Content_Range="5-9")
        assert (told.status, told.code) == (400, "SIZE_INVALID")
        told = await client.ask("PATCH", location, stream(content), Content_Range="5-9")
        assert (told.status, told.code) == (400, "SIZE_INVALID")
        assert await range_of(client, location) == "0-4"
    digest = digest_of(b"0123456789")
    assert (await client.ask("PUT", f"{location}?digest={digest}", b"56789")).status == 201


async def test_pushing_a_blob_in_chunks_resumed_after_a_cut(client: RegistryClient) -> None:
    """What came before the cut is told by GET, and the rest makes it whole."""
    location, sent = await client.begin(), 2 * PIECE_BYTES + 77
    await client.cut("PATCH", location, LARGE[:sent], len(LARGE), Content_Range=f"0-{len(LARGE) - 1}")
    await until(lambda: range_of(client, location), lambda seen: seen == f"0-{sent - 1}", "all that was sent is kept")
    told = await client.ask("PATCH", location, LARGE[sent:], Content_Range=f"{sent}-{len(LARGE) - 1}")
    assert told.status == 202
    assert (await client.ask("PUT", f"{location}?digest={digest_of(LARGE)}")).status == 201


async def test_pushing_a_blob_in_chunks_resumed_while_the_first_request_hangs(client: RegistryClient) -> None:
    """A client that lost its connection goes on before the controller has noticed: the newer request wins."""
    blobs = client.images.blobs
    id = UploadId((await client.begin()).rsplit("/", 1)[1])
    hanging = await blobs.take(WEB, id)
    await hanging.append([b"012"])
    told = await client.ask("PATCH", f"/v2/p/web/blobs/uploads/{id}", b"34", Content_Range="3-4")
    assert (told.status, told.headers["Range"]) == (202, "0-4")
    with pytest.raises(Conflict, match="another request"):
        await hanging.append([b"3456"])
    assert await blobs.upload_size(WEB, id) == 5


async def test_pushing_a_blob_in_chunks_resumed_after_a_restart(tmp_path: Path, bucket: Bucket | None) -> None:
    """The controller ends in mid-upload; a new one over the same folder goes on with it."""
    folder, middle = tmp_path / "registry", PIECE_BYTES + 3
    async with registry(folder, bucket=bucket) as client:
        location = await client.begin()
        told = await client.ask("PATCH", location, LARGE[:middle], Content_Range=f"0-{middle - 1}")
        assert told.status == 202
    (folder / "incoming" / "torn").write_bytes(b"of a write that a crash cut off")
    async with registry(folder, bucket=bucket) as client:
        assert await range_of(client, location) == f"0-{middle - 1}"
        rest = f"{middle}-{len(LARGE) - 1}"
        told = await client.ask("PUT", f"{location}?digest={digest_of(LARGE)}", LARGE[middle:], Content_Range=rest)
        assert told.status == 201
        assert (await client.ask("GET", told.headers["Location"])).body == LARGE
        assert not (folder / "incoming" / "torn").exists()


async def test_pushing_a_blob_that_sends_nothing_for_long(
    client: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "IDLE_S", 0.05)
    go_on = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"012"
        await go_on.wait()

    location = await client.begin()
    told = await client.ask("PATCH", location, stalled())
    go_on.set()
    assert (told.status, await range_of(client, location)) == (408, "0-2")


async def test_pushing_a_blob_with_the_wrong_digest(client: RegistryClient) -> None:
    location = await client.begin()
    told = await client.ask("PUT", f"{location}?digest={UNKNOWN}", LARGE)
    assert (told.status, told.code) == (400, "DIGEST_INVALID")
    assert digest_of(LARGE) in told.message
    assert (await client.ask("GET", location)).status == 404
    assert client.files() == []
    for wrong in ("", "?digest=", "?digest=sha256:x", f"?digest=sha512:{'0' * 128}", "?digest=sha256:../../x"):
        location = await client.begin()
        told = await client.ask("PUT", location + wrong, b"x")
        assert (told.status, told.code) == (400, "DIGEST_INVALID"), wrong
        assert "sha512" not in wrong or "use sha256" in told.message


async def test_pushing_a_blob_to_an_upload_that_is_not_there(client: RegistryClient) -> None:
    location = await client.begin()
    id = location.rsplit("/", 1)[1]
    assert (await client.ask("DELETE", location)).status == 204
    gone = [
        location,
        f"/v2/p/other/blobs/uploads/{id}",
        "/v2/p/web/blobs/uploads/x",
        "/v2/p/web/blobs/uploads/u_" + "z" * 32,
    ]
    gone += ["/v2/p/web/blobs/uploads/..", "/v2/p/web/blobs/uploads/%00", "/v2/p/web/blobs/uploads/" + "a" * 300]
    for path in gone:
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            told = await client.ask(method, f"{path}?digest={UNKNOWN}", b"x" if method == "PUT" else None)
            assert (told.status, told.code) == (404, "BLOB_UPLOAD_UNKNOWN"), (method, path)


async def test_mounting_a_blob_from_another_repository(client: RegistryClient) -> None:
    digest = await client.push(LARGE)
    told = await client.ask("POST", f"/v2/q/web/blobs/uploads/?mount={digest}&from=p/web")
    assert (told.status, told.headers["Location"]) == (201, f"/v2/q/web/blobs/{digest}")
    assert (await client.ask("GET", f"/v2/q/web/blobs/{digest}")).body == LARGE
    for query in (
        f"mount={UNKNOWN}&from=p/web",
        f"mount={digest}&from=p/none",
        f"mount={digest}",
        "mount=x&from=../..",
    ):
        told = await client.ask("POST", f"/v2/q/other/blobs/uploads/?{query}")
        assert (told.status, "/blobs/uploads/" in told.headers["Location"]) == (202, True), query
    assert (await client.ask("HEAD", f"/v2/q/other/blobs/{digest}")).status == 404


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True, timeout=20)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True, timeout=20)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.needs("root")
async def test_pushing_a_blob_to_a_full_disk(small_disk: Path) -> None:
    """A clear sentence, nothing left behind, and what fits goes on being taken."""
    async with registry(small_disk / "registry") as client:
        location = await client.begin()
        told = await client.ask("PATCH", location, LARGE)
        assert (told.status, "no space left" in told.message) == (507, True)
        assert client.files() == []
        assert (await client.ask("GET", location)).status == 404
        told = await client.ask("POST", f"/v2/p/web/blobs/uploads/?digest={digest_of(LARGE)}", LARGE)
        assert (told.status, client.files()) == (507, [])
        tag = await client.push_image("v1")
        before = client.files()
        ballast = small_disk / "ballast"
        with pytest.raises(OSError, match="No space left"):
            fill(ballast)
        config = digest_of(b"{}")
        other = image_manifest(config, annotations={"x": "y" * 10_000})
        told = await client.ask("PUT", "/v2/p/web/manifests/v2", other, Content_Type=OCI)
        assert (told.status, client.files()) == (507, before)
        ballast.unlink()
        assert (await client.ask("HEAD", "/v2/p/web/manifests/v1")).headers["Docker-Content-Digest"] == tag


async def test_pushing_blobs_with_bounded_memory(client: RegistryClient) -> None:
    """64 MiB in and out again: no more than a few pieces are held."""
    piece = os.urandom(PIECE_BYTES)

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield piece

    await client.push(b"warm")
    before = forget_peak()
    location = await client.begin()
    assert (await client.ask("PATCH", location, stream())).status == 202
    digest = await finish(client, location, piece, 64)
    size = 0
    async for part in client.images.blobs.read(Digest(digest), 0, 64 * PIECE_BYTES):
        size += len(part)
    assert size == 64 * PIECE_BYTES
    assert peak_mb() - before < 32


def forget_peak() -> float:
    """Count this process's peak from now on; returns what it holds, MB (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mb()


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def finish(client: RegistryClient, location: str, piece: bytes, times: int) -> str:
    running = hashlib.sha256()
    for _ in range(times):
        running.update(piece)
    digest = f"sha256:{running.hexdigest()}"
    assert (await client.ask("PUT", f"{location}?digest={digest}")).status == 201
    return digest


# --- Names ---


@pytest.mark.parametrize(
    "name",
    ["web", "P/web", "p/Web", "p/../q/web", "..%2f..%2fetc/web", "p/..%2f..%2fq", "p/%2e%2e/web", "p//web", "p/-web", "p/" + "a" * 300,
     "p/_uploads/x", "p/_blobs", "p/we%00b", "p/web%0a", "p/w%c3%a9b", "%2fetc%2fpasswd/x", "p/a:b"],
)  # fmt: skip
async def test_error_codes_name_invalid(client: RegistryClient, name: str) -> None:
    for method, path in [
        ("POST", "blobs/uploads/"),
        ("GET", f"blobs/{UNKNOWN}"),
        ("PUT", "manifests/v1"),
        ("GET", "tags/list"),
    ]:
        told = await client.ask(method, f"/v2/{name}/{path}")
        assert told.code in ("NAME_INVALID", "UNSUPPORTED"), (method, path)
        assert told.status in (400, 404)
    assert client.files() == []


async def test_names_whose_parts_are_words_of_the_api(client: RegistryClient) -> None:
    for repository in ("p/blobs", "p/blobs/uploads", "p/manifests", "p/tags/list", "tags/list", "blobs/uploads"):
        digest = await client.push_image("tags", repository)
        told = await client.ask("GET", f"/v2/{repository}/manifests/tags")
        assert (told.status, told.headers["Docker-Content-Digest"]) == (200, digest), repository
        assert json.loads((await client.ask("GET", f"/v2/{repository}/tags/list")).body)["tags"] == ["tags"]
        assert (await client.ask("HEAD", f"/v2/{repository}/blobs/{digest_of(b'layer')}")).status == 200


async def test_endpoints_that_are_not_served(client: RegistryClient) -> None:
    for path in ("/v2/_catalog", f"/v2/p/web/referrers/{UNKNOWN}", "/v2/p/web", "/v2/p/web/"):
        told = await client.ask("GET", path)
        assert (told.status, told.code) == (404, "UNSUPPORTED"), path
    told = await client.ask("PUT", "/v2/p/web/tags/list")
    assert (told.status, told.code) == (405, "UNSUPPORTED")


# --- Manifests ---


async def test_pushing_manifests_and_pulling_them_by_tag_and_digest(client: RegistryClient) -> None:
    config, layer = await client.push(b"{}"), await client.push(b"layer")
    for media_type in (OCI, "application/vnd.docker.distribution.manifest.v2+json"):
        content = image_manifest(config, layer, mediaType=media_type).replace(b"{", b"{ \n", 1)
        told = await client.ask("PUT", "/v2/p/web/manifests/v1", content, Content_Type=media_type)
        digest = digest_of(content)
        assert (told.status, told.headers["Docker-Content-Digest"]) == (201, digest)
        assert told.headers["Location"] == f"/v2/p/web/manifests/{digest}"
        for reference in ("v1", digest):
            pulled = await client.ask("GET", f"/v2/p/web/manifests/{reference}")
            assert (pulled.status, pulled.body, pulled.headers["Content-Type"]) == (200, content, media_type)
            looked = await client.ask("HEAD", f"/v2/p/web/manifests/{reference}")
            assert (looked.headers["Content-Length"], looked.headers["Docker-Content-Digest"]) == (
                str(len(content)),
                digest,
            )
    assert (await client.ask("HEAD", "/v2/p/web/manifests/v2")).status == 404
    assert (await client.ask("GET", f"/v2/p/web/manifests/{UNKNOWN}")).code == "MANIFEST_UNKNOWN"
    assert (await client.ask("GET", f"/v2/p/other/manifests/{digest}")).status == 404


async def test_pushing_manifests_survives_a_restart(tmp_path: Path) -> None:
    async with registry(tmp_path / "registry") as client:
        digest = await client.push_image("v1")
    async with registry(tmp_path / "registry") as client:
        assert (await client.ask("HEAD", "/v2/p/web/manifests/v1")).headers["Docker-Content-Digest"] == digest


async def test_pushing_manifests_by_digest(client: RegistryClient) -> None:
    content = image_manifest(await client.push(b"{}"))
    told = await client.ask("PUT", f"/v2/p/web/manifests/{UNKNOWN}", content, Content_Type=OCI)
    assert (told.status, told.code) == (400, "DIGEST_INVALID")
    told = await client.ask("PUT", f"/v2/p/web/manifests/{digest_of(content)}", content, Content_Type=OCI)
    assert told.status == 201
    assert json.loads((await client.ask("GET", "/v2/p/web/tags/list")).body) == {"name": "p/web", "tags": []}


async def test_pushing_manifests_whose_blobs_are_missing(client: RegistryClient) -> None:
    there, elsewhere = await client.push(b"{}"), await client.push(b"layer", "p/other")
    content = image_manifest(there, elsewhere, UNKNOWN)
    told = await client.ask("PUT", "/v2/p/web/manifests/v1", content, Content_Type=OCI)
    assert (told.status, told.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert [error["detail"]["digest"] for error in json.loads(told.body)["errors"]] == [elsewhere, UNKNOWN]
    assert (await client.ask("GET", "/v2/p/web/tags/list")).code == "NAME_UNKNOWN"


async def test_pushing_manifests_index(client: RegistryClient) -> None:
    inner = await client.push_image("amd64")
    for media_type in (OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"):
        listed = [{"mediaType": OCI, "digest": inner, "size": 1, "platform": {"architecture": "amd64", "os": "linux"}}]
        content = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": listed}).encode()
        assert (await client.ask("PUT", "/v2/p/web/manifests/all", content, Content_Type=media_type)).status == 201
        pulled = await client.ask("GET", "/v2/p/web/manifests/all")
        assert (pulled.body, pulled.headers["Content-Type"]) == (content, media_type)
        told = await client.ask("PUT", "/v2/p/web/manifests/x", content.replace(inner.encode(), UNKNOWN.encode()), Content_Type=media_type)  # fmt: skip
        assert told.code == "MANIFEST_BLOB_UNKNOWN"


async def test_pushing_manifests_with_subject(client: RegistryClient) -> None:
    """Kept, though the subject is not there; without OCI-Subject in the answer clients use the referrers tag schema."""
    content = image_manifest(await client.push(b"{}"), subject={"mediaType": OCI, "digest": UNKNOWN, "size": 1})
    told = await client.ask("PUT", "/v2/p/web/manifests/sig", content, Content_Type=OCI)
    assert (told.status, "OCI-Subject" in told.headers) == (201, False)


async def test_pushing_manifests_that_are_none(client: RegistryClient) -> None:
    config = await client.push(b"{}")
    for content, media_type, code in [
        (b"{", OCI, "MANIFEST_INVALID"),
        (image_manifest(config), OCI_INDEX, "MANIFEST_INVALID"),
        (image_manifest(config), "text/plain", "MANIFEST_INVALID"),
        (image_manifest(f"sha512:{'0' * 128}"), OCI, "MANIFEST_INVALID"),
    ]:
        told = await client.ask("PUT", "/v2/p/web/manifests/v1", content, Content_Type=media_type)
        assert (told.status, told.code) == (400, code)
    for reference in (".", "..", ".hidden", "-x", "a" * 129, "%2e%2e%2fx", "a%00b", "sha512:" + "0" * 128):
        told = await client.ask("PUT", f"/v2/p/web/manifests/{reference}", image_manifest(config), Content_Type=OCI)
        assert told.status in (400, 404), reference
        assert told.code in ("MANIFEST_INVALID", "NAME_INVALID", "UNSUPPORTED")


async def test_pushing_manifests_of_4_mib_and_no_more(client: RegistryClient) -> None:
    async def stream(content: bytes) -> AsyncIterator[bytes]:
        yield content

    config = await client.push(b"{}")
    bare = len(image_manifest(config, annotations={"x": ""}))
    largest = image_manifest(config, annotations={"x": "y" * (MAX_BYTES - bare)})
    assert (await client.ask("PUT", "/v2/p/web/manifests/v1", largest, Content_Type=OCI)).status == 201
    for body in (largest + b" ", stream(largest + b" ")):
        told = await client.ask("PUT", "/v2/p/web/manifests/v1", body, Content_Type=OCI)
        assert (told.status, told.code) == (413, "SIZE_INVALID")


# --- Listing, deleting ---


async def test_listing_tags(client: RegistryClient) -> None:
    assert (await client.ask("GET", "/v2/p/web/tags/list")).code == "NAME_UNKNOWN"
    for tag in ("v2", "V1", "b", "_x", "v10"):
        await client.push_image(tag)
    in_order = ["_x", "b", "V1", "v10", "v2"]
    assert json.loads((await client.ask("GET", "/v2/p/web/tags/list")).body) == {"name": "p/web", "tags": in_order}
    found, path = [], "/v2/p/web/tags/list?n=2"
    while path:
        told = await client.ask("GET", path)
        page = json.loads(told.body)["tags"]
        assert len(page) <= 2
        found += page
        path = told.headers["Link"].removeprefix("<").partition(">")[0] if "Link" in told.headers else ""
    assert found == in_order
    assert json.loads((await client.ask("GET", "/v2/p/web/tags/list?last=b")).body)["tags"] == ["V1", "v10", "v2"]
    none = await client.ask("GET", "/v2/p/web/tags/list?n=0")
    assert (json.loads(none.body)["tags"], "Link" in none.headers) == ([], False)
    for wrong in ("-1", "x", "1e3", "9" * 50, ""):
        assert (await client.ask("GET", f"/v2/p/web/tags/list?n={wrong}")).status == 400


async def test_deleting_tags_and_manifests(client: RegistryClient) -> None:
    digest = await client.push_image("v1")
    assert await client.push_image("v2") == digest
    other = await client.push_image("v3", annotations={"x": "y"})
    assert (await client.ask("DELETE", "/v2/p/web/manifests/v1")).status == 202
    assert (await client.ask("DELETE", "/v2/p/web/manifests/v1")).code == "MANIFEST_UNKNOWN"
    assert (await client.ask("GET", f"/v2/p/web/manifests/{digest}")).status == 200
    assert (await client.ask("DELETE", f"/v2/p/web/manifests/{digest}")).status == 202
    for reference in (digest, "v2"):
        assert (await client.ask("GET", f"/v2/p/web/manifests/{reference}")).status == 404
    assert json.loads((await client.ask("GET", "/v2/p/web/tags/list")).body)["tags"] == ["v3"]
    assert (await client.ask("HEAD", "/v2/p/web/manifests/v3")).headers["Docker-Content-Digest"] == other


async def test_deleting_blobs(client: RegistryClient) -> None:
    digest = await client.push(LARGE)
    await client.push(LARGE, "q/web")
    assert (await client.ask("DELETE", f"/v2/p/web/blobs/{digest}")).status == 202
    assert (await client.ask("HEAD", f"/v2/p/web/blobs/{digest}")).status == 404
    assert (await client.ask("DELETE", f"/v2/p/web/blobs/{digest}")).code == "BLOB_UNKNOWN"
    assert (await client.ask("GET", f"/v2/q/web/blobs/{digest}")).body == LARGE
    assert await client.push(LARGE) == digest


# --- A client that we did not write ---


def docker_archive(path: Path) -> bytes:
    """An image of one layer as `docker save` writes it; the layer is returned."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        content = os.urandom(300_000)
        entry = tarfile.TarInfo("data")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/data"]}}
    config["rootfs"] = {"type": "layers", "diff_ids": [digest_of(layer.getvalue())]}
    listed = [{"Config": "config.json", "RepoTags": ["web:v1"], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        for name, data in [("config.json", json.dumps(config).encode()), ("layer.tar", layer.getvalue()), ("manifest.json", json.dumps(listed).encode())]:  # fmt: skip
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return layer.getvalue()


async def skopeo(*words: object) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "skopeo", *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode()


@pytest.mark.needs("skopeo")
async def test_skopeo_pushes_pulls_lists_and_deletes(client: RegistryClient, tmp_path: Path) -> None:
    layer = docker_archive(tmp_path / "image.tar")
    remote = f"docker://{client.served.url.removeprefix('http://')}/p/web"
    deployer, viewer = (f"anybody:{client.served.secrets[role]}" for role in ("deployer", "viewer"))
    to, back = "--dest-tls-verify=false", "--src-tls-verify=false"

    async def push(*more: str) -> tuple[int, str]:
        return await skopeo(
            "--insecure-policy", "copy", to, *more, f"docker-archive:{tmp_path}/image.tar", f"{remote}:v1"
        )

    code, out = await push()
    assert (code != 0, "authentication required" in out or "unauthorized" in out) == (True, True), out
    code, out = await push(f"--dest-creds={viewer}")
    assert (code != 0, "deployer" in out or "denied" in out) == (True, True), out
    code, out = await push(f"--dest-creds={deployer}")
    assert code == 0, out
    code, out = await push(f"--dest-creds={deployer}", "--format=oci")
    assert code == 0, out
    code, out = await skopeo(
        "--insecure-policy", "copy", back, f"--src-creds={viewer}", f"{remote}:v1", f"dir:{tmp_path}/pulled"
    )
    assert code == 0, out
    manifest = json.loads((tmp_path / "pulled" / "manifest.json").read_bytes())
    pulled = (tmp_path / "pulled" / manifest["layers"][0]["digest"].removeprefix("sha256:")).read_bytes()
    config = json.loads((tmp_path / "pulled" / manifest["config"]["digest"].removeprefix("sha256:")).read_bytes())
    assert (gzip.decompress(pulled), config["rootfs"]["diff_ids"]) == (layer, [digest_of(layer)])
    code, out = await skopeo("list-tags", "--tls-verify=false", f"--creds={viewer}", remote)
    assert (code, json.loads(out)["Tags"]) == (0, ["v1"])
    code, out = await skopeo(
        "delete", "--tls-verify=false", f"--creds=x:{client.served.secrets['admin']}", f"{remote}:v1"
    )
    assert code == 0, out
    assert (await client.ask("GET", "/v2/p/web/manifests/v1")).status == 404
