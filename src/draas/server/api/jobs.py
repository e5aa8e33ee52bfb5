"""Jobs: submit, list, show, explain, cancel, retry, delete."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from draas.lib import ids
from draas.model.command import CancelJob, DeleteJob, RetryJob, SubmitJobs
from draas.model.errors import Fault, Invalid
from draas.model.job import Job, JobId, JobKind, JobState, ProjectName
from draas.server.api import render
from draas.server.api.bodies import BATCH_BYTES, parse_batch, parse_job, parse_optional, parse_values, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import (
    GuardedRoute,
    api_of,
    check_room,
    find_job,
    idempotency_of,
    json_response,
    key_of,
    project_of,
    respond,
)
from draas.server.api.image_check import check_batch_images, check_job_image
from draas.store.store import JobFilter
from draas.wire.api import HOST_NAME, LABEL_MATCH, BatchBody, EmptyBody, JobBody, ProjectText, check_batch_needs
from draas.wire.views import BatchView, ExplanationView, JobList, JobView

router = APIRouter(route_class=GuardedRoute, tags=["jobs"])
Id = Annotated[JobId, Path(max_length=128)]
Text = Annotated[str, Field(max_length=256)]


PROJECT = {
    "name": "project",
    "in": "query",
    "description": "default: the key's own, or `default`",
    "schema": {"type": "string", "maxLength": 63, "pattern": HOST_NAME},
}


class SubmitQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    project: ProjectText | None = None


def submit_project(request: Request) -> ProjectName:
    """The project of a submission; read by hand as most have no query at all. Raises Invalid, Forbidden."""
    given = request.scope["query_string"]
    query = parse_values(SubmitQuery, dict(request.query_params)) if given else SubmitQuery()
    return project_of(key_of(request), query.project)


class JobQuery(BaseModel):
    """Every given field must match exactly; `label` (k=v) can be repeated."""

    model_config = ConfigDict(extra="forbid")

    state: JobState | None = None
    name: Text | None = None
    node: Text | None = Field(None, description="name or id of a node that any attempt was on")
    project: Text | None = None
    label: list[Annotated[str, Field(max_length=512, pattern=LABEL_MATCH)]] = Field(default=[], max_length=64)
    cursor: int | None = Field(None, ge=1, le=2**62, description="`next` of the page before")
    limit: int = Field(100, ge=1, le=1000)


class ShowQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    wait_s: float = Field(0, ge=0, le=60, description="answer when the job has ended, or after this many seconds")


@router.post(
    "/api/jobs",
    summary="Submit a job",
    status_code=201,
    responses=answers({201: JobView}, 400, 401, 403, 409, 413, 415, 503),
    openapi_extra=body(JobBody, parameters=[PROJECT]),
)
async def submit(request: Request) -> Response:
    controller, project = api_of(request).controller, submit_project(request)
    raw = await read_body(request)
    idempotency = idempotency_of(request, raw)
    if idempotency is not None and (before := await controller.replay(idempotency)) is not None:
        return respond(before)
    spec, id = parse_job(raw, runtime=controller.default_runtime()), JobId(ids.new("j"))
    spec = await check_job_image(request, spec)
    known: Mapping[JobId, JobState] = {}
    if spec.needs:
        try:
            check_batch_needs([spec], [id])
            known = await _states(request, project, spec.needs, {})
        except Invalid as wrong:
            faults = tuple(Fault(fault.path.removeprefix("jobs[0]."), fault.message) for fault in wrong.faults)
            raise Invalid("the request is not valid", faults) from None
    command = SubmitJobs(project=project, ids=(id,), specs=(spec,), known=known)
    return respond(await controller.command(command, render.reply_created, idempotency))


@router.post(
    "/api/jobs/batch",
    summary="Submit up to 10,000 jobs, all or none",
    status_code=201,
    responses=answers({201: BatchView}, 400, 401, 403, 409, 413, 415, 503, 507),
    openapi_extra=body(BatchBody, parameters=[PROJECT]),
)
async def submit_batch(request: Request) -> Response:
    controller, project = api_of(request).controller, submit_project(request)
    async with api_of(request).batches:
        raw = await read_body(request, BATCH_BYTES)
        idempotency = idempotency_of(request, raw)
        if idempotency is not None and (before := await controller.replay(idempotency)) is not None:
            return respond(before)
        check_room(request, "batches of jobs")
        specs, fresh = await parse_batch(raw, controller.default_runtime())
        del raw
        await check_batch_images(request, specs)
        resolved = check_batch_needs(specs, fresh)
        inside = set(fresh) if resolved else set()
        wanted = {
            need: f"jobs[{at}].needs" for at, needs in resolved.items() for need in needs if need not in inside
        }  # fmt: skip
        known = await _states(request, project, wanted, wanted) if wanted else {}
        for at, needs in resolved.items():
            specs[at] = replace(specs[at], needs=needs)
        command = SubmitJobs(project=project, ids=fresh, specs=specs, known=known)
        return respond(await controller.command(command, render.reply_batch, idempotency))


async def _states(
    request: Request, project: ProjectName, needs: Iterable[JobId], where: Mapping[JobId, str]
) -> Mapping[JobId, JobState]:
    """The states of jobs that others need. Raises Invalid naming those that do not exist in this project."""
    wanted: Sequence[JobId] = list(needs)
    found = await api_of(request).controller.jobs(wanted)
    missing = [need for need in wanted if need not in found or found[need].project != project]
    if missing:
        told = tuple(
            Fault(where.get(need, "needs"), f"there is no job {need!r}, neither as an id nor as a name in this batch")
            for need in missing[:20]
        )
        raise Invalid("a needed job does not exist", told)
    return {id: job.state for id, job in found.items()}


@router.get(
    "/api/jobs",
    summary="List jobs, newest first",
    responses=answers({200: JobList}, 400, 401, 403, 503),
)
async def list_jobs(request: Request, query: Annotated[JobQuery, Query()]) -> Response:
    return await list_page(request, query, JobKind.JOB, render.render_summary)


async def list_page(
    request: Request, query: JobQuery, kind: JobKind, render_one: Callable[[Job], Mapping[str, object]]
) -> Response:
    """A page of jobs or builds."""
    key = key_of(request)
    match = JobFilter(
        kind=kind,
        project=project_of(key, query.project) if key.project is not None else query.project,
        state=query.state,
        name=query.name,
        node=query.node,
        labels=dict(label.split("=", 1) for label in query.label),
    )
    page = await api_of(request).controller.list_jobs(match, query.cursor, query.limit)
    following = str(page.next) if page.next is not None else None
    return json_response(render.render_list([render_one(job) for job in page.items], page.total, following))


@router.get(
    "/api/jobs/{id}",
    summary="Show a job with its attempts",
    responses=answers({200: JobView}, 400, 401, 403, 404, 503),
)
async def show(request: Request, id: Id, query: Annotated[ShowQuery, Query()]) -> Response:
    return json_response(render.encode(render.render_job(await wait_for_end(request, id, query.wait_s))))


async def wait_for_end(request: Request, id: JobId, wait_s: float, kind: JobKind = JobKind.JOB) -> Job:
    """The job or build, as soon as it has ended or after `wait_s`. Raises NotFound."""
    job = await find_job(request, id, kind)
    if wait_s and not job.ended:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not job.ended:
                    job = await api_of(request).controller.changed_job(id, job)
    return job


@router.get(
    "/api/jobs/{id}/explain",
    summary="Why it waits, or why it runs there",
    responses=answers({200: ExplanationView}, 400, 401, 403, 404, 503),
)
async def explain(request: Request, id: Id) -> Response:
    return await tell_why(request, id)


async def tell_why(request: Request, id: JobId, kind: JobKind = JobKind.JOB) -> Response:
    """Why a job or build waits, or runs there."""
    await find_job(request, id, kind)
    return json_response(render.encode(render.render_explanation(await api_of(request).controller.explain(id))))


@router.post(
    "/api/jobs/{id}/cancel",
    summary="Cancel: a queued job never starts, a running one is stopped",
    responses=answers({200: JobView}, 400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=body(EmptyBody, required=False),
)
async def cancel(request: Request, id: Id) -> Response:
    return await carry_out(request, CancelJob(id=id))


@router.post(
    "/api/jobs/{id}/retry",
    summary="Run an ended job again",
    responses=answers({200: JobView}, 400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=body(EmptyBody, required=False),
)
async def retry(request: Request, id: Id) -> Response:
    return await carry_out(request, RetryJob(id=id))


@router.delete(
    "/api/jobs/{id}",
    summary="Forget an ended job and its logs",
    status_code=204,
    responses=answers({204: None}, 400, 401, 403, 404, 409, 503),
)
async def delete(request: Request, id: Id) -> Response:
    return await forget(request, id)


async def forget(request: Request, id: JobId, kind: JobKind = JobKind.JOB) -> Response:
    """Delete a job or build."""
    await find_job(request, id, kind)
    return respond(await api_of(request).controller.command(DeleteJob(id=id), render.reply_gone))


async def carry_out(
    request: Request,
    command: CancelJob | RetryJob,
    kind: JobKind = JobKind.JOB,
    reply: render.Render = render.reply_job,
    check: Callable[[Job], Awaitable[None]] | None = None,
) -> Response:
    """Do to a job or build what needs no more than an empty body. `check` raises what speaks against it."""
    raw = await read_body(request)
    parse_optional(EmptyBody, raw)
    idempotency = idempotency_of(request, raw)
    job = await find_job(request, command.id, kind)
    if check is not None:
        await check(job)
    return respond(await api_of(request).controller.command(command, reply, idempotency))
