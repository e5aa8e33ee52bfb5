"""Render builds as the views of draas.wire.build_views."""

from typing import cast

from draas.model.job import Job, JobState
from draas.model.resources import MIB
from draas.server.api.render import Jobs, Nodes, encode, render_attempt, render_resources, time_or_none
from draas.server.services.controller import Reply
from draas.wire.build_views import BuildSummary, BuildView


def render_build_summary(job: Job) -> BuildSummary:
    """A build without its attempts."""
    spec, build, last = job.spec, job.spec.build, job.attempts[-1] if job.attempts else None
    assert build is not None
    built = last.observed.built if last is not None and job.state is JobState.SUCCEEDED else None
    return {
        "id": job.id,
        "name": spec.name,
        "project": job.project,
        "state": job.state,
        "reason": job.reason,
        "created_at": time_or_none(job.created_at) or "",
        "queued_at": time_or_none(job.queued_at),
        "started_at": time_or_none(last.observed.started_at) if last is not None else None,
        "finished_at": time_or_none(job.finished_at),
        "node": last.node_name if last is not None else None,
        "exit_code": last.observed.exit_code if last is not None else None,
        "cause": last.observed.cause if last is not None else "",
        "attempt_count": len(job.attempts),
        "repository": build.repository,
        "image": built.image if built is not None else None,
        "tags": cast("list[str]", build.tags),
        "kind": built.kind if built is not None else "",
        "dockerfile": built.dockerfile if built is not None else "",
        "platform": built.platform if built is not None else build.platform,
        "port": built.port if built is not None else None,
        "size_bytes": built.size_bytes if built is not None else 0,
        "pushed": list(built.pushed) if built is not None else [],
        "source": {"digest": build.source} if build.source is not None else None,
        "git": build.git or None,
        "folder": build.folder,
        "dockerfile_path": build.dockerfile,
        "target": build.target,
        "args": cast("dict[str, str]", build.args),
        "secrets": sorted(build.sealed_secrets),
        "resources": render_resources(spec.resources),
        "disk_mb": build.disk_bytes // MIB,
        "priority": spec.priority,
        "retries": spec.retries,
        "timeout_s": spec.timeout_s,
        "labels": cast("dict[str, str]", spec.labels),
        "constraints": cast("list[str]", spec.constraints),
        "cache": build.cache,
    }


def render_build(job: Job) -> BuildView:
    """A build with its attempts."""
    return {**render_build_summary(job), "attempts": [render_attempt(attempt) for attempt in job.attempts]}


def reply_created(jobs: Jobs, nodes: Nodes) -> Reply:
    """201 with the new build."""
    return Reply(201, encode(render_build(jobs[0])))


def reply_build(jobs: Jobs, nodes: Nodes) -> Reply:
    """200 with the one build."""
    return Reply(200, encode(render_build(jobs[0])))
