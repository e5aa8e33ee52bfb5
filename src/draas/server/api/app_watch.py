"""GET /api/apps/{name}/watch: the app at each change, as server-sent events. GET /api/schemas/app.json: what draas.yaml may say.

Each event is the whole view, and a new connection begins with what is now: after a cut nothing needs to be made up for.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from draas.model.app import App
from draas.model.errors import NotFound
from draas.server.api import sse
from draas.server.api.apps import Name, visible_app, where_of
from draas.server.api.document import answers
from draas.server.api.guard import Api, GuardedRoute, api_of, json_response, key_of, permission_of
from draas.server.api.render import encode
from draas.server.api.render_apps import render_app
from draas.wire.app_schema import app_schema

router = APIRouter(route_class=GuardedRoute, tags=["apps"])
GAP_S = 0.2  # between two events: a hundred replicas that pull tell faster than anybody reads


@router.get(
    "/api/apps/{name}/watch",
    summary="Follow an app: its view now and at each change, until it is removed",
    responses=answers({200: sse.MEDIA_TYPE}, 400, 401, 403, 404, 503),
)
async def watch(request: Request, name: Name) -> Response:
    api = api_of(request)
    app = await visible_app(api.controller, key_of(request), name)
    return sse.events_response(app_views(api, app), api.config.beat_s, permission_of(request))


async def app_views(api: Api, app: App, kind: str = "app", end: str = "end") -> AsyncIterator[bytes]:
    """Frames called `kind` with the app's view, at each change; one called `end` when it is removed."""
    first = app.id
    try:
        while app.id == first:  # another one of the same name is none of ours
            yield sse.frame(kind, encode(render_app(app, await where_of(api))))
            await asyncio.sleep(GAP_S)
            app = await api.controller.changed_app(app.name, app)
    except NotFound:
        pass
    yield sse.frame(end, encode({"state": "removed"}))


@router.get(
    "/api/schemas/app.json",
    summary="JSON Schema of an app, for draas.yaml",
    responses=answers({200: dict[str, Any]}, 401, 403),
)
async def schema(request: Request) -> Response:
    return json_response(encode(app_schema()))
