"""Render: jobs, nodes and keys as the views of draas.wire.views. Plain dictionaries, as they encode fastest."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import cast

import msgspec

from draas.lib.clock import rfc3339
from draas.lib.disk import Disk
from draas.model.allocation import Allocation
from draas.model.explanation import Explanation, Verdict
from draas.model.job import Job
from draas.model.node import Node
from draas.model.resources import MIB, Resources
from draas.model.route import Ingress
from draas.scheduler.disks import warnings_of
from draas.server.services.controller import Reply
from draas.store.store import Key, NumberedEvent
from draas.wire.views import (
    AttemptView,
    EventView,
    ExplanationView,
    IngressView,
    JobBrief,
    JobSummary,
    JobView,
    KeyView,
    NodeView,
    ResourcesView,
    VerdictView,
)

Jobs = Sequence[Job]
Nodes = Sequence[Node]
Render = Callable[[Jobs, Nodes], Reply]

encode = msgspec.json.Encoder().encode
_time = lru_cache(maxsize=1024)(rfc3339)  # jobs of one batch share their times


def time_or_none(at: float | None) -> str | None:
    """RFC 3339, or None where it has not happened."""
    return _time(at) if at is not None else None


def render_resources(amount: Resources) -> ResourcesView:
    """Cores and MiB, whole numbers where they are whole."""
    memory_mb = amount.memory_bytes / MIB
    return {
        "cpu_cores": amount.cpu_millis / 1000,
        "memory_mb": int(memory_mb) if memory_mb.is_integer() else round(memory_mb, 3),
        "gpus": amount.gpus,
    }


def render_attempt(attempt: Allocation) -> AttemptView:
    """One attempt of a job."""
    seen = attempt.observed
    return {
        "number": attempt.number,
        "id": attempt.id,
        "node": attempt.node_name,
        "node_id": attempt.node_id,
        "state": seen.state,
        "cause": seen.cause,
        "detail": seen.detail,
        "assigned_at": _time(attempt.assigned_at),
        "started_at": time_or_none(seen.started_at),
        "finished_at": time_or_none(seen.finished_at),
        "exit_code": seen.exit_code,
        "oom": seen.oom,
        "peak_memory_bytes": seen.peak_memory_bytes,
        "cpu_s": seen.cpu_s,
        "log_bytes": seen.log_bytes,
    }


def render_brief(job: Job) -> JobBrief:
    """What a batch answers of each job: a full view of 10,000 would hold the controller up."""
    return {
        "id": job.id,
        "name": job.spec.name,
        "project": job.project,
        "state": job.state,
        "created_at": _time(job.created_at),
    }


def render_summary(job: Job) -> JobSummary:
    """A job without its attempts."""
    spec, last = job.spec, job.attempts[-1] if job.attempts else None
    return {
        "id": job.id,
        "name": spec.name,
        "project": job.project,
        "state": job.state,
        "reason": job.reason,
        "created_at": _time(job.created_at),
        "queued_at": time_or_none(job.queued_at),
        "started_at": time_or_none(last.observed.started_at) if last is not None else None,
        "finished_at": time_or_none(job.finished_at),
        "node": last.node_name if last is not None else None,
        "exit_code": last.observed.exit_code if last is not None else None,
        "cause": last.observed.cause if last is not None else "",
        "attempt_count": len(job.attempts),
        "command": cast("str | list[str]", spec.command),
        "image": spec.image,
        "runtime": spec.runtime,
        "resources": render_resources(spec.resources),
        "env": cast("dict[str, str]", spec.env),
        "priority": spec.priority,
        "retries": spec.retries,
        "timeout_s": spec.timeout_s,
        "labels": cast("dict[str, str]", spec.labels),
        "constraints": cast("list[str]", spec.constraints),
        "needs": cast("list[str]", spec.needs),
        "exclusive": spec.exclusive,
    }


def render_job(job: Job) -> JobView:
    """A job with its attempts."""
    return {**render_summary(job), "attempts": [render_attempt(attempt) for attempt in job.attempts]}


def reply_created(jobs: Jobs, nodes: Nodes) -> Reply:
    """201 with the one new job."""
    return Reply(201, encode(render_job(jobs[0])))


def reply_batch(jobs: Jobs, nodes: Nodes) -> Reply:
    """201 with the new jobs in brief."""
    return Reply(201, encode({"jobs": [render_brief(job) for job in jobs]}))


def reply_job(jobs: Jobs, nodes: Nodes) -> Reply:
    """200 with the one job."""
    return Reply(200, encode(render_job(jobs[0])))


def reply_gone(jobs: Jobs, nodes: Nodes) -> Reply:
    """204: nothing is left to tell."""
    return Reply(204, b"")


def render_explanation(told: Explanation) -> ExplanationView:
    """Why a job waits or runs where it runs."""
    return {
        "job_id": told.job_id,
        "state": told.state,
        "summary": told.summary,
        "ahead": told.ahead,
        "verdicts": [render_verdict(verdict) for verdict in told.verdicts],
    }


def render_verdict(verdict: Verdict) -> VerdictView:
    """What one node says."""
    return {
        "node": verdict.node,
        "fits": verdict.fits,
        "lacks": list(verdict.lacks),
        "score": verdict.score,
        "parts": dict(verdict.parts),
    }


def _render_ingress(ingress: Ingress | None) -> IngressView | None:
    if ingress is None:
        return None
    return {
        "proxy": ingress.proxy,
        "http_port": ingress.http_port,
        "https_port": ingress.https_port,
        "address": ingress.address,
        "dns": ingress.dns,
        "missing": ingress.missing,
        "faults": dict(ingress.faults),
    }


def render_node(node: Node, used: Resources) -> NodeView:
    """A machine; `used` is what its allocations reserve out of what is allocatable: all that its owner allots."""
    facts, load = node.facts, node.load
    return {
        "id": node.id,
        "name": node.name,
        "state": node.state,
        "arch": facts.arch,
        "os": facts.os,
        "address": facts.address,
        "version": facts.version,
        "labels": node.all_labels,
        "roles": list(facts.roles),
        "gpus": list(facts.gpus),
        "capacity": render_resources(facts.capacity),
        "allocatable": render_resources(facts.capacity),
        "used": render_resources(used),
        "load": {
            "cpu_percent": load.cpu_percent,
            "memory_used_bytes": load.memory_used_bytes,
            "disk_used_bytes": load.disk_used_bytes,
            "disk_total_bytes": load.disk_total_bytes,
            "load_1m": load.load_1m,
            "received_bytes_per_s": load.received_bytes_per_s,
            "sent_bytes_per_s": load.sent_bytes_per_s,
        },
        "runtimes": [
            {
                "name": runtime.name,
                "available": runtime.available,
                "version": runtime.version,
                "isolation": runtime.isolation,
                "missing": runtime.missing,
            }
            for runtime in facts.runtimes
        ],
        "images": [
            {"id": image.id, "tags": list(image.tags), "size_bytes": image.size_bytes} for image in facts.images
        ],
        "ingress": _render_ingress(facts.ingress),
        "warnings": warnings_of(Disk(used_bytes=load.disk_used_bytes, total_bytes=load.disk_total_bytes)),
        "joined_at": time_or_none(node.joined_at or None),
        "last_seen": time_or_none(node.last_seen_at or None),
    }


def render_key(key: Key) -> KeyView:
    """A key without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "project": key.project,
        "node_id": key.node_id,
        "created_at": _time(key.created_at),
        "expires_at": time_or_none(key.expires_at),
    }


def render_event(numbered: NumberedEvent) -> EventView:
    """An event with its number."""
    event = numbered.event
    return {
        "number": numbered.number,
        "at": rfc3339(event.at),
        "kind": event.kind,
        "subject": event.subject,
        "project": event.project,
        "detail": cast("dict[str, str | int | float | bool | None]", dict(event.detail)),
    }


def render_list(items: Sequence[Mapping[str, object]], total: int, following: str | None = None) -> bytes:
    """A page of a list."""
    return encode({"items": items, "next": following, "total": total})
