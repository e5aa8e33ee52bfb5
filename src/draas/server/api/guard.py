"""Guard: what happens around every route: who asks, whether they may, and errors told as problem documents."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from draas.lib import clock, ids
from draas.model.errors import DraasError, Forbidden, Invalid, NotFound
from draas.model.job import DEFAULT_PROJECT, Job, JobId, JobKind, ProjectName
from draas.server.access import ROUTES, Caller, Need, authenticate, authorize, check_local
from draas.server.api.config import ApiConfig
from draas.server.api.faults import faults_of_parts
from draas.server.api.once import Once
from draas.server.api.problems import render_problem
from draas.server.attempts import Attempts
from draas.server.registry.platforms import Platforms
from draas.server.services.controller import Controller, Idempotency, Reply
from draas.server.services.images import ImageCare
from draas.server.services.own_disk import OwnDisk
from draas.server.sessions import REQUEST_HEADER, cookie_name
from draas.store.blobs import BlobStore
from draas.store.store import Key, StoreFailure

MAX_IDEMPOTENCY_KEY = 255
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What every route works with; it hangs at `app.state.api`."""

    controller: Controller
    config: ApiConfig
    batches: asyncio.Semaphore  # how many large bodies are held in memory at a time
    once: Once
    attempts: Attempts
    images: ImageCare | None = None  # of the registry, where there is one
    disk: OwnDisk | None = None  # the controller's own
    prunes: Once = field(default_factory=Once)  # which take long: nobody else waits for them
    endings: Once = field(default_factory=Once)  # of uploads that become sources: a large one may have to be hashed
    blobs: BlobStore | None = None  # of the registry, where there is one
    platforms: Platforms | None = None  # of its images


def api_of(request: HTTPConnection) -> Api:
    """The application's own."""
    found: Api = request.app.state.api
    return found


def check_room(request: HTTPConnection, what: str) -> None:
    """Raises NoRoom where the controller's disk is too full for `what`."""
    if (disk := api_of(request).disk) is not None:
        disk.check_room(what)


def key_of(request: Request) -> Key:
    """Whose request it is; set by the guard."""
    found: Key = request.state.key
    return found


def caller_of(request: HTTPConnection) -> Caller:
    """What the transport knows of who asks."""
    headers = request.headers
    return Caller(
        authorization=headers.get("authorization"),
        peer=request.client.host if request.client is not None else None,
        host=headers.get("host", ""),
        origin=headers.get("origin"),
        method=request.scope.get("method", "WS"),
        session=request.cookies.get(session_cookie(request)) if "cookie" in headers else None,
        site=headers.get("sec-fetch-site"),
        is_forwarded="x-forwarded-for" in headers or "forwarded" in headers,
        has_header=REQUEST_HEADER in headers,
    )


def identify(request: HTTPConnection, caller: Caller | None = None) -> Key:
    """Whose request it is; wrong keys are counted. Raises Unauthenticated, Forbidden, TooOften."""
    api = api_of(request)
    return authenticate(
        api.controller,
        caller or caller_of(request),
        clock.now(),
        is_open=api.config.is_open,
        attempts=api.attempts,
    )


def permission_of(request: Request) -> Callable[[], bool]:
    """Whether who asked is still who may: for answers that last, as keys are revoked and sessions end meanwhile."""
    api, caller = api_of(request), caller_of(request)

    def may() -> bool:
        try:
            authenticate(api.controller, caller, clock.now(), is_open=api.config.is_open)
        except DraasError:
            return False
        return True

    return may


def session_cookie(request: HTTPConnection) -> str:
    """The name of the cookie that holds the session."""
    secure = request.scope["scheme"] in ("https", "wss")
    return cookie_name(request.headers.get("host", ""), secure=secure)


class GuardedRoute(APIRoute):
    """A route that nobody enters without what the table of routes asks for. One that the table lacks cannot be made."""

    def get_route_handler(self) -> Endpoint:
        inner = super().get_route_handler()
        if not (self.dependant.path_params or self.dependant.query_params):
            inner = self.endpoint  # takes the request alone: FastAPI's resolving would double what a submission costs
        rules = {method: ROUTES[method, self.path_format] for method in self.methods or ()}
        parameters = _query_model(self)

        async def guarded(request: Request) -> Response:
            try:
                api, rule = api_of(request), rules[request.method]
                if rule.need is not Need.PUBLIC:
                    key = identify(request)
                    authorize(key, rule)
                    request.state.key = key
                elif api.config.is_open:
                    check_local(caller_of(request))
                return await inner(request)
            except (DraasError, StoreFailure) as error:
                return render_problem(error)
            except RequestValidationError as error:
                return render_problem(Invalid("the request is not valid", faults_of_parts(error.errors(), parameters)))

        return guarded


def _query_model(route: APIRoute) -> type[BaseModel] | None:
    """The model of a route's query parameters, for the nearest name of an unknown one."""
    kinds = (parameter.field_info.annotation for parameter in route.dependant.query_params)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def project_of(key: Key, asked: str | None) -> ProjectName:
    """The project in which `key` makes something. Raises Forbidden where it asks for another than its own."""
    if key.project is not None and asked not in (None, key.project):
        raise Forbidden(f"the key is for project {key.project} only")
    return ProjectName(asked or key.project or DEFAULT_PROJECT)


async def find_job(request: Request, id: JobId, kind: JobKind = JobKind.JOB) -> Job:
    """The job or build, if the caller may know that it exists.

    Raises NotFound: in the words of one that does not exist, or, where it is of the other kind, with the way there.
    """
    key, missing = key_of(request), NotFound(f"there is no {kind} {id[:128]!r}")
    try:
        job = await api_of(request).controller.job(id)
    except NotFound:
        raise missing from None
    if key.project is not None and job.project != key.project:
        raise missing
    if (other := job.spec.kind) is not kind:
        raise NotFound(f"{id!r} is a {other}: see /api/{other}s/{id}")
    return job


def idempotency_of(request: Request, body: bytes, owner: str | None = None) -> Idempotency | None:
    """The request's Idempotency-Key, scoped by whose it is and to method and path; the digest covers query and body.

    `owner` stands for the caller where a route needs no key.

    Raises Invalid where it is no plain text of reasonable length.
    """
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    if not 1 <= len(given) <= MAX_IDEMPOTENCY_KEY or not given.isascii() or not given.isprintable():
        raise Invalid(f"Idempotency-Key must be 1 to {MAX_IDEMPOTENCY_KEY} plain characters, for example a UUID")
    scope = f"{owner or key_of(request).id}:{request.method} {request.url.path}:{given}"
    return Idempotency(key=scope, digest=ids.digest_bytes(request.url.query.encode() + b"\n" + body))


def respond(reply: Reply) -> Response:
    """A finished answer as it goes out."""
    if reply.status == 204:
        return Response(status_code=204)
    return json_response(reply.body, reply.status)


def json_response(body: bytes, status: int = 200) -> Response:
    """JSON that nobody caches: it may concern one key only."""
    return Response(body, status, {"cache-control": "no-store"}, "application/json")
