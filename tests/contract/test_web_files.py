"""The dashboard's files as they are served: headers, coding, caching, and paths that must lead nowhere."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from draas.server.api.app import create_app
from draas.server.api.config import ApiConfig
from draas.server.web.assets import accepted_codings, find_assets
from draas.testing.fake_controller import FakeController
from draas.testing.serving import serve

PAGE = '<!doctype html><meta name="csp-nonce" content="__NONCE__"><script src="/dashboard/assets/a-1.js"></script>'
SCRIPT = "console.log(1);" * 50


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "assets" / "a-1.js").write_text(SCRIPT)
    (folder / "assets" / "a-1.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (folder / "assets" / "a-1.js.br").write_bytes(b"as brotli")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture
async def url(built: Path) -> AsyncIterator[str]:
    async with serve(create_app(FakeController(), ApiConfig(), web=built)) as started:
        yield started


async def get(url: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession(auto_decompress=False, headers={"Accept-Encoding": "identity"}) as session,
        session.get(url + path, headers=sent, allow_redirects=False) as response,
    ):
        return response.status, {k.lower(): v for k, v in response.headers.items()}, await response.read()


async def test_every_address_under_dashboard_is_the_page(url: str) -> None:
    for path in (
        "/dashboard",
        "/dashboard/",
        "/dashboard/jobs/j-1?x=1",
        "/dashboard/index.html",
        "/dashboard/api/jobs",
    ):
        status, headers, body = await get(url, path)
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8"), path
        assert "no-cache" in headers["cache-control"]
        assert b"__NONCE__" not in body
    for path, target in (("/", "/dashboard"), ("/sign-in", "/dashboard/sign-in")):
        status, headers, _ = await get(url, path)
        assert (status, headers["location"]) == (307, target)


async def test_the_page_may_run_and_load_nothing_but_our_own(url: str) -> None:
    nonces = set()
    for _ in range(3):
        _, headers, body = await get(url, "/dashboard")
        rules = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
        assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
        assert rules["script-src"] == rules["connect-src"] == rules["font-src"] == rules["form-action"] == "'self'"
        assert rules["img-src"] == "'self' data:"
        own, nonce = rules["style-src"].split(" ")
        assert own == "'self'"
        assert nonce[1:-1].removeprefix("nonce-") in body.decode()
        assert "unsafe" not in headers["content-security-policy"]
        nonces.add(nonce)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
    assert len(nonces) == 3, "a nonce is used once"


async def test_files_with_a_hash_are_kept_for_ever_and_others_are_asked_for(url: str) -> None:
    _, headers, body = await get(url, "/dashboard/assets/a-1.js")
    assert "immutable" in headers["cache-control"]
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert body.decode() == SCRIPT
    _, icon, _ = await get(url, "/dashboard/icon.svg")
    assert icon["cache-control"] == "no-cache"
    status, _, body = await get(url, "/dashboard/icon.svg", If_None_Match=icon["etag"])
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("GZIP;q=0.5", "gzip"), ("br;q=0, gzip;q=1", "gzip"), ("br;q=0.0", None), ("", None), ("zstd", None)],
)  # fmt: skip
async def test_the_best_coding_that_the_browser_takes(url: str, accepted: str, coding: str | None) -> None:
    _, headers, body = await get(url, "/dashboard/assets/a-1.js", Accept_Encoding=accepted)
    assert headers.get("content-encoding") == coding
    assert headers["vary"] == "accept-encoding"
    expected = {"br": b"as brotli", "gzip": gzip.compress(SCRIPT.encode())}.get(coding or "", SCRIPT.encode())
    assert gzip.decompress(body) == SCRIPT.encode() if coding == "gzip" else body == expected


def test_codings_are_read() -> None:
    assert accepted_codings("gzip, br;q=0.1 , x;q=0") == {"gzip", "br"}


TRAVERSALS = [
    "/dashboard/../secret.txt", "/dashboard/..%2fsecret.txt", "/dashboard/%2e%2e/secret.txt", "/dashboard/assets/../../secret.txt",
    "/dashboard/..\\secret.txt", "/dashboard/%2e%2e%5csecret.txt", "/dashboard//etc/passwd", "/dashboard/%2fetc/passwd",
    "/dashboard/link.txt", "/dashboard/assets/a-1.js%00.html", "/dashboard/....//secret.txt", "/dashboard/%252e%252e/secret.txt",
    "/dashboard/assets/..;/../secret.txt", "/dashboard/assets", "/dashboard/assets/",
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
async def test_no_path_leads_out(url: str, path: str) -> None:
    """Sent byte for byte: clients tidy such paths up."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        connection.settimeout(10)
        answer = await asyncio.to_thread(_read_all, connection)
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2]
    assert b"root:" not in answer
    status = int(answer.split(b" ", 2)[1])
    assert status in (200, 400, 404)
    if status == 200:
        assert b"csp-nonce" in answer, "the page, which says that there is no such address"


def _read_all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def test_links_that_lead_out_are_no_assets(built: Path) -> None:
    assert sorted(find_assets(built)) == ["assets/a-1.js", "icon.svg", "index.html"]


async def test_a_missing_asset_is_missing(url: str) -> None:
    status, headers, _ = await get(url, "/dashboard/assets/old-0.js")
    assert (status, headers["cache-control"]) == (404, "no-store")


async def test_without_a_build_a_page_says_how_to_build(tmp_path: Path) -> None:
    async with serve(create_app(FakeController(), ApiConfig(), web=tmp_path / "absent")) as url:
        status, headers, body = await get(url, "/dashboard")
        assert status == 200
        assert b"web/build.py" in body
        assert "default-src 'none'" in headers["content-security-policy"]
