"""About: what this controller is and how it is set up, as far as it matters to those who use it."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from draas.lib.clock import rfc3339
from draas.server.api.document import answers
from draas.server.api.guard import GuardedRoute, api_of, json_response, key_of
from draas.server.api.render import encode
from draas.wire.views import AboutView

router = APIRouter(route_class=GuardedRoute, tags=["description"])


@router.get("/api/about", summary="The controller and how it is set up", responses=answers({200: AboutView}, 401, 403))
async def about(request: Request) -> Response:
    config, key = api_of(request).config, key_of(request)
    is_admin = key.role == "admin" and key.project is None
    view: AboutView = {
        "version": config.version,
        "url": config.url,
        "started_at": rfc3339(config.started_at),
        "is_open": config.is_open,
        "apps_domain": config.apps_domain,
        "tls": "own" if config.fingerprint else "given" if config.url.startswith("https:") else "none",
        "fingerprint": config.fingerprint,
        "acme": config.acme,
        "docker_hub": (
            {"registry": config.docker_hub.registry, "username": config.docker_hub.username}
            if config.docker_hub is not None
            else None
        ),
        "database": "sqlite",
        "blobs": config.blobs,
        "data_dir": config.data_dir if is_admin else None,
    }
    return json_response(encode(view))
