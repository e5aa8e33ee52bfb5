"""Logs and events over HTTP: whole, in part, followed, and resumed after a cut."""

import asyncio

import aiohttp
import pytest

from draas.client.api import Client, Followed
from draas.model.errors import Invalid, NotFound
from draas.model.job import JobId
from draas.testing.api import Served, make_node, serve_api
from draas.wire.records import Stream


@pytest.fixture
async def served():
    async with serve_api() as started:
        yield started


@pytest.fixture
async def client(served: Served):
    async with Client(served.settings(), patience_s=5) as opened:
        yield opened


async def running(served: Served, client: Client) -> tuple[JobId, str]:
    id = JobId((await client.submit({"command": "x"}))["id"])
    return id, await served.controller.start(id, make_node())


async def text(client: Client, id: str, **query) -> bytes:
    return b"".join([piece async for piece in client.logs(id, **query)])


async def gather(client: Client, id: str, into: list[Followed], **query) -> None:
    async for seen in client.follow(id, **query):
        into.append(seen)


def lines(seen: list[Followed]) -> list[str]:
    return [one.line["text"] for one in seen if one.line is not None]


class Seen(list):
    """A list that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._grew = asyncio.Event()

    def append(self, one) -> None:
        super().append(one)
        self._grew.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self) < count:
                self._grew.clear()
                await self._grew.wait()


async def test_text_is_what_was_written(served: Served, client: Client) -> None:
    id, attempt = await running(served, client)
    logs = served.controller.logs
    assert await text(client, id) == b""
    await logs.write(attempt, b"a\n\xff\x00b\n", at=100)
    await logs.write(attempt, b"err\n", Stream.STDERR, at=200)
    await logs.write(attempt, b"tail", at=300)
    assert await text(client, id) == b"a\n\xff\x00b\nerr\ntail"
    assert await text(client, id, stream="stderr") == b"err\n"
    assert await text(client, id, tail=2) == b"err\ntail"
    assert await text(client, id, tail=0) == b""
    assert await text(client, id, grep="^(a|e)") == b"a\nerr\n"
    assert await text(client, id, since="150") == b"err\ntail"
    assert await text(client, id, since="1970-01-01T00:04:00Z") == b"tail"
    assert await text(client, id, since="10m") == b""


async def test_each_attempt_has_its_own_output(served: Served, client: Client) -> None:
    id, first = await running(served, client)
    await served.controller.logs.write(first, b"one\n")
    await served.controller.finish(id, 1, again=True)
    second = await served.controller.start(id, make_node())
    await served.controller.logs.write(second, b"two\n")
    assert await text(client, id) == b"two\n"
    assert await text(client, id, attempt=1) == b"one\n"
    with pytest.raises(NotFound, match="2 attempts"):
        await text(client, id, attempt=3)


async def asked(served: Served, path: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {served.secrets['viewer']}"}
    async with aiohttp.ClientSession(served.url, headers=headers) as session, session.get(path) as response:
        return response.status, await response.text()


async def test_a_range_of_lines_by_their_numbers(served: Served, client: Client) -> None:
    id, attempt = await running(served, client)
    await served.controller.logs.write(attempt, b"".join(b"line %d\n" % number for number in range(1, 11)))
    assert await asked(served, f"/api/jobs/{id}/logs?after=3&limit=2") == (200, "line 4\nline 5\n")
    assert await asked(served, f"/api/jobs/{id}/logs?after=9") == (200, "line 10\n")
    assert await asked(served, f"/api/jobs/{id}/logs?after=10&limit=5") == (200, "")
    assert await asked(served, f"/api/jobs/{id}/logs?limit=1&grep=[89]") == (200, "line 8\n")
    for wrong in ("limit=5&tail=5", "limit=5&follow=true", "limit=0"):
        status, told = await asked(served, f"/api/jobs/{id}/logs?{wrong}")
        assert (status, '"path":"limit"' in told.replace(" ", "")) == (400, True), told


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"since": "yesterday"}, "since"),
        ({"grep": "("}, "grep"),
        ({"tail": -1}, "tail"),
        ({"attempt": 0}, "attempt"),
        ({"stream": "stdin"}, "stream"),
    ],
)
async def test_bad_questions(served: Served, client: Client, query: dict, path: str) -> None:
    id, _ = await running(served, client)
    with pytest.raises(Invalid) as caught:
        await text(client, id, **query)
    assert caught.value.faults[0].path == path


async def test_following_waits_for_a_queued_job_and_goes_on_over_retries(served: Served, client: Client) -> None:
    id = JobId((await client.submit({"command": "x"}))["id"])
    seen = Seen()
    following = asyncio.ensure_future(gather(client, id, seen))
    begun = asyncio.Event()
    whole = asyncio.ensure_future(follow_text(served, id, begun))
    first = await served.controller.start(id, make_node())
    await served.controller.logs.write(first, b"one\n")
    await seen.until(2)
    await asyncio.wait_for(begun.wait(), 10)
    await served.controller.finish(id, 1, again=True)
    second = await served.controller.start(id, make_node("node-b"))
    await served.controller.logs.write(second, b"two\nrest")
    await served.controller.finish(id, 0)
    await asyncio.wait_for(following, 10)
    assert [one.kind for one in seen] == ["attempt", "line", "attempt", "line", "line", "end"]
    assert lines(seen) == ["one", "two", "rest"]
    assert seen[2].about["node"] == "node-b"
    assert (seen[-1].about["state"], seen[-1].about["exit_code"]) == ("succeeded", 0)
    assert await asyncio.wait_for(whole, 10) == b"one\ntwo\nrest"


async def follow_text(served: Served, id: str, begun: asyncio.Event) -> bytes:
    """The whole answer; `begun` is set when its first bytes are here."""
    headers = {"Authorization": f"Bearer {served.secrets['viewer']}"}
    async with (
        aiohttp.ClientSession(served.url, headers=headers) as session,
        session.get(f"/api/jobs/{id}/logs?follow=true") as response,
    ):
        assert response.content_type == "text/plain"
        first = await response.content.readany()
        begun.set()
        return first + await response.content.read()


async def test_a_cut_stream_is_resumed_where_it_was(served: Served) -> None:
    """A proxy that cuts the connection after each 300 bytes of answer: every line arrives once, in order."""
    cuts = 0

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal cuts
        port = int(served.url.rsplit(":", 1)[1])
        upstream, out = await asyncio.open_connection("127.0.0.1", port)
        out.write(await reader.readuntil(b"\r\n\r\n"))
        left = 900
        while left > 0 and (piece := await upstream.read(left)):
            left -= len(piece)
            writer.write(piece)
            await writer.drain()
        cuts += left == 0
        out.close()
        writer.close()

    proxy = await asyncio.start_server(carry, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with proxy, Client(served.settings(), patience_s=5) as direct:
        id, attempt = await running(served, direct)
        await served.controller.logs.write(attempt, b"".join(b"line %d\n" % at for at in range(50)))
        await served.controller.finish(id, 0)
        settings = type(served.settings())(url=url, key=served.secrets["viewer"])
        seen = Seen()
        async with Client(settings, patience_s=20) as client:
            await asyncio.wait_for(gather(client, id, seen), 30)
    assert lines(seen) == [f"line {at}" for at in range(50)]
    assert cuts > 3


async def test_an_idle_stream_beats(served: Served, client: Client) -> None:
    id, _ = await running(served, client)
    headers = {"Authorization": f"Bearer {served.secrets['viewer']}", "Accept": "text/event-stream"}
    async with (
        aiohttp.ClientSession(served.url, headers=headers) as session,
        session.get(f"/api/jobs/{id}/logs?follow=true") as response,
    ):
        held = b""
        async with asyncio.timeout(10):
            while held.count(b": beat\n\n") < 3:
                held += await response.content.readany()
        assert response.content_type == "text/event-stream"


async def test_a_deleted_job_ends_its_followers(served: Served, client: Client) -> None:
    id = JobId((await client.submit({"command": "x"}))["id"])
    seen = Seen()
    following = asyncio.ensure_future(gather(client, id, seen))
    await asyncio.sleep(0)
    await client.cancel(id)
    await client.delete(id)
    try:
        await asyncio.wait_for(following, 10)
        assert seen[-1].about["state"] in ("cancelled", "deleted")
    except NotFound:
        pass  # deleted before the first question


async def test_events_from_a_number_on_and_live(served: Served, client: Client) -> None:
    first = await client.submit({"command": "x"})
    seen = Seen()

    async def watch() -> None:
        async for event in client.events(since=0):
            seen.append(event)
            if len(seen) == 2:
                return

    watching = asyncio.ensure_future(watch())
    await seen.until(1)
    second = await client.submit({"command": "y"})
    await asyncio.wait_for(watching, 10)
    assert [(event["number"], event["kind"], event["subject"]) for event in seen] == [
        (1, "job.queued", first["id"]),
        (2, "job.queued", second["id"]),
    ]


async def test_bad_event_ids_are_refused(served: Served) -> None:
    headers = {"Authorization": f"Bearer {served.secrets['viewer']}", "Last-Event-ID": "x"}
    async with aiohttp.ClientSession(served.url, headers=headers) as session, session.get("/api/events") as response:
        assert response.status == 400
