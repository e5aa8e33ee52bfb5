"""GET /api/events: what happens, as server-sent events, from a given number on or from now."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from draas.server.api import render, sse
from draas.server.api.document import answers
from draas.server.api.guard import GuardedRoute, api_of, key_of, permission_of
from draas.server.services.controller import Controller

router = APIRouter(route_class=GuardedRoute, tags=["events"])


class EventQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: int | None = Field(None, ge=0, le=2**62, description="events after this number; default: from now on")


@router.get(
    "/api/events",
    summary="Follow events; resumable with Last-Event-ID",
    responses=answers({200: sse.MEDIA_TYPE}, 400, 401, 403, 503),
)
async def events(request: Request, query: Annotated[EventQuery, Query()]) -> Response:
    api = api_of(request)
    resume = sse.last_event_id(request, parts=1)
    asked = query.since if query.since is not None else api.controller.last_event
    after = resume[0] if resume is not None else asked
    return sse.events_response(
        _frames(api.controller, after, key_of(request).project), api.config.beat_s, permission_of(request)
    )


async def _frames(controller: Controller, after: int, project: str | None) -> AsyncIterator[bytes]:
    yield f"id: {after}\n\n".encode()  # so that a connection cut before the first event is resumed without a gap
    async for numbered in controller.follow_events(after, project):
        yield sse.frame(numbered.event.kind, render.encode(render.render_event(numbered)), str(numbered.number))
