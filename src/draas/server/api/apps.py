"""Apps: put, list, show, plan, scale, restart, roll back, decide on a canary, rebalance, remove."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from draas.lib import clock, ids
from draas.model.app import App, AppId, AppState
from draas.model.app_spec import AppSpec
from draas.model.command import (
    AppCommand,
    DecideCanary,
    PutApp,
    RebalanceApps,
    RemoveApp,
    RestartApp,
    RollbackApp,
    ScaleApp,
)
from draas.model.errors import Conflict, Fault, Invalid, NotFound
from draas.model.job import ProjectName
from draas.scheduler.app_commands import put_app
from draas.server.api import render_apps
from draas.server.api.bodies import parse, parse_optional, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import (
    Api,
    GuardedRoute,
    api_of,
    idempotency_of,
    json_response,
    key_of,
    project_of,
    respond,
)
from draas.server.api.image_check import check_app_image
from draas.server.api.metrics_query import MetricsQuery, since_of
from draas.server.api.plan import plan_app
from draas.server.api.render import encode, render_list
from draas.server.api.render_samples import render_app_sample, render_samples
from draas.server.services.app_names import check_own_domains
from draas.server.services.controller import Controller
from draas.store.store import Key
from draas.wire.api import EmptyBody, ProjectText
from draas.wire.app_body import (
    APP_NAME,
    MAX_NAME,
    AppBody,
    CanaryDecision,
    RebalanceBody,
    RollbackBody,
    ScaleBody,
    to_app_spec,
)
from draas.wire.app_views import (
    AppExplanationView,
    AppList,
    AppSampleList,
    AppView,
    PlanView,
    ReleaseList,
    ReplicaList,
    ScalingList,
)

router = APIRouter(route_class=GuardedRoute, tags=["apps"])
Name = Annotated[str, Path(max_length=128)]
NewName = Annotated[str, Path(max_length=MAX_NAME, pattern=APP_NAME)]
B = TypeVar("B", bound=BaseModel)


class ProjectQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    project: ProjectText | None = Field(None, description="default: the app's, the key's own, or `default`")


class AppQuery(BaseModel):
    """Every given field must match exactly."""

    model_config = ConfigDict(extra="forbid")

    project: ProjectText | None = None
    state: AppState | None = None


class ReplicaQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    past: bool = Field(True, description="those that have ended, too")


async def where_of(api: Api) -> render_apps.Where:
    """What URLs follow from."""
    return render_apps.Where(nodes=await api.controller.nodes(), apps_domain=api.config.apps_domain)


async def visible_app(controller: Controller, key: Key, name: str) -> App:
    """The app, if `key` may know that it exists. Raises NotFound otherwise, in the words of one that does not."""
    app = await controller.app(name)
    if key.project is not None and app.project != key.project:
        raise no_app(name)
    return app


def no_app(name: str) -> NotFound:
    """The error for an app that does not exist, or not for this caller."""
    return NotFound(f"there is no app {name[:128]!r}")


# Before the routes with a name: the first that matches is taken.
@router.post(
    "/api/apps/rebalance",
    summary="Move replicas so that they are spread over the nodes that are there now",
    responses=answers({200: AppList}, 400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=body(RebalanceBody, required=False),
)
async def rebalance(request: Request, query: Annotated[ProjectQuery, Query()]) -> Response:
    api, key = api_of(request), key_of(request)
    raw = await read_body(request)
    wanted = parse_optional(RebalanceBody, raw)
    if wanted.name is not None:
        await visible_app(api.controller, key, wanted.name)
    project = project_of(key, query.project) if key.project is not None or query.project is not None else None
    command = RebalanceApps(project=project, name=wanted.name)
    reply = render_apps.reply_apps(await where_of(api))
    return respond(await api.controller.command_apps(command, reply, idempotency_of(request, raw)))


@router.get("/api/apps", summary="List apps, by name", responses=answers({200: AppList}, 400, 401, 403, 503))
async def list_apps(request: Request, query: Annotated[AppQuery, Query()]) -> Response:
    api, key = api_of(request), key_of(request)
    project = project_of(key, query.project) if key.project is not None else query.project
    found = [
        app
        for app in await api.controller.apps()
        if project in (None, app.project) and query.state in (None, app.state)
    ]
    where = await where_of(api)
    return json_response(render_list([render_apps.render_app_summary(app, where) for app in found], len(found)))


@router.get(
    "/api/apps/{name}",
    summary="Show an app with its releases and replicas",
    responses=answers({200: AppView}, 400, 401, 403, 404, 503),
)
async def show(request: Request, name: Name) -> Response:
    api = api_of(request)
    app = await visible_app(api.controller, key_of(request), name)
    return json_response(encode(render_apps.render_app(app, await where_of(api))))


@router.post(
    "/api/apps/{name}/plan",
    summary="What a PUT of the same body would change; nothing is done",
    responses=answers({200: PlanView}, 400, 401, 403, 409, 413, 415, 503),
    openapi_extra=body(AppBody, idempotent=False),
)
async def plan(request: Request, name: NewName, query: Annotated[ProjectQuery, Query()]) -> Response:
    api = api_of(request)
    spec = await check_app_image(request, _parse_app(name, await read_body(request), api.config.apps_domain))
    project, old = await _project_for(request, name, query.project)
    wanted = PutApp(id=AppId(""), project=project, name=name, spec=spec)
    put_app(wanted, old, await api.controller.apps(), api.config.apps_domain, clock.now())  # raises what a PUT would
    return json_response(encode(plan_app(name, project, old, spec)))


@router.get(
    "/api/apps/{name}/releases",
    summary="Releases of an app, the newest first",
    responses=answers({200: ReleaseList}, 400, 401, 403, 404, 503),
)
async def releases(request: Request, name: Name) -> Response:
    app = await visible_app(api_of(request).controller, key_of(request), name)
    items = [render_apps.render_release(release) for release in reversed(app.releases)]
    return json_response(render_list(items, len(items)))


@router.get(
    "/api/apps/{name}/replicas",
    summary="Replicas of an app, the newest first, also those that have ended, with what ended them",
    responses=answers({200: ReplicaList}, 400, 401, 403, 404, 503),
)
async def replicas(request: Request, name: Name, query: Annotated[ReplicaQuery, Query()]) -> Response:
    app = await visible_app(api_of(request).controller, key_of(request), name)
    found = render_apps.newest_first((*app.replicas, *(app.past if query.past else ())))
    return json_response(render_list([render_apps.render_replica(replica) for replica in found], len(found)))


@router.get(
    "/api/apps/{name}/scalings",
    summary="Decisions about how many replicas, the newest first",
    responses=answers({200: ScalingList}, 400, 401, 403, 404, 503),
)
async def scalings(request: Request, name: Name) -> Response:
    app = await visible_app(api_of(request).controller, key_of(request), name)
    items = [render_apps.render_scaling(scaling) for scaling in reversed(app.scalings)]
    return json_response(render_list(items, len(items)))


@router.get(
    "/api/apps/{name}/metrics",
    summary="What an app did: every 10 s for an hour, every minute for a day, every 15 minutes for 5 weeks",
    responses=answers({200: AppSampleList}, 400, 401, 403, 404, 503),
)
async def metrics(request: Request, name: Name, query: Annotated[MetricsQuery, Query()]) -> Response:
    controller = api_of(request).controller
    app = await visible_app(controller, key_of(request), name)
    found = await controller.samples(app.id, since_of(query, clock.steady()), query.step)
    return json_response(render_samples(found, render_app_sample))


@router.get(
    "/api/apps/{name}/explain",
    summary="Why an app is as it is, and what each node says to one more replica",
    responses=answers({200: AppExplanationView}, 400, 401, 403, 404, 503),
)
async def explain(request: Request, name: Name) -> Response:
    controller = api_of(request).controller
    app = await visible_app(controller, key_of(request), name)
    return json_response(encode(render_apps.render_app_explanation(app, await controller.explain_app(name))))


@router.post(
    "/api/apps/{name}/scale",
    summary="So many replicas; 0 stops the app",
    responses=answers({200: AppView}, 400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=body(ScaleBody),
)
async def scale(request: Request, name: Name) -> Response:
    return await _command(request, name, ScaleBody, lambda wanted: ScaleApp(name=name, replicas=wanted.replicas))


@router.post(
    "/api/apps/{name}/restart",
    summary="Replace every replica, as a roll-out of the same release would",
    responses=answers({200: AppView}, 400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=body(EmptyBody, required=False),
)
async def restart(request: Request, name: Name) -> Response:
    return await _command(request, name, EmptyBody, lambda _: RestartApp(name=name))


@router.post(
    "/api/apps/{name}/rollback",
    summary="A new release with the content of an earlier one",
    responses=answers({200: AppView}, 400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=body(RollbackBody, required=False),
)
async def rollback(request: Request, name: Name) -> Response:
    return await _command(request, name, RollbackBody, lambda wanted: RollbackApp(name=name, release=wanted.release))


@router.post(
    "/api/apps/{name}/canary",
    summary="Roll the canary out to all, or take it back",
    responses=answers({200: AppView}, 400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=body(CanaryDecision),
)
async def canary(request: Request, name: Name) -> Response:
    return await _command(
        request, name, CanaryDecision, lambda wanted: DecideCanary(name=name, promote=wanted.action == "promote")
    )


@router.delete(
    "/api/apps/{name}",
    summary="Remove an app: its containers, routes, names, releases and output",
    status_code=204,
    responses=answers({204: None}, 400, 401, 403, 404, 409, 503),
)
async def remove(request: Request, name: Name) -> Response:
    controller = api_of(request).controller
    await visible_app(controller, key_of(request), name)
    return respond(await controller.command_apps(RemoveApp(name=name), render_apps.reply_removed))


class AnythingConvertor(Convertor[str]):
    """Whatever stands there, slashes and line ends too: so that such a name is told what is wrong with it."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("anything", AnythingConvertor())


# Last, as it takes every path below /api/apps.
@router.put(
    "/api/apps/{name:anything}",
    summary="The app should be so; the same again changes nothing",
    status_code=201,
    responses=answers({200: AppView, 201: AppView}, 400, 401, 403, 409, 413, 415, 503),
    openapi_extra=body(AppBody, idempotent=False),
)
async def put(request: Request, name: NewName, query: Annotated[ProjectQuery, Query()]) -> Response:
    api = api_of(request)
    spec = await check_app_image(request, _parse_app(name, await read_body(request), api.config.apps_domain))
    project, _ = await _project_for(request, name, query.project)
    command = PutApp(id=AppId(ids.new("app")), project=project, name=name, spec=spec)
    return respond(await api.controller.command_apps(command, render_apps.reply_app(await where_of(api), command.id)))


def _parse_app(name: str, raw: bytes, apps_domain: str) -> AppSpec:
    """Raises Invalid, also where the body names another app than the path."""
    given = parse(AppBody, raw)
    if given.app not in (None, name):
        raise Invalid("the request is not valid", (Fault("app", f"must be {name}, as in the path, or left out"),))
    spec = to_app_spec(given)
    check_own_domains(name, spec, apps_domain)
    return spec


async def _project_for(request: Request, name: str, asked: str | None) -> tuple[ProjectName, App | None]:
    """The project of the app that is to be `name`, and the app where it is there already.

    Raises Conflict where that belongs to another project: names are host names, and so for all projects together.
    """
    key = key_of(request)
    try:
        old = await api_of(request).controller.app(name)
    except NotFound:
        return project_of(key, asked), None
    project = project_of(key, asked or (old.project if key.project is None else None))
    if project != old.project:
        raise Conflict(f"the name {name} is taken by an app of another project: choose another")
    return project, old


async def _command(request: Request, name: str, model: type[B], command_of: Callable[[B], AppCommand]) -> Response:
    api = api_of(request)
    raw = await read_body(request)
    command = command_of(parse_optional(model, raw))
    await visible_app(api.controller, key_of(request), name)
    reply = render_apps.reply_app(await where_of(api))
    return respond(await api.controller.command_apps(command, reply, idempotency_of(request, raw)))
