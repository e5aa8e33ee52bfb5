"""Render apps as the views of draas.wire.app_views."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from draas.model.app import App, Scaling
from draas.model.app_spec import AppSpec, Autoscale, Deploy
from draas.model.explanation import Explanation
from draas.model.node import Node
from draas.model.probe import Health, Probe, ProbeKind
from draas.model.release import Release
from draas.model.replica import Replica
from draas.scheduler.routes import urls_of
from draas.server.api.render import encode, render_resources, render_verdict, time_or_none
from draas.server.services.controller import Reply
from draas.wire.app_views import (
    AppExplanationView,
    AppSummary,
    AppView,
    ReleaseBrief,
    ReleaseView,
    ReplicaView,
    ScalingView,
    SpecView,
)

Apps = Sequence[App]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What URLs follow from besides the app."""

    nodes: Sequence[Node]
    apps_domain: str


def render_spec(spec: AppSpec) -> SpecView:
    """What is wanted, in the shape of a draas.yaml that says everything."""
    return {
        "image": spec.image,
        "port": spec.port,
        "command": _command(spec.command),
        "replicas": {"min": spec.min_replicas, "max": spec.max_replicas},
        "autoscale": _autoscale(spec.autoscale),
        "domains": list(spec.domains),
        "health": _health(spec.health),
        "resources": render_resources(spec.resources),
        "env": dict(spec.env),
        "secrets": [],
        "deploy": _deploy(spec.deploy),
        "release_command": _command(spec.release_command),
        "constraints": list(spec.constraints),
        "labels": dict(spec.labels),
        "https": {"redirect": spec.https_only},
        "maintenance": spec.maintenance,
        "stop_grace_s": spec.stop_grace_s,
    }


def _command(command: str | tuple[str, ...] | None) -> str | list[str] | None:
    return list(command) if isinstance(command, tuple) else command


def _autoscale(wanted: Autoscale | None) -> dict[str, float | None] | None:
    if wanted is None:
        return None
    return {
        "requests_per_s": wanted.requests_per_s,
        "concurrency": wanted.concurrency,
        "cpu_percent": wanted.cpu_percent,
        "memory_percent": wanted.memory_percent,
        "idle_s": wanted.idle_s,
    }


def _health(probe: Probe) -> dict[str, Any]:
    subject: dict[ProbeKind, Any] = {ProbeKind.HTTP: probe.path, ProbeKind.EXEC: list(probe.command)}
    how = {"every_s": probe.every_s, "timeout_s": probe.timeout_s, "failures": probe.failures}
    return {probe.kind.value: subject.get(probe.kind, True), **how}


def _deploy(deploy: Deploy) -> dict[str, Any]:
    canary = deploy.canary
    return {
        "order": deploy.order.value,
        "batch": deploy.batch,
        "healthy_after_s": deploy.healthy_after_s,
        "deadline_s": deploy.deadline_s,
        "rollback": "auto" if deploy.rollback_auto else "off",
        "drain_s": deploy.drain_s,
        "canary": {"replicas": canary.replicas, "share_percent": canary.share_percent} if canary is not None else None,
    }


def render_replica(replica: Replica) -> ReplicaView:
    """One replica, there or past."""
    seen, served = replica.observed, replica.served
    healthy = served.health is Health.HEALTHY and bool(served.since)
    return {
        "id": replica.id,
        "number": replica.allocation.number,
        "release": replica.release,
        "node": replica.allocation.node_name,
        "node_id": replica.node_id,
        "state": seen.state,
        "health": served.health,
        "address": served.endpoint,
        "image": seen.image,
        "detail": seen.detail or served.detail,
        "cause": seen.cause,
        "exit_code": seen.exit_code,
        "oom": seen.oom,
        "leaving": replica.leaving_for if replica.leaving_at is not None else "",
        "assigned_at": time_or_none(replica.allocation.assigned_at) or "",
        "started_at": time_or_none(seen.started_at),
        "finished_at": time_or_none(seen.finished_at),
        "healthy_since": time_or_none(served.since) if healthy else None,
        "log_bytes": seen.log_bytes,
    }


def render_release_brief(release: Release) -> ReleaseBrief:
    """A release without its spec."""
    return {
        "number": release.number,
        "state": release.state,
        "reason": release.reason,
        "image": release.image,
        "canary": release.canary,
        "rollback_of": release.rollback_of,
        "created_at": time_or_none(release.created_at) or "",
        "rolling_at": time_or_none(release.rolling_at),
        "finished_at": time_or_none(release.finished_at),
    }


def render_release(release: Release) -> ReleaseView:
    """A release with what was asked for."""
    return {**render_release_brief(release), "spec": render_spec(release.spec)}


def render_scaling(scaling: Scaling) -> ScalingView:
    """One decision about how many."""
    return {
        "at": time_or_none(scaling.at) or "",
        "before": scaling.before,
        "after": scaling.after,
        "reason": scaling.reason,
    }


def render_app_summary(app: App, where: Where) -> AppSummary:
    """An app as lists show it."""
    return {
        "id": app.id,
        "name": app.name,
        "project": app.project,
        "state": app.state,
        "reason": app.reason,
        "warnings": list(app.warnings),
        "urls": list(urls_of(app, where.nodes, where.apps_domain)),
        "image": app.spec.image,
        "release": app.live,
        "rolling": app.rolling.number if app.rolling is not None else None,
        "wanted": app.wanted,
        "healthy": sum(replica.healthy and replica.staying for replica in app.replicas),
        "sleeping": app.sleeping,
        "removing": app.removing,
        "created_at": time_or_none(app.created_at) or "",
    }


def render_app(app: App, where: Where) -> AppView:
    """An app with its releases and scalings, the newest first, and its replicas."""
    return {
        **render_app_summary(app, where),
        "spec": render_spec(app.spec),
        "releases": [render_release_brief(release) for release in reversed(app.releases)],
        "replicas": [render_replica(replica) for replica in newest_first(app.replicas)],
        "past": [render_replica(replica) for replica in newest_first(app.past)],
        "scalings": [render_scaling(scaling) for scaling in reversed(app.scalings)],
    }


def newest_first(replicas: Sequence[Replica]) -> list[Replica]:
    """By their numbers."""
    return sorted(replicas, key=lambda replica: -replica.allocation.number)


def render_app_explanation(app: App, told: Explanation) -> AppExplanationView:
    """Why an app is as it is."""
    return {
        "app": app.name,
        "state": told.state,
        "summary": told.summary,
        "verdicts": [render_verdict(verdict) for verdict in told.verdicts],
    }


def reply_app(where: Where, new: str = "") -> Callable[[Apps], Reply]:
    """200 with the one app; 201 where its id is `new`."""
    return lambda apps: Reply(201 if apps[0].id == new else 200, encode(render_app(apps[0], where)))


def reply_apps(where: Where) -> Callable[[Apps], Reply]:
    """200 with the apps that a command concerned, by name."""

    def reply(apps: Apps) -> Reply:
        items = [render_app_summary(app, where) for app in sorted(apps, key=lambda app: app.name)]
        return Reply(200, encode({"items": items, "next": None, "total": len(items)}))

    return reply


def reply_removed(apps: Apps) -> Reply:
    """204: it is being taken down, whatever happens to the controller."""
    return Reply(204, b"")
