"""POST /api/builds as a form: spec and source in any order, streamed to disk, and nothing left of what is refused."""

import asyncio
import io
import json
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
from registry_client import RegistryClient, digest_of, registry

from draas.server.api import build_form
from draas.testing.api import put_key, serve_api

SPEC = {"name": "shop", "tags": ["latest"]}
SOURCE = b"pretends to be a tar" * 1000
BOUNDARY = "----x9"
Parts = list[tuple[str, bytes]]


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[RegistryClient]:
    async with registry(tmp_path / "registry") as opened:
        yield opened


def part(name: str, content: bytes, more: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n{more}\r\n'
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def spec(**fields: object) -> bytes:
    return part("spec", json.dumps({**SPEC, **fields}).encode())


async def post(
    images: RegistryClient, body: object, kind: str = f"multipart/form-data; boundary={BOUNDARY}", **headers: str
) -> tuple[int, dict]:
    given = {"Authorization": f"Bearer {images.served.secrets['admin']}", "Content-Type": kind}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession(images.served.url, headers=given) as session,
        session.post("/api/builds", data=body) as answer,
    ):
        return answer.status, await answer.json()


@pytest.mark.parametrize("source_first", [False, True])
@pytest.mark.parametrize("piece_bytes", [1, 7, 1000, 1_000_000])
async def test_the_parts_may_come_in_any_order_and_in_any_pieces(
    images: RegistryClient, source_first: bool, piece_bytes: int
) -> None:
    content = SOURCE[:2000] if piece_bytes == 1 else SOURCE
    content += b"\r\n--" + BOUNDARY.encode()[:-1] + b"\r\n\x00\xff"  # all but a boundary
    parts = [spec(secrets={"npm": "hush"}), part("source", content)]
    body = form(*reversed(parts) if source_first else parts)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), piece_bytes):
            yield body[at : at + piece_bytes]

    status, build = await post(images, pieces())
    assert (status, build["state"], build["source"]) == (201, "queued", {"digest": digest_of(content)})
    assert build["secrets"] == ["npm"]
    kept = await images.ask("GET", f"/v2/default/shop/blobs/{digest_of(content)}")
    assert kept.body == content
    assert len(images.files()) == 2, images.files()  # the blob, and that the repository has it


async def test_what_curl_sends(images: RegistryClient, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("Dockerfile"), io.BytesIO())
    (tmp_path / "shop.tar.gz").write_bytes(packed.getvalue())
    curl = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {images.served.secrets['admin']}",
        "-F", f"spec={json.dumps(SPEC)}", "-F", f"source=@{tmp_path / 'shop.tar.gz'}",
        f"{images.served.url}/api/builds?project=red", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told = json.loads((await curl.communicate())[0])
    assert (told["repository"], told["source"]["digest"]) == ("red/shop", digest_of(packed.getvalue()))


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        (form(spec()), "source", "is required"),
        (form(part("source", SOURCE)), "spec", "is required"),
        (form(), "spec", "is required"),
        (form(spec(), part("source", b"")), "source", "is empty"),
        (form(spec(), part("source", b"x"), part("source", b"y")), "source", "is there twice"),
        (form(spec(), spec(), part("source", b"x")), "spec", "is there twice"),
        (form(part("source", SOURCE), part("sources", b"x")), "sources", "did you mean source?"),
        (form(part("source", SOURCE), part("", b"x")), "", "without a name"),
        (form(part("source", SOURCE), part("spec", b"{")), "spec", "JSON"),
        (form(part("source", SOURCE), part("spec", b'{"name": "Shop"}')), "spec.name", "lower-case"),
        (form(part("source", SOURCE), spec(folder="../x")), "spec.folder", ".."),
        (form(part("source", SOURCE), spec(git="https://example.org/x")), "spec.git", "left out"),
        (form(part("source", SOURCE), spec(source=digest_of(SOURCE))), "spec.source", "left out"),
        (form(part("source", SOURCE), spec(constraints=["x"])), "constraints[0]", "is not a constraint"),
        (form(spec(), part("source", b"eA==", "Content-Transfer-Encoding: base64\r\n")), "source", "is encoded"),
        (form(spec(), part("source", SOURCE))[:-20], "", "ends in the middle"),
        (spec() + part("source", SOURCE), "", "ends in the middle"),
        (b"no form at all", "", "no multipart/form-data"),
        (b"", "", "ends in the middle"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_refused_leaves_nothing(images: RegistryClient, body: bytes, path: str, words: str) -> None:
    status, problem = await post(images, body)
    assert status == 400, problem
    assert [one for one in problem["errors"] if one["path"] == path and words in one["message"]], problem
    assert images.files() == []
    assert images.served.controller.commands == []


async def test_a_form_without_a_boundary(images: RegistryClient) -> None:
    status, problem = await post(images, form(spec()), "multipart/form-data")
    assert (status, "boundary" in problem["detail"]) == (400, True)
    status, problem = await post(images, b"a=b", "application/x-www-form-urlencoded")
    assert status == 415


async def test_what_is_too_large_is_refused_while_it_comes(
    images: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_form, "MAX_SOURCE_BYTES", 3 * 1024 * 1024)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield spec() + part("source", b"")[:-2]
        while sent < 100 * 1024 * 1024:
            sent += 65536
            yield b"x" * 65536

    status, problem = await post(images, endless())
    assert (status, ".dockerignore" in problem["detail"]) == (413, True)
    assert sent < 100 * 1024 * 1024
    status, _ = await post(images, form(part("source", b"x"), part("spec", b" " * (1024 * 1024 + 1))))
    assert status == 413
    monkeypatch.setattr(build_form, "MAX_FORM_BYTES", 100)
    status, _ = await post(images, form(spec(), part("source", SOURCE)))
    assert status == 413
    assert images.files() == []


async def test_a_connection_that_is_cut_leaves_nothing(images: RegistryClient) -> None:
    body = spec() + part("source", SOURCE * 200)
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    await images.cut("POST", "/api/builds", body, len(body) + 100, Content_Type=kind)
    async with asyncio.timeout(10):
        while images.files():  # noqa: ASYNC110 - the other side notices when it does
            await asyncio.sleep(0.01)
    assert images.served.controller.commands == []


async def test_a_repeated_key_makes_one_build(images: RegistryClient) -> None:
    body = form(spec(secrets={"npm": "hush"}), part("source", SOURCE))
    first = await post(images, body, Idempotency_Key="k")
    before = images.files()
    assert await post(images, body, Idempotency_Key="k") == first
    assert len(images.served.controller.commands) == 1
    status, _ = await post(images, form(spec(), part("source", b"other")), Idempotency_Key="k")
    assert status == 409
    assert images.files() == before


async def test_who_may_not_sends_nothing(images: RegistryClient) -> None:
    key = await put_key(images.served.controller, "viewer")
    status, _ = await post(images, form(spec(), part("source", SOURCE)), Authorization=f"Bearer {key}")
    assert status == 403
    assert images.files() == []


async def test_without_a_registry_there_is_no_place_for_it() -> None:
    async with serve_api() as served, aiohttp.ClientSession(served.url) as session:
        headers = {"Authorization": f"Bearer {served.secrets['admin']}"}
        data = aiohttp.FormData({"spec": json.dumps(SPEC), "source": io.BytesIO(SOURCE)})
        async with session.post("/api/builds", data=data, headers=headers) as answer:
            assert (answer.status, "keeps no images" in (await answer.json())["detail"]) == (503, True)


async def test_a_large_form_takes_little_memory(images: RegistryClient) -> None:
    total, me = 200 * 1024 * 1024, psutil.Process()
    before, most = me.memory_info().rss, 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal most
        yield part("source", b"")[:-2]
        for _ in range(total // (256 * 1024)):
            yield b"x" * (256 * 1024)
            most = max(most, me.memory_info().rss - before)
        yield b"\r\n" + form(spec())

    status, build = await post(images, pieces())
    assert status == 201, build
    assert most < 80 * 1024 * 1024, most
