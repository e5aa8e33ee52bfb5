"""GET /api/events: what happens, as server-sent events, from a given number on or from now.

With `app` also that app at each change, as GET /api/apps/{name}/watch has it, so that a page needs one connection for both: browsers
allow six to a host.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from draas.lib.tasks import Tasks
from draas.model.errors import DraasError, NotFound
from draas.server.api import render, sse
from draas.server.api.app_watch import app_views
from draas.server.api.apps import visible_app
from draas.server.api.document import answers
from draas.server.api.guard import GuardedRoute, api_of, key_of, permission_of
from draas.server.services.controller import Controller
from draas.store.store import StoreFailure

router = APIRouter(route_class=GuardedRoute, tags=["events"])
QUEUED = 16  # frames that wait for the connection; what makes them waits while it is full


class EventQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: int | None = Field(None, ge=0, le=2**62, description="events after this number; default: from now on")
    app: str | None = Field(
        None,
        max_length=128,
        description="also this app's view at each change, as events `watched` without a number, and `unwatched` where it is not there (any "
        "more)",
    )


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
    frames = _frames(api.controller, after, key_of(request).project)
    if query.app is not None:
        frames = _together(frames, _watched(request, query.app))
    return sse.events_response(frames, api.config.beat_s, permission_of(request))


async def _frames(controller: Controller, after: int, project: str | None) -> AsyncIterator[bytes]:
    yield f"id: {after}\n\n".encode()  # so that a connection cut before the first event is resumed without a gap
    async for numbered in controller.follow_events(after, project):
        yield sse.frame(numbered.event.kind, render.encode(render.render_event(numbered)), str(numbered.number))


async def _watched(request: Request, name: str) -> AsyncIterator[bytes]:
    try:
        app = await visible_app(api_of(request).controller, key_of(request), name)
    except NotFound:
        yield sse.frame("unwatched", b"{}")
        return
    async for frame in app_views(api_of(request), app, "watched", "unwatched"):
        yield frame


async def _together(events: AsyncIterator[bytes], views: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Both as they come, until the first ends."""
    coming: asyncio.Queue[bytes | DraasError | StoreFailure | None] = asyncio.Queue(QUEUED)

    async def pump(frames: AsyncIterator[bytes], *, is_last: bool) -> None:
        try:
            async for frame in frames:
                await coming.put(frame)
        except (DraasError, StoreFailure) as error:
            await coming.put(error)
        if is_last:
            await coming.put(None)

    async with Tasks("events with an app") as tasks:
        tasks.spawn(pump(events, is_last=True), "events")
        tasks.spawn(pump(views, is_last=False), "app")
        while (got := await coming.get()) is not None:
            if isinstance(got, DraasError | StoreFailure):
                raise got
            yield got
