"""GET /api/apps/{name}/logs: the output of an app's replicas, merged or of one, as text or as numbered events.

Merged, it is that of the replicas that are there now (of the last that ended, where there is none); with `past` also of
those that have ended. Followed, replicas that come are added, until the app is removed.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from draas.lib import clock
from draas.model.app import App
from draas.model.errors import Fault, Invalid, NotFound
from draas.model.replica import Replica
from draas.server.api import sse
from draas.server.api.apps import Name, visible_app
from draas.server.api.document import answers
from draas.server.api.guard import GuardedRoute, api_of, key_of, permission_of
from draas.server.api.logs import StreamName, parse_query, render_line
from draas.server.api.render import encode
from draas.server.services.merged_logs import MergedLogs, Positions, ReplicaLine, lines_of_one, number_of
from draas.server.services.merged_search import MergedSearch
from draas.wire.app_views import AppLogLineView

router = APIRouter(route_class=GuardedRoute, tags=["apps"])
MAX_POSITIONS = 1_000
_POSITION = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")


class AppLogQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    replica: str | None = Field(None, max_length=128, description="id or number; default: all that are there, merged")
    past: bool = Field(False, description="also those that have ended")
    stream: StreamName | None = None
    tail: int | None = Field(None, ge=0, le=100_000, description="only the last N lines that match")
    since: str | None = Field(None, max_length=64, description="RFC 3339, Unix seconds, or an age such as 10m")
    until: str | None = Field(None, max_length=64, description="only lines before this time; not with follow")
    grep: str | None = Field(None, max_length=512, description="a regular expression (RE2) that lines must match")
    context: int = Field(
        0, ge=0, le=50, description="so many lines of the same replica before and behind each match; with grep"
    )
    follow: bool = False


@router.get(
    "/api/apps/{name}/logs",
    summary="Output of an app: text, or numbered events with Accept: text/event-stream",
    responses=answers({200: "text/plain text/event-stream"}, 400, 401, 403, 404, 503),
)
async def logs(request: Request, name: Name, query: Annotated[AppLogQuery, Query()]) -> Response:
    api, wants_events = api_of(request), sse.wants_events(request)
    app = await visible_app(api.controller, key_of(request), name)
    wanted = parse_query(query.stream, query.tail, query.since, query.grep, clock.now(), query.until)
    if query.until is not None and query.follow:
        raise Invalid("the request is not valid", (Fault("until", "has an end: not together with follow"),))
    after = _positions(request.headers.get("last-event-id", "")) if wants_events else {}
    if after:
        wanted = replace(wanted, tail=None)
    one = _find(app, query.replica) if query.replica is not None else None
    if query.context and wanted.grep is not None:
        chosen = [one] if one is not None else _choose(app, after, past=query.past)
        search = MergedSearch(api.controller, app, chosen, wanted, after, query.context, is_one=one is not None)
        lines = search.lines(query.follow)
    elif one is not None:  # its output has an end; that of an app goes on with its next replica
        lines = lines_of_one(api.controller.logs, one, wanted, after, follow=query.follow)
    else:
        chosen = _choose(app, after, past=query.past)
        lines = MergedLogs(api.controller, app, chosen, wanted, after).lines(query.follow)
    if wants_events:
        return sse.events_response(_events(lines), api.config.beat_s, permission_of(request))
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    pieces = _text(lines, app.name if one is None else "")
    return StreamingResponse(pieces, headers=headers, media_type="text/plain; charset=utf-8")


def _positions(given: str) -> Positions:
    """The Last-Event-ID header ("3:17,4:2"): how far each replica's output was read. Raises Invalid on anything else."""
    pairs = [_POSITION.fullmatch(part) for part in given.split(",")[: MAX_POSITIONS + 1]] if given else []
    if len(pairs) > MAX_POSITIONS or not all(pairs):
        raise Invalid("Last-Event-ID must be an id that this stream has sent")
    return {int(pair[1]): int(pair[2]) for pair in pairs if pair is not None}


def _find(app: App, wanted: str) -> Replica:
    """By id, number or NAME.NUMBER. Raises NotFound."""
    names = {wanted, wanted.removeprefix(f"{app.name}.")}
    for replica in (*app.replicas, *app.past):
        if replica.id == wanted or str(number_of(replica)) in names:
            return replica
    raise NotFound(f"app {app.name} has no replica {wanted!r}, or not any more: see draas apps show {app.name}")


def _choose(app: App, after: Positions, *, past: bool) -> list[Replica]:
    """Whose output is merged. Who resumes also gets what has come and gone since."""
    if after:
        newest = max(after)
        everything = (*app.past, *app.replicas)
        return [replica for replica in everything if number_of(replica) in after or number_of(replica) > newest]
    if past:
        return [*app.past, *app.replicas]
    ended = sorted(app.past, key=number_of)
    return list(app.replicas) or ended[-1:]


async def _events(lines: AsyncIterator[ReplicaLine]) -> AsyncIterator[bytes]:
    async for one in lines:
        ids = ",".join(f"{number}:{line}" for number, line in one.positions.items())
        yield sse.frame("line", encode(_view(one)), ids)
    yield sse.frame("end", encode({"state": "ended"}))


def _view(one: ReplicaLine) -> AppLogLineView:
    replica = one.replica
    return {
        "replica": replica.id,
        "number": number_of(replica),
        "node": replica.allocation.node_name,
        "match": one.is_match,
        **render_line(one.line),
    }


async def _text(lines: AsyncIterator[ReplicaLine], name: str) -> AsyncIterator[bytes]:
    """Each line behind its replica's name where `name` is the app's, so that no piece of one is taken for another's."""
    open_number = 0  # whose line has no end yet
    async for replica, line, _, _ in lines:
        number = number_of(replica)
        piece = b""
        if name and open_number and open_number != number:
            piece, open_number = b"\n", 0
        if name and not open_number:
            piece += f"{name}.{number} | ".encode()
        yield piece + (line.data if line.partial else line.data + b"\n")
        open_number = number if line.partial else 0
