"""The controller's registry as an agent offers it on loopback: bytes, faults and hostile requests, without an engine."""

import asyncio
import base64
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from image_site import Hold, Site, cluster_images, image_site
from registry_client import basic, digest_of, image_manifest
from yarl import URL

from draas.agent.images import fetch, proxy
from draas.agent.images.cluster_images import ClusterImages
from draas.agent.images.upstream import Upstream
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.model.allocation import Cause
from draas.model.image_name import Digest, Repository
from draas.model.login import Login
from draas.store.store import Write
from draas.testing.api import stored_key
from draas.testing.waiting import until

MIB = 1024 * 1024
LARGE = os.urandom(3 * MIB + 17)
WEB = Repository("p/web")
SILENT_S = 1.0


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with image_site(tmp_path / "registry") as started:
        yield started


@pytest.fixture
async def images(site: Site, tmp_path: Path) -> AsyncIterator[ClusterImages]:
    """Of a node that runs a build of p/web."""
    controller = await site.node("a")
    await site.builds("a", WEB)
    async with cluster_images(tmp_path / "images", controller) as served:
        yield served


async def ask(
    images: ClusterImages, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """As the engine would, unless `Authorization` says otherwise."""
    given = {"Authorization": basic(images.login.password, images.login.username)}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session:
        url = URL(f"http://{images.login.host}{path}", encoded=True)
        async with session.request(method, url, data=body, headers=given, allow_redirects=False) as answer:
            return answer.status, dict(answer.headers), await answer.read()


async def push(images: ClusterImages, content: bytes) -> Digest:
    _, headers, _ = await ask(images, "POST", f"/v2/{WEB}/blobs/uploads/")
    status, _, told = await ask(images, "PUT", f"{headers['Location']}?digest={digest_of(content)}", content)
    assert status == 201, told
    return Digest(digest_of(content))


# --- the API through it ---


async def test_a_blob_goes_up_and_comes_back_whole_in_parts_and_by_head(images: ClusterImages) -> None:
    digest = await push(images, LARGE)
    path = f"/v2/{WEB}/blobs/{digest}"
    status, headers, body = await ask(images, "GET", path)
    assert (status, headers["Docker-Content-Digest"], headers["Content-Length"]) == (200, digest, str(len(LARGE)))
    assert body == LARGE
    status, headers, body = await ask(images, "HEAD", path)
    assert (status, headers["Content-Length"], body) == (200, str(len(LARGE)), b"")
    status, headers, body = await ask(images, "GET", path, Range=f"bytes={MIB}-{MIB + 9}")
    assert (status, headers["Content-Range"]) == (206, f"bytes {MIB}-{MIB + 9}/{len(LARGE)}")
    assert body == LARGE[MIB : MIB + 10]
    assert (await ask(images, "HEAD", f"/v2/{WEB}/blobs/{digest_of(b'?')}"))[0] == 404


async def test_a_chunked_upload_and_a_manifest(images: ClusterImages) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for at in range(0, len(LARGE), 100_000):
            yield LARGE[at : at + 100_000]

    _, headers, _ = await ask(images, "POST", f"/v2/{WEB}/blobs/uploads/")
    assert headers["Location"].startswith("/v2/")  # leads back to the loopback address
    status, headers, _ = await ask(images, "PATCH", headers["Location"], stream())  # type: ignore[arg-type]
    assert (status, headers["Range"]) == (202, f"0-{len(LARGE) - 1}")
    assert (await ask(images, "PUT", f"{headers['Location']}?digest={digest_of(LARGE)}"))[0] == 201
    manifest = image_manifest(await push(images, b"{}"), digest_of(LARGE))
    kind = "application/vnd.oci.image.manifest.v1+json"
    status, headers, told = await ask(images, "PUT", f"/v2/{WEB}/manifests/v1", manifest, Content_Type=kind)
    assert (status, headers["Docker-Content-Digest"]) == (201, digest_of(manifest)), told
    status, headers, body = await ask(images, "GET", f"/v2/{WEB}/manifests/v1", Accept=kind)
    assert (status, headers["Content-Type"], body) == (200, kind, manifest)
    assert b'"v1"' in (await ask(images, "GET", f"/v2/{WEB}/tags/list"))[2]


async def test_what_the_registry_refuses_is_told_in_its_own_words(images: ClusterImages) -> None:
    _, headers, _ = await ask(images, "POST", f"/v2/{WEB}/blobs/uploads/")
    status, _, told = await ask(images, "PUT", f"{headers['Location']}?digest={digest_of(b'other')}", b"content")
    assert (status, b"DIGEST_INVALID" in told) == (400, True)
    status, _, told = await ask(images, "POST", "/v2/p/other/blobs/uploads/")
    assert (status, b"this node runs no build now that makes p/other" in told) == (403, True)


# --- who may ---


async def test_without_the_password_nothing_reaches_the_controller(images: ClusterImages, site: Site) -> None:
    wrong = ["", "Basic", basic("wrong"), basic(images.login.password, "other"), f"Bearer {images.login.password}",
             f"Bearer {site.tokens['a']}", basic(site.tokens["a"])]  # fmt: skip
    for authorization in wrong:
        for method, path in (("GET", "/v2/"), ("GET", "/api/jobs"), ("POST", f"/v2/{WEB}/blobs/uploads/")):
            status, headers, told = await ask(images, method, path, Authorization=authorization)
            assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="DRaaS"')
            assert b"UNAUTHORIZED" in told
    assert site.asked == []


async def test_the_rights_of_a_node_follow_what_is_placed_on_it(site: Site, tmp_path: Path) -> None:
    """Other projects', ended, other nodes' and later ones: none of them opens anything; nor does mounting."""
    builder, runner = await site.node("builder"), await site.node("runner")
    build = await site.builds("builder", WEB)
    other = await site.builds("builder", "q/secret")
    async with (
        cluster_images(tmp_path / "1", builder) as ours,
        cluster_images(tmp_path / "2", runner) as theirs,
    ):
        digest = await push(ours, LARGE)
        _, headers, _ = await ask(ours, "POST", "/v2/q/secret/blobs/uploads/")
        secret = digest_of(b"secret")
        assert (await ask(ours, "PUT", f"{headers['Location']}?digest={secret}", b"secret"))[0] == 201
        await site.controller.finish(other)
        hidden, seen = f"/v2/q/secret/blobs/{secret}", f"/v2/{WEB}/blobs/{digest}"
        assert (await ask(ours, "GET", hidden))[0] == 403  # its build has ended
        mount = f"/v2/{WEB}/blobs/uploads/?mount={secret}&from=q/secret"
        assert (await ask(ours, "POST", mount))[0] == 202  # told to upload it
        assert (await ask(ours, "GET", f"/v2/{WEB}/blobs/{secret}"))[0] == 404
        assert (await ask(theirs, "GET", seen))[0] == 403  # another node's
        job = await site.runs("runner", "draas.internal/p/web:v1")
        assert (await ask(theirs, "GET", seen))[2] == LARGE
        assert (await ask(theirs, "POST", f"/v2/{WEB}/blobs/uploads/"))[0] == 403
        upload = (await ask(ours, "POST", f"/v2/{WEB}/blobs/uploads/"))[1]["Location"]
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            assert (await ask(theirs, method, upload))[0] == 403, method  # another node's upload
        await site.controller.finish(job)
        assert (await ask(theirs, "GET", seen))[0] == 403
        await site.controller.finish(build)
        assert (await ask(ours, "PATCH", upload, b"late"))[0] == 403


async def test_a_base_image_of_the_project_is_read_and_mounted_while_the_build_runs(site: Site, tmp_path: Path) -> None:
    controller = await site.node("a")
    base = await site.builds("a", "p/base")
    async with cluster_images(tmp_path / "images", controller) as images:
        _, headers, _ = await ask(images, "POST", "/v2/p/base/blobs/uploads/")
        digest = digest_of(b"layer")
        assert (await ask(images, "PUT", f"{headers['Location']}?digest={digest}", b"layer"))[0] == 201
        await site.controller.finish(base)
        await site.builds("a", WEB)
        assert (await ask(images, "GET", f"/v2/p/base/blobs/{digest}"))[2] == b"layer"
        assert (await ask(images, "POST", f"/v2/{WEB}/blobs/uploads/?mount={digest}&from=p/base"))[0] == 201
        assert (await ask(images, "POST", "/v2/p/base/blobs/uploads/"))[0] == 403


async def test_a_key_that_was_revoked_is_said_so(images: ClusterImages, site: Site) -> None:
    gone = stored_key(site.controller, site.tokens["a"])
    await site.controller.write(Write(gone_keys=(gone.id,)))
    status, _, told = await ask(images, "GET", "/v2/")
    assert (status, b"does not accept this node's key" in told) == (403, True)


# --- hostile requests ---


async def raw(images: ClusterImages, head: bytes, *, authorized: bool = True) -> bytes:
    """What comes back for these very bytes; {auth} is where the password goes."""
    login = images.login
    told = base64.b64encode(f"{login.username}:{login.password}".encode())
    auth = b"Authorization: Basic " + told + b"\r\nHost: x\r\n" if authorized else b"Host: x\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", int(login.host.rpartition(":")[2]))
    writer.write(head.replace(b"{auth}", auth))
    answer = b""
    with contextlib.suppress(
        TimeoutError, ConnectionError
    ):  # one that waits for more bytes has said all that it has to say
        while piece := await asyncio.wait_for(reader.read(65536), SILENT_S):
            answer += piece
    writer.close()
    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v2/../api/jobs HTTP/1.1\r\n{auth}\r\n",
        b"GET /v2/p/web/../../../api/keys HTTP/1.1\r\n{auth}\r\n",
        b"GET /v2/%2e%2e/api/jobs HTTP/1.1\r\n{auth}\r\n",
        b"GET /v2/p/web/manifests/..%2f..%2f..%2fapi HTTP/1.1\r\n{auth}\r\n",
        b"GET http://127.0.0.1:1/v2/ HTTP/1.1\r\n{auth}\r\n",
        b"GET //evil.example/v2/ HTTP/1.1\r\n{auth}\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\n{auth}\r\n",
        b"OPTIONS * HTTP/1.1\r\n{auth}\r\n",
        b"TRACE /v2/ HTTP/1.1\r\n{auth}\r\n",
        b"DELETE /v2/p/web/manifests/v1 HTTP/1.1\r\n{auth}\r\n",
        b"GET /v2/_catalog HTTP/1.1\r\n{auth}\r\n",
        b"GET /v2/\x00 HTTP/1.1\r\n{auth}\r\n",
        b"GET /v2/ HTTP/1.1\r\n{auth}X: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\n{auth}" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"GET /v2/" + b"p" * 200_000 + b" HTTP/1.1\r\n{auth}\r\n",
        b"GET /v2/ HTTP/1.1\r\n{auth}Bad Name: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\n{auth}Transfer-Encoding : chunked\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
async def test_a_hostile_request_reaches_nothing(images: ClusterImages, site: Site, head: bytes) -> None:
    answer = await raw(images, head)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:300]
    assert site.asked == []
    assert (await ask(images, "GET", "/v2/"))[0] == 200  # and it goes on


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 4\r\nContent-Length: 44\r\n\r\nabcd",
        b"Content-Length: +4\r\n\r\nabcd",
        b"Content-Length: -1\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabcd\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcdX\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabcd\r\n0\r\n\r\n",
    ],
)
async def test_a_request_cannot_be_smuggled_in_a_body(images: ClusterImages, site: Site, framing: bytes) -> None:
    """What follows in the same bytes is a request of its own to whoever reads the framing differently: it never gets through."""
    location = (await ask(images, "POST", f"/v2/{WEB}/blobs/uploads/"))[1]["Location"].encode()
    smuggled = b"GET /v2/p/smuggled/tags/list HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await raw(images, b"PATCH " + location + b" HTTP/1.1\r\n{auth}" + framing + smuggled)
    assert not any("smuggled" in asked for asked in site.asked)
    assert answer.count(b"HTTP/1.1 2") == 0, answer[:300]
    status, headers, _ = await ask(images, "GET", location.decode())
    assert (status, headers["Range"]) in ((204, "0-3"), (204, "0-0")), headers


# --- faults ---


async def test_an_engine_that_goes_away_in_the_middle_leaves_what_can_go_on(images: ClusterImages) -> None:
    location = (await ask(images, "POST", f"/v2/{WEB}/blobs/uploads/"))[1]["Location"]
    for framing in (f"Content-Length: {len(LARGE)}\r\n\r\n".encode(), None):
        location = (await ask(images, "POST", f"/v2/{WEB}/blobs/uploads/"))[1]["Location"]
        part = LARGE[:MIB]
        sent = part if framing is not None else f"{MIB:x}\r\n".encode() + part + b"\r\n"
        head = b"PATCH " + location.encode() + b" HTTP/1.1\r\n{auth}"
        _, writer = await asyncio.open_connection("127.0.0.1", int(images.login.host.rpartition(":")[2]))
        auth = b"Authorization: " + basic(images.login.password, "draas").encode() + b"\r\nHost: x\r\n"
        writer.write(head.replace(b"{auth}", auth) + (framing or b"Transfer-Encoding: chunked\r\n\r\n") + sent)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

        async def kept(location: str = location) -> str:
            return (await ask(images, "GET", location))[1]["Range"]

        await until(kept, lambda range_: range_ == f"0-{MIB - 1}", "what came before the cut")
        place = f"{MIB}-{len(LARGE) - 1}"
        status, _, told = await ask(images, "PATCH", location, LARGE[MIB:], Content_Range=place)
        assert status == 202, told
        assert (await ask(images, "PUT", f"{location}?digest={digest_of(LARGE)}"))[0] == 201


async def test_a_controller_that_goes_away_in_the_middle_of_a_download_is_a_cut(
    images: ClusterImages, site: Site
) -> None:
    digest = await push(images, os.urandom(16 * MIB))
    site.hold = Hold("GET")
    pulling = asyncio.ensure_future(ask(images, "GET", f"/v2/{WEB}/blobs/{digest}"))
    await asyncio.wait_for(site.hold.reached.wait(), 20)
    await site.stop()
    with pytest.raises(aiohttp.ClientPayloadError):
        await pulling
    site.hold = None
    await site.start()
    assert (await ask(images, "HEAD", f"/v2/{WEB}/blobs/{digest}"))[0] == 200


async def test_a_controller_that_is_away_is_503_and_one_sentence(
    images: ClusterImages, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Upstream.ask, "__defaults__", (None, 0.3))
    await site.stop()
    for method, path in (("GET", "/v2/"), ("POST", f"/v2/{WEB}/blobs/uploads/")):
        status, headers, told = await ask(images, method, path)
        assert (status, headers["Content-Type"]) == (503, "application/json")
        assert b'"UNAVAILABLE"' in told
        assert b"the controller does not answer: nothing listens at" in told
    await site.start()
    assert (await ask(images, "GET", "/v2/"))[0] == 200


async def test_a_restart_of_the_controller_is_waited_for(images: ClusterImages, site: Site) -> None:
    digest = await push(images, LARGE)
    await site.stop()
    waiting = [asyncio.ensure_future(ask(images, "GET", f"/v2/{WEB}/blobs/{digest}")),
               asyncio.ensure_future(ask(images, "POST", f"/v2/{WEB}/blobs/uploads/"))]  # fmt: skip
    await asyncio.sleep(0)
    await site.start()
    assert [(await one)[0] for one in waiting] == [200, 202]


async def test_a_slow_side_holds_the_other_back(images: ClusterImages, site: Site) -> None:
    """Whoever does not read, the controller or the engine: what is between them is bounded, however large the blob."""
    digest = await push(images, os.urandom(64 * MIB))
    login = images.login
    auth = b"Authorization: " + basic(login.password, login.username).encode() + b"\r\nHost: x\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", int(login.host.rpartition(":")[2]), limit=1024)
    site.hold = sent = Hold("GET")
    sent.go_on.set()
    writer.write(b"GET /v2/p/web/blobs/" + digest.encode() + b" HTTP/1.1\r\n" + auth + b"\r\n")
    moved = await settled(sent)
    assert 0 < moved < 32 * MIB, moved
    writer.transport.abort()
    location = (await ask(images, "POST", f"/v2/{WEB}/blobs/uploads/"))[1]["Location"]
    site.hold = received = Hold("PATCH")
    _, writer = await asyncio.open_connection("127.0.0.1", int(login.host.rpartition(":")[2]))
    writer.transport.set_write_buffer_limits(high=MIB)
    head = b"PATCH " + location.encode() + b" HTTP/1.1\r\n" + auth + f"Content-Length: {64 * MIB}\r\n\r\n".encode()
    writer.write(head)
    written = 0
    try:
        while written < 64 * MIB:
            writer.write(bytes(MIB))
            await asyncio.wait_for(writer.drain(), 2)
            written += MIB
    except TimeoutError:
        pass
    assert written < 32 * MIB
    writer.transport.abort()
    received.go_on.set()


@pytest.mark.parametrize("patience_s", [60.0, 0.1])
async def test_layers_of_a_build_come_in_turns(
    images: ClusterImages, site: Site, monkeypatch: pytest.MonkeyPatch, patience_s: float
) -> None:
    """The engine packs as fast as it is read, outside of all limits; whoever else pushes does not wait, and nobody does for ever."""
    monkeypatch.setattr(proxy, "TURN_S", patience_s)
    at_once = max(1, len(os.sched_getaffinity(0)) - 1)
    own, of_builds = images.login, images.builds_login
    locations = [(await ask(images, "POST", f"/v2/{WEB}/blobs/uploads/"))[1]["Location"] for _ in range(at_once + 2)]
    site.hold = Hold("PATCH")

    def begin(location: str, login: Login) -> "asyncio.Task[tuple[int, dict[str, str], bytes]]":
        as_whom = basic(login.password, login.username)
        return asyncio.create_task(ask(images, "PATCH", location, LARGE, Authorization=as_whom))

    def arrived() -> list[str]:
        return [line.split()[1].partition("?")[0] for line in site.asked if line.startswith("PATCH")]

    sending = [begin(location, of_builds) for location in locations[:at_once]]
    await until(arrived, lambda seen: len(seen) == at_once, "the uploads whose turn it is")
    sending.append(begin(locations[at_once], of_builds))
    if patience_s < 1:
        await until(arrived, lambda seen: len(seen) == at_once + 1, "the upload after those that are stuck")
    sending.append(begin(locations[-1], own))
    seen = await until(arrived, lambda seen: locations[-1].partition("?")[0] in seen, "the upload of somebody else")
    assert (locations[at_once].partition("?")[0] in seen) == (patience_s < 1)
    site.hold.go_on.set()
    assert {(await one)[0] for one in sending} == {202}


async def settled(hold: Hold) -> int:
    """How much has moved once nothing moves any more."""
    seen = -1
    async with asyncio.timeout(20):
        while hold.moved_bytes != seen or not seen:
            seen = hold.moved_bytes
            await asyncio.sleep(0.5)
    return seen


# --- fetching a blob into a file ---


async def test_fetch(images: ClusterImages, tmp_path: Path) -> None:
    digest = await push(images, LARGE)
    await images.fetch(WEB, digest, tmp_path / "source")
    assert (tmp_path / "source").read_bytes() == LARGE
    empty = await push(images, b"")
    await images.fetch(WEB, empty, tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""
    with pytest.raises(FileExistsError):
        await images.fetch(WEB, digest, tmp_path / "source")
    assert (tmp_path / "source").read_bytes() == LARGE


async def test_fetch_goes_on_after_a_cut(images: ClusterImages, site: Site, tmp_path: Path) -> None:
    content = os.urandom(16 * MIB)
    digest = await push(images, content)
    site.hold = Hold("GET")
    fetching = asyncio.ensure_future(images.fetch(WEB, digest, tmp_path / "source"))
    await asyncio.wait_for(site.hold.reached.wait(), 20)
    await until(lambda: (tmp_path / "source").stat().st_size, lambda size: size > 0, "the first bytes of the file")
    await site.stop()
    site.hold = None
    await site.start()
    await asyncio.wait_for(fetching, 30)
    assert (tmp_path / "source").read_bytes() == content
    assert sum(asked.startswith("GET") for asked in site.asked) >= 2


async def test_fetch_tells_what_went_wrong_and_leaves_no_file(
    images: ClusterImages, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await push(images, LARGE)
    wanted = tmp_path / "source"

    async def failure(repository: Repository = WEB, digest: Digest = digest) -> RuntimeFailure:
        with pytest.raises(RuntimeFailure) as caught:
            await images.fetch(repository, digest, wanted)
        assert not wanted.exists()
        return caught.value

    gone = await failure(digest=Digest(digest_of(b"never")))
    assert (gone.cause, "send it again" in gone.detail) == (Cause.IMAGE, True)
    refused = await failure(repository=Repository("q/web"))
    assert (refused.cause, "may not read q/web" in refused.detail) == (Cause.REFUSED, True)
    blob = next(path for path in site.folder.glob("blobs/sha256/*/*") if path.name == digest.partition(":")[2])
    blob.chmod(0o600)
    blob.write_bytes(LARGE[:-1] + bytes([LARGE[-1] ^ 1]))
    damaged = await failure()
    assert (damaged.cause, "something else" in damaged.detail) == (Cause.RUNTIME, True)
    monkeypatch.setattr(fetch, "PATIENCE_S", 0.3)
    await site.stop()
    away = await failure()
    assert (away.cause, "the controller does not answer" in away.detail) == (Cause.RUNTIME, True)
    await site.start()


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.needs("root")
async def test_fetch_to_a_full_disk(images: ClusterImages, full_disk: Path) -> None:
    digest = await push(images, LARGE)
    with pytest.raises(RuntimeFailure, match="the disk is full") as caught:
        await images.fetch(WEB, digest, full_disk / "source")
    assert caught.value.cause is Cause.DISK
    assert os.listdir(full_disk) == []
