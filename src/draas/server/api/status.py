"""Status: how the cluster is, in one sentence that is the same everywhere, and how many jobs are in which state."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from draas.lib.disk import Disk
from draas.model.job import JobKind, JobState
from draas.scheduler.condition import Problem, judge_cluster
from draas.server.api.document import answers
from draas.server.api.guard import GuardedRoute, api_of, json_response, key_of
from draas.server.api.render import encode
from draas.server.services.controller import Controller
from draas.store.store import JobFilter
from draas.wire.views import ProblemPart, StatusView

router = APIRouter(route_class=GuardedRoute, tags=["description"])
COUNTED = (JobState.WAITING, JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED)


@router.get(
    "/api/status",
    summary="How the cluster is, in one sentence, and what to see to; of apps and jobs what the key may see",
    responses=answers({200: StatusView}, 401, 403, 503),
)
async def status(request: Request) -> Response:
    api, project = api_of(request), key_of(request).project
    controller = api.controller
    counts = await asyncio.gather(*(_count(controller, state, project) for state in COUNTED))
    jobs = dict(zip(COUNTED, counts, strict=True))
    apps = [app for app in await controller.apps() if project in (None, app.project)]
    own_disk = api.disk.look() if api.disk is not None else Disk()
    told = judge_cluster(await controller.nodes(), apps, jobs, controller.misfits(project), own_disk)
    view: StatusView = {
        "tone": told.tone,
        "text": told.text,
        "problems": [_render_problem(problem) for problem in told.problems],
        "jobs": {
            "waiting": jobs[JobState.WAITING],
            "queued": jobs[JobState.QUEUED],
            "running": jobs[JobState.RUNNING],
            "succeeded": jobs[JobState.SUCCEEDED],
            "failed": jobs[JobState.FAILED],
        },
    }
    return json_response(encode(view))


async def _count(controller: Controller, state: JobState, project: str | None) -> int:
    return (await controller.list_jobs(JobFilter(kind=JobKind.JOB, project=project, state=state), None, 1)).total


def _render_problem(problem: Problem) -> ProblemPart:
    return {
        "tone": problem.tone,
        "text": problem.text,
        "remedy": problem.remedy,
        "about": {"kind": problem.about, "subject": problem.subject},
    }
