"""The OCI distribution API: pushing blobs, each test named after the section of specification 1.1 that it holds us to."""

import asyncio
import hashlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from registry_client import LARGE, OCI, RegistryClient, digest_of, image_manifest, registry

from draas.model.bucket import Bucket
from draas.model.errors import Conflict
from draas.model.image_name import Digest, Repository
from draas.server.api import pieces
from draas.store.blobs import PIECE_BYTES, UploadId
from draas.testing.waiting import until

UNKNOWN = digest_of(b"never pushed")
WEB = Repository("p/web")


async def range_of(client: RegistryClient, location: str) -> str:
    told = await client.ask("GET", location)
    assert (told.status, told.headers["Location"]) == (204, location)
    return told.headers["Range"]


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
