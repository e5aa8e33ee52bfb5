"""GET /api/jobs/{id}/logs: an attempt's output as it was written, or as numbered events; whole, in part, or followed.

Without `attempt` it is the latest one. Following goes on with each further attempt until the job has ended, and waits
for the first one of a job that is still queued; with `attempt` it ends with that attempt.
"""

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from draas.lib import clock
from draas.model.allocation import Allocation
from draas.model.errors import Fault, Invalid, NotFound
from draas.model.job import Job, JobId, JobKind
from draas.server.api import render, sse
from draas.server.api.document import answers
from draas.server.api.guard import GuardedRoute, api_of, find_job, permission_of
from draas.server.api.jobs import Id
from draas.server.api.since import parse_since
from draas.server.services.controller import Controller
from draas.store import logs as stored
from draas.store.grep import compile_grep
from draas.store.logs import Line
from draas.wire.records import Stream
from draas.wire.views import LinePart

router = APIRouter(route_class=GuardedRoute, tags=["jobs"])
StreamName = Literal["stdout", "stderr", "notice"]

_DATA, _PARTIAL = attrgetter("data"), attrgetter("partial")


class LogQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    attempt: int | None = Field(None, ge=1, le=10_000, description="default: the latest")
    stream: StreamName | None = None
    tail: int | None = Field(None, ge=0, le=1_000_000, description="only the last N lines that match")
    since: str | None = Field(None, max_length=64, description="RFC 3339, Unix seconds, or an age such as 10m")
    grep: str | None = Field(None, max_length=512, description="a regular expression (RE2) that lines must match")
    after: int | None = Field(None, ge=0, le=2**53, description="only lines behind the one of this number")
    limit: int | None = Field(None, ge=1, le=1_000_000, description="the first N lines that match, and no more")
    follow: bool = False


@router.get(
    "/api/jobs/{id}/logs",
    summary="Output of a job: text, or numbered events with Accept: text/event-stream",
    responses=answers({200: "text/plain text/event-stream"}, 400, 401, 403, 404, 503),
)
async def logs(request: Request, id: Id, query: Annotated[LogQuery, Query()]) -> Response:
    return await serve_output(request, id, query, JobKind.JOB)


async def serve_output(request: Request, id: JobId, query: LogQuery, kind: JobKind) -> Response:
    """The output of a job or build. Raises NotFound."""
    api, wants_events = api_of(request), sse.wants_events(request)
    job = await find_job(request, id, kind)
    resume = sse.last_event_id(request, parts=2) if wants_events else None
    wanted = parse_query(query.stream, query.tail, query.since, query.grep, clock.now())
    if query.after is not None or query.limit is not None:
        wanted = _narrow(wanted, query)
    start = resume[0] if resume is not None and query.attempt is None else query.attempt or _latest(job)
    if (
        start > len(job.attempts)
        and (not query.follow or job.ended)
        and (query.attempt is not None or resume is not None)
    ):
        raise NotFound(f"{kind} {job.id} has {len(job.attempts)} attempts: there is no attempt {start}")
    if resume is not None and resume[0] == start:
        wanted = replace(wanted, after_line=resume[1], tail=None)
    attempts = _attempts(api.controller, job, start, follow=query.follow, only=query.attempt is not None)
    if wants_events:
        return sse.events_response(
            _events(api.controller, job, attempts, wanted, query.follow), api.config.beat_s, permission_of(request)
        )
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    pieces = _text(api.controller, attempts, wanted, query.follow)
    return StreamingResponse(pieces, headers=headers, media_type="text/plain; charset=utf-8")


def parse_query(
    stream: StreamName | None,
    tail: int | None,
    since: str | None,
    grep: str | None,
    now: float,
    until: str | None = None,
) -> stored.Query:
    """What the log store is asked. Raises Invalid where a time or an expression means nothing."""
    if grep is not None:
        compile_grep(grep)
    return stored.Query(
        stream=Stream[stream.upper()] if stream is not None else None,
        tail=tail,
        since=parse_since(since, now) if since else None,
        until=parse_since(until, now, "until") if until else None,
        grep=grep or None,
    )


def _narrow(wanted: stored.Query, query: LogQuery) -> stored.Query:
    """A range of one attempt's lines. Raises Invalid where it could not be one."""
    if query.limit is not None and (query.tail is not None or query.follow):
        told = "counts from the first line on and then ends: not together with tail or follow"
        raise Invalid("the request is not valid", (Fault("limit", told),))
    return replace(wanted, after_line=query.after or 0, limit=query.limit)


def _latest(job: Job) -> int:
    return max(1, len(job.attempts))


async def _attempts(
    controller: Controller, job: Job, start: int, *, follow: bool, only: bool
) -> AsyncIterator[Allocation]:
    """The attempts from number `start`, each as soon as it is there; without `follow` the one that is there now."""
    number = start
    while True:
        if number <= len(job.attempts):
            yield job.attempts[number - 1]
            if only or not follow:
                return
            number += 1
            job = await controller.job(job.id)
        elif job.ended or not follow:
            return
        else:
            job = await controller.changed_job(job.id, job)


async def _text(
    controller: Controller, attempts: AsyncIterator[Allocation], wanted: stored.Query, follow: bool
) -> AsyncIterator[bytes]:
    try:
        async for attempt in attempts:
            async for lines in controller.logs.read(attempt.id, wanted, follow):
                yield join_lines(lines)
            wanted = replace(wanted, after_line=0, tail=None)
    except NotFound:
        return  # deleted while it was followed: there is no more


def join_lines(lines: Sequence[Line]) -> bytes:
    """The text that these lines were."""
    if any(map(_PARTIAL, lines)):
        return b"".join([line.data if line.partial else line.data + b"\n" for line in lines])
    return b"\n".join([*map(_DATA, lines), b""])


async def _events(
    controller: Controller, job: Job, attempts: AsyncIterator[Allocation], wanted: stored.Query, follow: bool
) -> AsyncIterator[bytes]:
    try:
        async for attempt in attempts:
            about = {"attempt": attempt.number, "id": attempt.id, "node": attempt.node_name}
            yield sse.frame("attempt", render.encode(about))
            async for lines in controller.logs.read(attempt.id, wanted, follow):
                yield b"".join([_line_event(attempt.number, line) for line in lines])
            wanted = replace(wanted, after_line=0, tail=None)
        job = await controller.job(job.id)
    except NotFound:
        yield sse.frame("end", render.encode({"state": "deleted", "exit_code": None}))
        return
    summary = render.render_summary(job)
    yield sse.frame("end", render.encode({name: summary[name] for name in ("state", "reason", "cause", "exit_code")}))


def _line_event(attempt: int, line: Line) -> bytes:
    return sse.frame("line", render.encode({"attempt": attempt, **render_line(line)}), f"{attempt}:{line.number}")


def render_line(line: Line) -> LinePart:
    """A line but for whose it is."""
    view: LinePart = {
        "line": line.number,
        "at": clock.rfc3339(line.at_ms / 1000),
        "stream": Stream(line.stream).name.lower(),
        "text": line.data.decode(errors="replace"),
        "partial": line.partial,
    }
    if "\ufffd" in view["text"] and view["text"].encode() != line.data:
        view["base64"] = base64.b64encode(line.data).decode()
    return view
