"""The FastAPI application: routes put together and checked against the table of access."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from draas.lib import log
from draas.server.access import ROUTES
from draas.server.api import (
    about,
    app_logs,
    app_watch,
    apps,
    build_checks,
    builds,
    certificates,
    describe,
    events,
    health,
    images,
    jobs,
    join,
    keys,
    logs,
    metrics,
    nodes,
    registries,
    session,
    sign_in_links,
    status,
)
from draas.server.api.config import ApiConfig
from draas.server.api.guard import Api
from draas.server.api.once import Once
from draas.server.api.problems import problem
from draas.server.attempts import Attempts
from draas.server.registry.errors import Refused, render_refused
from draas.server.registry.images import Images
from draas.server.registry.platforms import Platforms
from draas.server.registry.routes import PREFIX, registry_routes
from draas.server.services.controller import Controller
from draas.server.services.images import ImageCare
from draas.server.services.own_disk import OwnDisk
from draas.server.web.routes import BUILT, web_routes

NOUNS = (
    health,
    status,
    jobs,
    logs,
    builds,
    build_checks,
    app_logs,
    app_watch,
    apps,
    nodes,
    join,
    events,
    keys,
    certificates,
    registries,
    images,
    metrics,
    session,
    sign_in_links,
    about,
    describe,
)
BATCHES_AT_ONCE = 4  # of up to 64 MiB each
Link = Callable[[WebSocket], Awaitable[None]]


def create_app(
    controller: Controller,
    config: ApiConfig,
    link: Link | None = None,
    images: Images | None = None,
    care: ImageCare | None = None,
    disk: OwnDisk | None = None,
    web: Path = BUILT,
) -> FastAPI:
    """The API over `controller`. `link` is the agents' WebSocket endpoint; it authenticates by itself (authenticate_node).

    With `images` it is a registry too, whose images `care` tells of and collects. When `disk` is full, what
    needs room on it is refused. `web` is the folder of the built dashboard.

    Raises RuntimeError where a route is not in the table of access, or the other way round.
    """
    app = FastAPI(
        title="DRaaS", version=config.version, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.state.api = Api(
        controller=controller,
        config=config,
        batches=asyncio.Semaphore(BATCHES_AT_ONCE),
        once=Once(),
        attempts=Attempts(),
        images=care,
        disk=disk,
        blobs=images.blobs if images is not None else None,
        platforms=Platforms(images) if images is not None else None,
    )
    # Not include_router: it makes each route again on the way, where these are complete.
    for noun in NOUNS:
        app.router.routes.extend(noun.router.routes)
    if link is not None:
        app.router.routes.append(WebSocketRoute("/api/link", link, name="link"))
    app.router.routes.extend(web_routes(web))
    if images is not None:
        app.router.routes.extend(registry_routes(images))
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_defect)
    check_table(routes_of(app), with_link=link is not None, with_images=images is not None)
    return app


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """(method, path template) of every route, WS for a WebSocket's."""
    found: set[tuple[str, str]] = set()
    for route in app.routes:
        if isinstance(route, WebSocketRoute):
            found.add(("WS", route.path_format))
        elif isinstance(route, APIRoute | Route):
            found |= {(method, route.path_format) for method in route.methods or ()}
        else:
            found.add(("?", repr(route)))
    return found


def check_table(routes: set[tuple[str, str]], *, with_link: bool, with_images: bool) -> None:
    """Raises RuntimeError naming the routes that only one of `routes` and the table has."""
    left_out = {
        (method, path)
        for method, path in ROUTES
        if (method == "WS" and not with_link) or (path.startswith(PREFIX) and not with_images)
    }
    table = ROUTES.keys() - left_out
    if odd := routes ^ table:
        raise RuntimeError(f"routes and the table in draas.server.access disagree on {sorted(odd)}")


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Raised by the framework: no such path, wrong method."""
    told = cast(HTTPException, error)
    if request.url.path.startswith(PREFIX):
        return render_refused(Refused(told.status_code, "UNSUPPORTED", "the registry does not serve this"))
    details = {
        404: f"there is no {request.url.path[:128]}: see /docs",
        405: f"{request.method[:16]} is not possible here: see /docs",
    }
    answer = problem(told.status_code, details.get(told.status_code, str(told.detail)))
    for name, value in (told.headers or {}).items():
        answer.headers[name] = value
    return answer


async def _on_defect(request: Request, error: Exception) -> Response:
    log.error("request failed", method=request.method, path=request.url.path[:256], cause=error)
    return problem(500, "a defect in DRaaS: the controller's log has the details")
