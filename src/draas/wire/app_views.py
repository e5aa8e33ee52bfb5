"""Views of apps: what the API answers of them. Plain typed dictionaries, like draas.wire.views.

A SpecView can be sent back as the body of PUT /api/apps/{name}: that changes nothing.
"""

from typing import Any

from typing_extensions import TypedDict

from draas.wire.views import LinePart, ResourcesView, VerdictView


class BoundsView(TypedDict):
    """How many replicas there may be."""

    min: int
    max: int


class SpecView(TypedDict):
    """What is wanted of an app, as in draas.yaml, with every default filled in."""

    image: str
    port: int | None
    command: str | list[str] | None
    replicas: BoundsView
    autoscale: dict[str, float | None] | None
    domains: list[str]
    health: dict[str, Any]
    resources: ResourcesView
    env: dict[str, str]
    secrets: list[str]
    deploy: dict[str, Any]
    release_command: str | list[str] | None
    constraints: list[str]
    labels: dict[str, str]
    https: dict[str, bool]
    maintenance: bool
    stop_grace_s: float


class ReplicaView(TypedDict):
    """One replica; `id` names its output, `number` counts an app's replicas from 1, `leaving` says why it goes."""

    id: str
    number: int
    release: int
    node: str
    node_id: str
    state: str
    health: str
    address: str
    image: str
    detail: str
    cause: str
    exit_code: int | None
    oom: bool
    leaving: str
    assigned_at: str
    started_at: str | None
    finished_at: str | None
    healthy_since: str | None
    log_bytes: int | None


class ReplicaList(TypedDict):
    """Replicas, the newest first; those that have ended are the last ones kept."""

    items: list[ReplicaView]
    next: str | None
    total: int


class ReleaseBrief(TypedDict):
    """One version of an app. `image` is what its tag was resolved to; `canary` is testing while it waits for a decision."""

    number: int
    state: str
    reason: str
    image: str
    canary: str
    rollback_of: int | None
    created_at: str
    rolling_at: str | None
    finished_at: str | None


class ReleaseView(ReleaseBrief):
    """A release with what was asked for."""

    spec: SpecView


class ReleaseList(TypedDict):
    """Releases, the newest first."""

    items: list[ReleaseView]
    next: str | None
    total: int


class ScalingView(TypedDict):
    """One decision about how many replicas there should be, in words."""

    at: str
    before: int
    after: int
    reason: str


class ScalingList(TypedDict):
    """Scaling decisions, the newest first."""

    items: list[ScalingView]
    next: str | None
    total: int


class AppSummary(TypedDict):
    """An app as lists show it. `release` is the one that serves, `rolling` the one on its way; `wanted` counts replicas."""

    id: str
    name: str
    project: str
    state: str
    reason: str
    warnings: list[str]
    urls: list[str]
    image: str
    release: int | None
    rolling: int | None
    wanted: int
    healthy: int
    sleeping: bool
    removing: bool
    created_at: str


class AppView(AppSummary):
    """An app with all there is to know of it; `past` are replicas that have ended."""

    spec: SpecView
    releases: list[ReleaseBrief]
    replicas: list[ReplicaView]
    past: list[ReplicaView]
    scalings: list[ScalingView]


class AppSampleView(TypedDict):
    """What an app did, in means over a step of time from `at` on; null: not known.

    Requests are those of all ingresses; `errors_per_s` were answered 5xx or not at all; `latency_ms` is the mean time from a
    request to the beginning of its answer, null where there were none. CPU and memory are those of all replicas together.
    """

    at: str
    requests_per_s: float | None
    errors_per_s: float | None
    latency_ms: float | None
    cpu_cores: float | None
    memory_bytes: int | None
    replicas_ready: float
    replicas_wanted: float


class AppSampleList(TypedDict):
    """What an app did, oldest first; `step_s` is the length of a step. Steps without a sample are left out."""

    items: list[AppSampleView]
    step_s: float
    next: str | None
    total: int


class AppList(TypedDict):
    """Apps, by name."""

    items: list[AppSummary]
    next: str | None
    total: int


class ChangeView(TypedDict):
    """One field that would change: None where it is, or was, not set."""

    path: str
    before: Any
    after: Any


class PlanView(TypedDict):
    """What a PUT of the same body would do: create, update or none; `release`: as a new release, `restarts`: in new containers."""

    app: str
    project: str
    action: str
    release: bool
    restarts: bool
    changes: list[ChangeView]


class AppExplanationView(TypedDict):
    """Why an app is as it is, and what each node says to one more replica."""

    app: str
    state: str
    summary: str
    verdicts: list[VerdictView]


class AppLogLineView(LinePart):
    """One line of a replica's output. `match`: what was searched for is in it; false for a line that is merely near one."""

    replica: str
    number: int
    node: str
    match: bool
