"""Server-sent events: numbered frames, and comments that keep an idle connection from being cut.

Source: WHATWG HTML, "Server-sent events".
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import StreamingResponse

from draas.model.errors import Invalid

MEDIA_TYPE = "text/event-stream"
BEAT = b": beat\n\n"


def wants_events(request: Request) -> bool:
    """Whether the caller asked for server-sent events."""
    return MEDIA_TYPE in request.headers.get("accept", "")


def frame(kind: str, data: bytes, id: str = "") -> bytes:
    """One event; `data` is JSON and so has no line breaks of its own."""
    head = f"id: {id}\nevent: {kind}\ndata: " if id else f"event: {kind}\ndata: "
    return head.encode() + data + b"\n\n"


def last_event_id(request: Request, parts: int) -> tuple[int, ...] | None:
    """The numbers of the Last-Event-ID header ("2:17"), None where there is none. Raises Invalid on anything else."""
    given = request.headers.get("last-event-id", "")
    if not given:
        return None
    numbers = given.split(":")
    if len(numbers) != parts or not all(
        number.isascii() and number.isdigit() and len(number) < 19 for number in numbers
    ):
        raise Invalid("Last-Event-ID must be an id that this stream has sent")
    return tuple(map(int, numbers))


def events_response(source: AsyncIterator[bytes], beat_s: float, may: Callable[[], bool]) -> StreamingResponse:
    """`source` as it comes, for as long as the caller `may` see it; a comment after each `beat_s` of silence."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(while_allowed(with_beats(source, beat_s), may), headers=headers, media_type=MEDIA_TYPE)


async def while_allowed(source: AsyncGenerator[bytes, None], may: Callable[[], bool]) -> AsyncIterator[bytes]:
    """`source` until a piece comes that the caller may not see any more, as its key was revoked meanwhile."""
    async with contextlib.aclosing(source):
        async for piece in source:
            if not may():
                return
            yield piece


async def with_beats(source: AsyncIterator[bytes], beat_s: float) -> AsyncGenerator[bytes, None]:
    """The first comment comes at once, so that proxies and clients see the stream open."""
    yield BEAT
    coming: asyncio.Future[bytes | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(source))
            done, _ = await asyncio.wait({coming}, timeout=beat_s)
            if not done:
                yield BEAT
                continue
            piece, coming = coming.result(), None
            if piece is None:
                return
            yield piece
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _next(source: AsyncIterator[bytes]) -> bytes | None:
    return await anext(source, None)
