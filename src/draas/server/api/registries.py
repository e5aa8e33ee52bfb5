"""Registries: a project's logins to those of others. A password goes in and never comes out."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from draas.lib import clock
from draas.lib.clock import rfc3339
from draas.model.errors import NotFound
from draas.model.plan import Plan
from draas.model.registry import RegistryLogin, parse_registry
from draas.server.api.bodies import parse, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import GuardedRoute, api_of, json_response, key_of, project_of
from draas.server.api.render import encode, render_list
from draas.server.services.registries import registry_event, seal_login
from draas.store.store import Write
from draas.wire.api import ProjectText, RegistryBody
from draas.wire.views import RegistryList, RegistryView

router = APIRouter(route_class=GuardedRoute, tags=["registries"])
Host = Annotated[
    str, Path(max_length=256, description="HOST or HOST:PORT as image names have it; Docker Hub is docker.io")
]


class RegistryQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    project: ProjectText | None = None


@router.get(
    "/api/registries",
    summary="The logins to registries, without their passwords",
    responses=answers({200: RegistryList}, 400, 401, 403, 503),
)
async def list_registries(request: Request, query: Annotated[RegistryQuery, Query()]) -> Response:
    api, key = api_of(request), key_of(request)
    project = project_of(key, query.project) if key.project is not None else query.project
    found = [login for login in api.controller.registries() if project in (None, login.project)]
    return json_response(render_list([render_registry(login) for login in found], len(found)))


@router.put(
    "/api/registries/{host}",
    summary="Log a project in to a registry, so that it can pull private images, or change the login",
    responses=answers({200: RegistryView}, 400, 401, 403, 413, 415, 503),
    openapi_extra=body(RegistryBody, idempotent=False),
)
async def put_registry(request: Request, host: Host) -> Response:
    controller, given = api_of(request).controller, parse(RegistryBody, await read_body(request))
    project, now = project_of(key_of(request), given.project), clock.now()
    login = seal_login(project, parse_registry(host), given.username, given.password, now, controller.sealer)
    events = (registry_event("registry.put", login, now),)
    await controller.write(Write(registries=(login,), plan=Plan(events=events)))
    return json_response(encode(render_registry(login)))


@router.delete(
    "/api/registries/{host}",
    summary="Forget a project's login to a registry",
    status_code=204,
    responses=answers({204: None}, 400, 401, 403, 404, 503),
)
async def remove_registry(request: Request, host: Host, query: Annotated[RegistryQuery, Query()]) -> Response:
    controller, name = api_of(request).controller, parse_registry(host)
    project = project_of(key_of(request), query.project)
    login = next((one for one in controller.registries() if (one.project, one.host) == (project, name)), None)
    if login is None:
        raise NotFound(f"project {project} has no login to {name}")
    events = (registry_event("registry.removed", login, clock.now()),)
    await controller.write(Write(gone_registries=((project, name),), plan=Plan(events=events)))
    return Response(status_code=204)


def render_registry(login: RegistryLogin) -> RegistryView:
    """A login without its password."""
    return {
        "host": login.host,
        "username": login.username,
        "project": login.project,
        "created_at": rfc3339(login.created_at),
    }
