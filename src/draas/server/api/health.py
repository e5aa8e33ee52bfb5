"""GET /healthz, /readyz: the only routes that need no key."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from draas.lib import clock
from draas.model.errors import Unavailable
from draas.server.api.document import answers
from draas.server.api.guard import GuardedRoute, api_of, json_response
from draas.server.api.render import encode
from draas.wire.views import HealthView, ReadyView

router = APIRouter(route_class=GuardedRoute, tags=["health"])


@router.get(
    "/healthz", summary="Is the controller alive, and which CA vouches for it", responses=answers({200: HealthView})
)
async def healthz(request: Request) -> Response:
    config = api_of(request).config
    view: HealthView = {
        "service": "draas",
        "status": "ok",
        "version": config.version,
        "time": clock.rfc3339(clock.now()),
        "ca": config.ca_pem,
    }
    return json_response(encode(view))


@router.get("/readyz", summary="Can the controller take work now", responses=answers({200: ReadyView}, 503))
async def readyz(request: Request) -> Response:
    if trouble := api_of(request).controller.trouble:
        raise Unavailable(trouble)
    view: ReadyView = {"status": "ready"}
    return json_response(encode(view))
