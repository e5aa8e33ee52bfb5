"""Render samples of nodes and apps as the views of draas.wire."""

from collections.abc import Callable
from math import isnan
from typing import TypeVar

from draas.lib.clock import rfc3339
from draas.model.sample import AppSample, NodeSample, Point
from draas.server.api.render import encode
from draas.server.services.samples import Samples
from draas.wire.app_views import AppSampleView
from draas.wire.views import SampleView

V = TypeVar("V", SampleView, AppSampleView)


def render_samples(found: Samples, render: Callable[[Point], V]) -> bytes:
    """A list of samples with the length of their steps."""
    items = [render(point) for point in found.points]
    return encode({"items": items, "step_s": found.step_s, "next": None, "total": len(items)})


def render_node_sample(point: Point) -> SampleView:
    """One step of a node."""
    sample = NodeSample(*point.values)
    return {
        "at": rfc3339(point.at),
        "cpu_percent": round(sample.cpu_percent, 2),
        "memory_used_bytes": round(sample.memory_used_bytes),
        "disk_used_bytes": round(sample.disk_used_bytes),
        "load_1m": round(sample.load_1m, 2),
        "received_bytes_per_s": _known(sample.received_bytes_per_s, 1),
        "sent_bytes_per_s": _known(sample.sent_bytes_per_s, 1),
    }


def render_app_sample(point: Point) -> AppSampleView:
    """One step of an app."""
    sample = AppSample(*point.values)
    answered = sample.requests_per_s > 0  # not of what is not known, either
    memory = sample.memory_bytes
    return {
        "at": rfc3339(point.at),
        "requests_per_s": _known(sample.requests_per_s, 3),
        "errors_per_s": _known(sample.errors_per_s, 3),
        "latency_ms": _known(1000 * sample.answering / sample.requests_per_s, 2) if answered else None,
        "cpu_cores": _known(sample.cpu_cores, 4),
        "memory_bytes": None if isnan(memory) else round(memory),
        "replicas_ready": round(sample.replicas_ready, 2),
        "replicas_wanted": round(sample.replicas_wanted, 2),
    }


def _known(value: float, digits: int) -> float | None:
    return None if isnan(value) else round(value, digits)
