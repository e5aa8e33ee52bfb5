"""Questions before a build: what a source would be built as, whether it could be asked for so, and whether a build was made with these secrets. Nothing is kept."""

import hmac

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from draas.build.detect import detect
from draas.build.dockerfile import render_dockerfile
from draas.build.recipe import KINDS, NotRecognised, OwnDockerfile
from draas.build.source import Source, files_to_read
from draas.lib.sealing import Unsealable
from draas.model.errors import Invalid
from draas.model.job import JobKind
from draas.server.api.bodies import parse, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import GuardedRoute, api_of, check_room, find_job, json_response
from draas.server.api.jobs import PROJECT, Id, submit_project
from draas.server.api.render import encode
from draas.server.services.secrets import open_secrets
from draas.wire.build_body import BuildBody, DetectBody, SameSecretsBody, to_build
from draas.wire.build_views import DetectView, SameSecretsView

router = APIRouter(route_class=GuardedRoute, tags=["builds"])
DETECT_BYTES = 16 * 1024 * 1024  # names of 50,000 files and the texts of a few


@router.post(
    "/api/builds/detect",
    summary="What a source would be built as, and the Dockerfile that would be made, by names and a few texts",
    responses=answers({200: DetectView}, 400, 401, 403, 413, 415, 503),
    openapi_extra=body(DetectBody, idempotent=False),
)
async def show_detected(request: Request) -> Response:
    given = parse(DetectBody, await read_body(request, DETECT_BYTES))
    return json_response(encode(_detected(Source(files=frozenset(given.files), texts=given.texts))))


def _detected(source: Source) -> DetectView:
    told: DetectView = {
        "kind": "", "because": [], "folder": "", "port": None, "made": False, "dockerfile": "",
        "reads": files_to_read(source.files), "refusal": "", "looked_for": [],
    }  # fmt: skip
    try:
        recipe = detect(source)
        made = render_dockerfile(recipe)
    except Invalid as wrong:
        looked_for = wrong.looked_for if isinstance(wrong, NotRecognised) else ()
        return {**told, "refusal": wrong.detail, "looked_for": list(looked_for)}
    return {
        **told,
        "kind": KINDS[type(recipe)],
        "because": list(recipe.because),
        "folder": recipe.folder,
        "port": recipe.port,
        "made": not isinstance(recipe, OwnDockerfile),
        "dockerfile": source.text(recipe.path) if isinstance(recipe, OwnDockerfile) else made,
    }


@router.post(
    "/api/builds/check",
    summary="Whether a build could be asked for so: before its source is sent. The source may be left out",
    status_code=204,
    responses=answers({204: None}, 400, 401, 403, 413, 415, 503, 507),
    openapi_extra=body(BuildBody, idempotent=False, parameters=[PROJECT]),
)
async def check(request: Request) -> Response:
    project, given = submit_project(request), parse(BuildBody, await read_body(request))
    check_room(request, "builds")
    if given.source is None and given.upload is None and given.git is None:
        given = given.model_copy(update={"upload": "to come"})
    to_build(given, project, lambda _id, _value: b"")
    return Response(status_code=204)


@router.post(
    "/api/builds/{id}/same-secrets",
    summary="Whether a build was made with exactly these values of its secrets",
    responses=answers({200: SameSecretsView}, 400, 401, 403, 404, 413, 415, 503),
    openapi_extra=body(SameSecretsBody, idempotent=False),
)
async def compare_secrets(request: Request, id: Id) -> Response:
    """The values are opened and compared here: no digest of them is kept anywhere."""
    given = parse(SameSecretsBody, await read_body(request)).secrets
    build = await find_job(request, id, JobKind.BUILD)
    try:
        kept = open_secrets(build, api_of(request).controller.sealer)
    except Unsealable:
        return json_response(encode({"same": False}))
    equal = [hmac.compare_digest(value.encode(), given.get(name, "").encode()) for name, value in kept.items()]
    return json_response(encode({"same": kept.keys() == given.keys() and all(equal)}))
