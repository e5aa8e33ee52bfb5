"""AppSpec: what a user wants of an app. The same fields as draas.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from draas.lib.values import replace
from draas.model.probe import Probe
from draas.model.resources import MIB, Resources


class Order(StrEnum):
    START_FIRST = "start-first"
    STOP_FIRST = "stop-first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """The first part of a roll-out, which waits for a person: `replicas` of the new release, getting `share_percent` of the traffic.

    `share_percent` 0: as many requests as its replicas are of all.
    """

    replicas: int = 1
    share_percent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    """How a release is rolled out."""

    order: Order = Order.START_FIRST
    batch: int = 1  # replicas replaced at a time
    healthy_after_s: float = 3.0  # the settling time: healthy for so long counts
    deadline_s: float = 60.0  # a replica that runs for so long without being healthy fails the release
    rollback_auto: bool = True  # a failed release's replicas are stopped, and the old release is made whole
    drain_s: float = 30.0  # how long a leaving replica may finish what it serves
    canary: Canary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscale:
    """Targets for each replica; the one that asks for most replicas decides. None: not looked at."""

    requests_per_s: float | None = None
    concurrency: float | None = None
    cpu_percent: float | None = None  # of what the replica asked for
    memory_percent: float | None = None
    idle_s: float = 300.0  # with `min_replicas` 0: without a request for so long, the app sleeps


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSpec:
    """`command` None: the image's own. `domains`: host names, each with a path prefix where one follows ("a.b/api")."""

    image: str
    architectures: tuple[str, ...] = ()  # that `image` is for, where the controller knows: no other node gets it
    port: int | None = None  # None: serves nothing, only runs
    command: str | tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = Resources(cpu_millis=500, memory_bytes=256 * MIB)
    constraints: tuple[str, ...] = ()
    health: Probe = Probe()
    stop_grace_s: float = 10.0  # TERM to KILL
    release_command: str | tuple[str, ...] | None = None
    domains: tuple[str, ...] = ()
    https_only: bool = False
    maintenance: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    deploy: Deploy = Deploy()
    # How many; not part of a release.
    min_replicas: int = 1
    max_replicas: int = 1
    autoscale: Autoscale | None = None


def same_release(left: AppSpec, right: AppSpec) -> bool:
    """Whether both ask for the same release: they differ at most in how many replicas there are.

    What their image is built for, nobody asks for: a tag that was moved is no other release until one is made.
    """
    return _without_scale(left) == _without_scale(right)


def same_containers(left: AppSpec, right: AppSpec) -> bool:
    """Whether a container of `left` is one of `right` as well: they differ at most in routes and in how they are rolled out."""
    return _container_part(left) == _container_part(right)


def _without_scale(spec: AppSpec) -> AppSpec:
    return replace(spec, min_replicas=1, max_replicas=1, autoscale=None, architectures=())


def _container_part(spec: AppSpec) -> AppSpec:
    bare = _without_scale(spec)
    return replace(
        bare, domains=(), https_only=False, maintenance=False, deploy=Deploy(), labels={}, release_command=None
    )
