"""Builds: create, list, show, explain, output, cancel, retry, delete. What is the same for jobs is draas.server.api.jobs'."""

from collections.abc import Callable
from typing import Annotated, cast

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from draas.lib import ids
from draas.lib.values import replace
from draas.model.build import BuildSpec
from draas.model.command import CancelJob, RetryJob, SubmitJobs
from draas.model.errors import Conflict, Fault, Invalid, NotFound, Unavailable
from draas.model.image_name import Digest, Repository
from draas.model.job import Job, JobId, JobKind, JobSpec, ProjectName
from draas.server.api import jobs, render_builds
from draas.server.api.bodies import parse, read_body
from draas.server.api.build_form import receive_form
from draas.server.api.document import answers, body, with_form
from draas.server.api.form import is_form
from draas.server.api.guard import GuardedRoute, api_of, check_room, idempotency_of, json_response, respond
from draas.server.api.jobs import PROJECT, Id, JobQuery, ShowQuery, submit_project
from draas.server.api.logs import LogQuery, serve_output
from draas.server.api.render import encode
from draas.server.services.controller import Controller, Reply
from draas.server.services.secrets import about_secret
from draas.store.blobs import BlobStore, UploadId
from draas.wire.api import EmptyBody
from draas.wire.build_body import BuildBody, repository_for, to_build
from draas.wire.build_views import BuildList, BuildView
from draas.wire.views import ExplanationView

router = APIRouter(route_class=GuardedRoute, tags=["builds"])


@router.post(
    "/api/builds",
    summary="Build an image: from JSON, or from a form with the source in it",
    status_code=201,
    responses=answers({201: BuildView}, 400, 401, 403, 409, 413, 415, 503, 507),
    openapi_extra=with_form(body(BuildBody, parameters=[PROJECT])),
)
async def create(request: Request) -> Response:
    project = submit_project(request)
    return await (_create_from_form(request, project) if is_form(request) else _create(request, project))


async def _create(request: Request, project: ProjectName) -> Response:
    controller = api_of(request).controller
    raw = await read_body(request)
    idempotency = idempotency_of(request, raw)
    if idempotency is not None and (before := await controller.replay(idempotency)) is not None:
        return respond(before)
    check_room(request, "builds")
    id, given = JobId(ids.new("b")), parse(BuildBody, raw)
    spec = to_build(given, project, sealing(controller, project, id))
    if given.upload is None:
        await _check_source(request, spec)
        return respond(await controller.command(_submit(project, id, spec), render_builds.reply_created, idempotency))
    upload = UploadId(given.upload)

    async def make() -> Reply:
        # The same request again, its answer lost on the way, comes after this one has ended the upload.
        if idempotency is not None and (before := await controller.replay(idempotency)) is not None:
            return before
        build = replace(cast(BuildSpec, spec.build), source=await _end_upload(request, project, given.name, upload))
        return await controller.command(
            _submit(project, id, replace(spec, build=build)), render_builds.reply_created, idempotency
        )

    return respond(await api_of(request).endings.answer(None, make))


async def _end_upload(request: Request, project: ProjectName, name: str, upload: UploadId) -> Digest:
    """The digest of what was uploaded, now a blob of the app's repository. Raises Invalid where it is not there, or empty."""
    repository, blobs = repository_for(project, name), blobs_of(request)
    try:
        writer = await blobs.take(repository, upload)
    except NotFound:
        told = f"is no upload of {repository}, or not any more: begin one with POST /v2/{repository}/blobs/uploads/"
        raise Invalid("the build is not valid", (Fault("upload", told),)) from None
    if writer.size == 0:
        raise Invalid("the build is not valid", (Fault("upload", "is empty: send a zip, tar or tar.gz"),))
    digest = await writer.digest()
    await writer.finish(digest)
    return digest


async def _create_from_form(request: Request, project: ProjectName) -> Response:
    check_room(request, "builds")
    controller, blobs = api_of(request).controller, blobs_of(request)
    async with receive_form(request, blobs) as form:
        idempotency = idempotency_of(request, form.raw + b"\n" + form.digest.encode())
        if idempotency is not None and (before := await controller.replay(idempotency)) is not None:
            return respond(before)
        id = JobId(ids.new("b"))
        given = form.body.model_copy(update={"source": form.digest})
        spec = to_build(given, project, sealing(controller, project, id))
        source = (repository_for(project, given.name), form.digest)
        is_new = await blobs.refresh(*source) is None
        await form.source.keep(source[0])
        try:
            reply = await controller.command(_submit(project, id, spec), render_builds.reply_created, idempotency)
        except Conflict:  # a request with the same key was quicker
            if is_new and source not in controller.sources_in_use():
                await blobs.delete(*source)
            raise
    return respond(reply)


def _submit(project: ProjectName, id: JobId, spec: JobSpec) -> SubmitJobs:
    return SubmitJobs(project=project, ids=(id,), specs=(spec,), known={})


def sealing(controller: Controller, project: ProjectName, id: JobId) -> Callable[[str, str], bytes]:
    """Seals the secrets of the build `id`."""

    def seal(name: str, value: str) -> bytes:
        return controller.sealer.seal(value.encode(), about_secret(project, id, name))

    return seal


def blobs_of(request: Request) -> BlobStore:
    """Where sources are kept. Raises Unavailable."""
    blobs = api_of(request).blobs
    if blobs is None:
        raise Unavailable("this controller keeps no images: builds need its registry")
    return blobs


async def _check_source(request: Request, spec: JobSpec) -> None:
    """Raises Invalid where the source is not there."""
    source = _source_of(spec)
    if source is not None and await blobs_of(request).refresh(*source) is None:
        repository, digest = source
        told = f"is not there: push {digest} to {repository} first (POST /v2/{repository}/blobs/uploads/)"
        raise Invalid("the build is not valid", (Fault("source", told),))


def _source_of(spec: JobSpec) -> tuple[Repository, Digest] | None:
    build = spec.build
    return (build.repository, build.source) if build is not None and build.source is not None else None


@router.get(
    "/api/builds",
    summary="List builds, newest first",
    responses=answers({200: BuildList}, 400, 401, 403, 503),
)
async def list_builds(request: Request, query: Annotated[JobQuery, Query()]) -> Response:
    return await jobs.list_page(request, query, JobKind.BUILD, render_builds.render_build_summary)


@router.get(
    "/api/builds/{id}",
    summary="Show a build with its attempts and its image",
    responses=answers({200: BuildView}, 400, 401, 403, 404, 503),
)
async def show(request: Request, id: Id, query: Annotated[ShowQuery, Query()]) -> Response:
    build = await jobs.wait_for_end(request, id, query.wait_s, JobKind.BUILD)
    return json_response(encode(render_builds.render_build(build)))


@router.get(
    "/api/builds/{id}/logs",
    summary="Output of a build: text, or numbered events with Accept: text/event-stream",
    responses=answers({200: "text/plain text/event-stream"}, 400, 401, 403, 404, 503),
)
async def logs(request: Request, id: Id, query: Annotated[LogQuery, Query()]) -> Response:
    return await serve_output(request, id, query, JobKind.BUILD)


@router.get(
    "/api/builds/{id}/explain",
    summary="Why it waits, or why it is built there",
    responses=answers({200: ExplanationView}, 400, 401, 403, 404, 503),
)
async def explain(request: Request, id: Id) -> Response:
    return await jobs.tell_why(request, id, JobKind.BUILD)


@router.post(
    "/api/builds/{id}/cancel",
    summary="Cancel: a queued build never starts, a running one is stopped",
    responses=answers({200: BuildView}, 400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=body(EmptyBody, required=False),
)
async def cancel(request: Request, id: Id) -> Response:
    return await jobs.carry_out(request, CancelJob(id=id), JobKind.BUILD, render_builds.reply_build)


@router.post(
    "/api/builds/{id}/retry",
    summary="Build again what has ended",
    responses=answers({200: BuildView}, 400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=body(EmptyBody, required=False),
)
async def retry(request: Request, id: Id) -> Response:
    async def check(build: Job) -> None:
        source = _source_of(build.spec)
        if source is not None and await blobs_of(request).refresh(*source) is None:
            raise Conflict(f"the source of build {id} is gone ({source[1]}): upload it again, as a new build")

    return await jobs.carry_out(request, RetryJob(id=id), JobKind.BUILD, render_builds.reply_build, check)


@router.delete(
    "/api/builds/{id}",
    summary="Forget an ended build and its output; its image stays",
    status_code=204,
    responses=answers({204: None}, 400, 401, 403, 404, 409, 503),
)
async def delete(request: Request, id: Id) -> Response:
    return await jobs.forget(request, id, JobKind.BUILD)
