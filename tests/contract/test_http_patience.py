"""The server's HTTP under connections that never come to an end: half heads, endless heads, endless bodies, packed bodies."""

import asyncio
import contextlib
import json
import resource
from collections.abc import AsyncIterator

import pytest

from draas.server import http
from draas.server.api import bodies
from draas.testing.api import Served, serve_api

BODY = b"Host: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_api() as started:
        yield started


async def opened(served: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(served.url.rsplit(":", 1)[1]))


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict]:
    """The one answer that comes before the connection is closed. Fails where it stays open."""
    held = b""
    with contextlib.suppress(ConnectionError):  # cut while we were still sending
        async with asyncio.timeout(20):
            while piece := await reader.read(65536):
                held += piece
    head, _, body = held.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head.lower(), head
    return int(head.split()[1]), json.loads(body)


def head(served: Served, path: bytes, more: bytes) -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\n" + BODY % served.secrets["admin"].encode() + more + b"\r\n"


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_head_that_does_not_come_is_given_up(
    served: Served, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(http, "HEAD_S", 0.2)
    reader, writer = await opened(served)
    writer.write(start)
    status, problem = await answer(reader)
    assert (status, problem["status"]) == (408, 408)
    assert "0 s" in problem["detail"]
    writer.close()


async def test_dribbling_between_requests_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_S", 0.3)
    reader, writer = await opened(served)
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"ready")
    closed = asyncio.ensure_future(reader.read())
    async with asyncio.timeout(20):
        while not closed.done():
            writer.write(b"\r\n")
            await asyncio.wait({closed}, timeout=0.05)
    assert b"408" in closed.result()
    writer.close()


@pytest.mark.parametrize("piece", [b"X-Many: " + b"y" * 1000 + b"\r\n", b"y" * 1000])
async def test_a_head_without_end_is_refused_and_not_kept(served: Served, piece: bytes) -> None:
    reader, writer = await opened(served)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
    answering = asyncio.ensure_future(answer(reader))
    async with asyncio.timeout(20):
        while not answering.done():
            writer.write(piece)
            await asyncio.wait({answering}, timeout=0)
    status, problem = answering.result()
    assert status == 431
    assert "65536 bytes" in problem["detail"]
    writer.close()


async def test_a_body_that_does_not_come_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_S", 0.2)
    monkeypatch.setattr(http, "REST_S", 0.2)
    for framing in (b"Transfer-Encoding: chunked\r\n", b"Content-Length: 1000\r\n"):
        reader, writer = await opened(served)
        writer.write(head(served, b"/api/jobs", framing) + (b"1\r\n{\r\n" if b"chunked" in framing else b"{"))
        status, problem = await answer(reader)
        assert status == 408
        assert "batches" in problem["detail"]
        writer.close()
    assert served.controller.commands == []


async def test_a_body_without_end_is_refused_and_then_cut(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """413 as soon as the limit is passed; what comes after is not kept, and not read for ever."""
    monkeypatch.setattr(http, "REST_S", 0.5)
    reader, writer = await opened(served)
    writer.write(head(served, b"/api/jobs/batch", b"Transfer-Encoding: chunked\r\n"))
    answering = asyncio.ensure_future(answer(reader))
    piece = b"100000\r\n" + b" " * 1024 * 1024 + b"\r\n"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with asyncio.timeout(60):
        while not answering.done():
            writer.write(piece)
            await asyncio.wait({answering, asyncio.ensure_future(drained(writer))}, return_when=asyncio.FIRST_COMPLETED)
    assert answering.result()[0] == 413
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 3 * bodies.BATCH_BYTES / 1e6
    writer.close()


async def drained(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.drain()
    except ConnectionError:
        await asyncio.sleep(0.01)


async def test_an_announced_body_is_refused_before_it_is_sent(served: Served) -> None:
    """100 MB, and not one byte of them: the answer comes at once, also to who asks first (Expect)."""
    for more in (b"", b"Expect: 100-continue\r\n"):
        reader, writer = await opened(served)
        writer.write(head(served, b"/api/jobs/batch", b"Connection: close\r\nContent-Length: 104857600\r\n" + more))
        status, problem = await answer(reader)
        assert (status, "64 MiB" in problem["detail"]) == (413, True)
        writer.close()


async def test_packed_bodies_are_refused_unread(served: Served) -> None:
    for coding in (b"gzip", b"deflate", b"br", b"gzip, identity"):
        reader, writer = await opened(served)
        more = b"Connection: close\r\nContent-Length: 5000\r\nContent-Encoding: " + coding + b"\r\n"
        writer.write(head(served, b"/api/jobs", more))
        status, problem = await answer(reader)
        assert (status, "Content-Encoding" in problem["detail"]) == (415, True)
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_told_so(served: Served, sent: bytes) -> None:
    reader, writer = await opened(served)
    writer.write(sent)
    assert (await answer(reader))[0] == 400
    writer.close()
