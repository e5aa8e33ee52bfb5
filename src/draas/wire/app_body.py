"""The app's body: what draas.yaml and PUT /api/apps/{name} may say, its limits, and how it becomes an AppSpec.

Names, domains and paths end up in a proxy's configuration, so what they may hold is listed and all else refused.
"""

import re
from typing import Annotated, Any, Literal, cast

import idna
from pydantic import AfterValidator, Field, PlainValidator, StringConstraints, WithJsonSchema, model_validator
from pydantic.config import JsonDict, JsonValue
from pydantic_core import PydanticCustomError

from draas.model.app_spec import AppSpec, Autoscale, Canary, Deploy, Order
from draas.model.constraint import parse_constraint
from draas.model.errors import Fault, Invalid
from draas.model.probe import Probe, ProbeKind
from draas.model.resources import MIB, Resources
from draas.wire.api import (
    COMMAND_SCHEMA,
    MAX_ENV_BYTES,
    Body,
    ConstraintText,
    Cores,
    EnvName,
    EnvValue,
    Gpus,
    LabelName,
    LabelValue,
    MemoryMb,
    check_command,
)

MAX_NAME = 40  # NAME.APPS-DOMAIN stays a host name, and a container's name readable
MAX_REPLICAS = 100
MAX_DOMAINS = 100
MAX_HOST = 253  # RFC 1035
APP_NAME = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
HTTP_PATH = r"^/[A-Za-z0-9._~/,=:@+&?-]*$"
_HOST_PART = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_PATH_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
# github.com/distribution/reference, without upper-case names, which no registry takes.
IMAGE_REFERENCE = (
    rf"^({_HOST_PART}(\.{_HOST_PART})*(:[0-9]+)?/)?{_PATH_PART}(/{_PATH_PART})*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,128})?$"
)
TOLD = {
    APP_NAME: "must be a name such as shop-2: lower-case letters, digits and hyphens, a letter or digit at both ends",
    HTTP_PATH: "must be a path such as /healthz: letters, digits and . _ ~ / , = : @ + & ? -",
    IMAGE_REFERENCE: "must be an image reference such as nginx:1.25 or registry.example:5000/team/shop:2",
}

AppName = Annotated[str, StringConstraints(max_length=MAX_NAME, pattern=APP_NAME)]
Reference = Annotated[str, StringConstraints(max_length=512, pattern=IMAGE_REFERENCE)]
HttpPath = Annotated[str, StringConstraints(max_length=256, pattern=HTTP_PATH)]
ReplicaCount = Annotated[int, Field(ge=0, le=MAX_REPLICAS)]
Target = Annotated[float, Field(gt=0, le=1e9)]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")


def check_domain(given: str) -> str:
    """`given` as it is kept: the host in lower case and in ASCII, then the path without a final slash. Raises PydanticCustomError."""
    if "://" in given:
        raise PydanticCustomError("domain", "must be a host name without http:// or https://")
    host, _, path = given.partition("/")
    segments = [segment for segment in path.rstrip("/").split("/") if path.rstrip("/")]
    if not all(_SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        raise PydanticCustomError("domain", "has a path with other characters than letters, digits and . _ ~ / -")
    return "/".join([_check_host(host), *segments])


def _check_host(given: str) -> str:
    if given.startswith("*"):
        raise PydanticCustomError("domain", "must not have a wildcard: name each host")
    if ":" in given:
        raise PydanticCustomError("domain", "must be a host name without a port: the proxy's own is used")
    try:
        host = given.removesuffix(".").lower()
        host = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except UnicodeError:
        host = ""
    labels = host.split(".")
    if len(host) > MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise PydanticCustomError(
            "domain", "must be a host name such as shop.example.org, with a path after it if need be"
        )
    if labels[-1].isdigit():
        raise PydanticCustomError("domain", "must be a host name, not an address")
    return host


Domain = Annotated[str, StringConstraints(min_length=1, max_length=512), AfterValidator(check_domain)]


def _check_optional_command(given: object) -> str | tuple[str, ...] | None:
    return None if given is None else check_command(given)


OptionalCommand = Annotated[
    Any,
    PlainValidator(_check_optional_command),
    WithJsonSchema({"anyOf": [*COMMAND_SCHEMA["anyOf"], {"type": "null"}]}),
]
# The API takes no `build`, whatever is in it; draas.wire.app_schema has its fields.
_BUILD_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def _or_number(schema: JsonDict) -> None:
    cast("list[JsonValue]", schema["anyOf"]).insert(0, {"type": "integer", "minimum": 0, "maximum": MAX_REPLICAS})


def _or_word(schema: JsonDict) -> None:
    cast("list[JsonValue]", schema["anyOf"]).insert(0, {"type": "string", "enum": ["tcp", "none"]})


class ReplicasBody(Body):
    """How many replicas: a number, or between `min` and `max`, as `autoscale` or `draas apps scale` say. `min` 0: it may sleep."""

    min: ReplicaCount = 1
    max: ReplicaCount | None = Field(None, description="default: as many as `min`, at least 1")

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, given: object) -> object:
        if isinstance(given, bool) or not isinstance(given, int | dict):
            raise PydanticCustomError("replicas", "must be a whole number, or min and max")
        if isinstance(given, dict):
            return given
        if not 0 <= given <= MAX_REPLICAS:
            raise PydanticCustomError("replicas", "must be 0 to {limit}", {"limit": MAX_REPLICAS})
        return {"min": given, "max": given}


class AutoscaleBody(Body):
    """Targets for each replica; the one that asks for most replicas decides."""

    requests_per_s: Target | None = None
    concurrency: Target | None = Field(None, description="requests under way at a time")
    cpu_percent: Target | None = Field(None, description="of the CPU that a replica asks for")
    memory_percent: Target | None = Field(None, description="of the memory that a replica asks for")
    idle_s: float = Field(300, ge=10, le=86_400, description="with `min` 0: without a request for so long, it sleeps")


class HealthBody(Body):
    """How the agent finds out whether a replica can serve: one of `http`, `tcp`, `exec`, `none`; by default the port must answer.

    `health: tcp` and `health: none` do as well.
    """

    http: HttpPath | None = Field(None, description="GET of this path answers with a status below 400")
    tcp: bool | None = Field(None, description="true: the port accepts a connection")
    exec: OptionalCommand = Field(None, description="a command inside the container exits with 0")
    none: bool | None = Field(None, description="true: running is enough")
    every_s: float = Field(2, ge=0.2, le=3600)
    timeout_s: float = Field(1, ge=0.1, le=300)
    failures: int = Field(3, ge=1, le=100, description="in a row, until it counts as unhealthy")

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, given: object) -> object:
        if given in ("tcp", "none"):
            return {given: True}
        if not isinstance(given, dict):
            raise PydanticCustomError("health", "must be tcp, none, or an object with http, tcp, exec or none")
        return {name: True if value is None and name in ("tcp", "none") else value for name, value in given.items()}


class AppResourcesBody(Body):
    """What each replica may use of its machine, and what is reserved for it. `memory_mb` counts 1,048,576 bytes."""

    cpu_cores: Cores = 0.5
    memory_mb: MemoryMb = 256
    gpus: Gpus = 0


class CanaryBody(Body):
    """The first part of a roll-out, which waits for `draas apps canary`."""

    replicas: int = Field(1, ge=1, le=MAX_REPLICAS)
    share_percent: int = Field(
        0, ge=0, le=99, description="of the requests; 0: as many as its replicas are of all replicas"
    )


class DeployBody(Body):
    """How a release is rolled out."""

    order: Literal["start-first", "stop-first"] = Field(
        "start-first", description="whether a new replica serves before an old one is stopped, or after"
    )
    batch: int = Field(1, ge=1, le=MAX_REPLICAS, description="replicas replaced at a time")
    healthy_after_s: float = Field(3, ge=0, le=3600, description="healthy for so long counts")
    deadline_s: float = Field(
        Deploy().deadline_s,
        ge=1,
        le=86_400,
        description="a replica that runs for so long without being healthy fails the release",
    )
    rollback: Literal["auto", "off"] = Field(
        "auto", description="whether a failed release's replicas are stopped and the old release made whole"
    )
    drain_s: float = Field(30, ge=0, le=3600, description="how long a leaving replica may finish what it serves")
    canary: CanaryBody | None = None


class HttpsBody(Body):
    """Encryption between people and the proxy."""

    redirect: bool = Field(False, description="send those who come by http:// to https://")


class AppBuildBody(Body):
    """How the image is made, of draas.yaml alone: a source, as text, or with fields. The command line builds before it puts the app."""

    context: str = Field(".", max_length=2048, description="a folder or an archive beside the file, or a git URL")
    dockerfile: str | None = Field(None, max_length=1024, description="its path in the source; default: found, or made")
    args: dict[EnvName, EnvValue] = Field(default={}, max_length=200, description="build arguments")
    target: str | None = Field(None, max_length=128, description="the stage to stop at")


class AppBody(Body):
    """An app: draas.yaml has the same fields. `app` (the name) and one of `image` and `build` are required; in the API the name stands in
    the path, and there is no `build`."""

    app: AppName | None = Field(None, description="the name: lower-case letters, digits and hyphens")
    image: Reference | None = Field(None, description="a tag is resolved to a digest once, at the deploy")
    build: Annotated[Any, WithJsonSchema(_BUILD_SCHEMA)] = Field(
        None, description="in draas.yaml, in place of `image`: the folder that is built, such as `.`, or fields"
    )
    port: int | None = Field(
        None, ge=1, le=65535, description="where it listens inside the container; without one it serves nothing"
    )
    command: OptionalCommand = Field(
        None, description="text (run by the image's `sh -c`) or a list of words; default: the image's own"
    )
    replicas: ReplicasBody | None = Field(None, description="default: 1", json_schema_extra=_or_number)
    autoscale: AutoscaleBody | None = None
    domains: list[Domain] = Field(
        default=[], max_length=MAX_DOMAINS, description="host names, each with a path or without"
    )
    health: HealthBody | None = Field(
        None, description="default: the port accepts a connection", json_schema_extra=_or_word
    )
    resources: AppResourcesBody | None = None
    env: dict[EnvName, EnvValue] = Field(default={}, max_length=1_000)
    secrets: list[EnvName] = Field(default=[], max_length=100, description="not yet: there are no secrets to name")
    deploy: DeployBody | None = None
    release_command: OptionalCommand = Field(
        None, description="run once with the new image before anything is replaced; the release fails with it"
    )
    constraints: list[ConstraintText] = Field(default=[], max_length=32)
    labels: dict[LabelName, LabelValue] = Field(default={}, max_length=64)
    https: HttpsBody | None = None
    maintenance: bool = Field(False, description="people see a maintenance page")
    stop_grace_s: float = Field(10, ge=0, le=3600, description="from TERM to KILL")


class ScaleBody(Body):
    """So many replicas; 0 stops the app. The spec's bounds are moved where they are in the way."""

    replicas: ReplicaCount


class RollbackBody(Body):
    """To which release; without: to the one before the live one."""

    release: int | None = Field(None, ge=1, le=2**31)


class CanaryDecision(Body):
    """Roll the canary out to all, or take it back."""

    action: Literal["promote", "abort"]


class RebalanceBody(Body):
    """Which app; without: all of them."""

    name: AppName | None = None


def to_app_spec(body: AppBody) -> AppSpec:
    """The app that `body` describes. Raises Invalid with one fault for each field that contradicts another or means nothing."""
    if faults := [*_faults_between(body), *_faults_of_constraints(body.constraints)]:
        raise Invalid("the app is not valid", tuple(faults))
    low, high = _replicas(body.replicas)
    asked = body.resources or AppResourcesBody()
    return AppSpec(
        image=body.image or "",
        port=body.port,
        command=body.command,
        env=body.env,
        resources=Resources(
            cpu_millis=round(asked.cpu_cores * 1000), memory_bytes=round(asked.memory_mb * MIB), gpus=asked.gpus
        ),
        constraints=tuple(body.constraints),
        health=_probe(body.health, body.port),
        stop_grace_s=body.stop_grace_s,
        release_command=body.release_command,
        domains=tuple(body.domains),
        https_only=body.https is not None and body.https.redirect,
        maintenance=body.maintenance,
        labels=body.labels,
        deploy=_deploy(body.deploy or DeployBody.model_validate({})),
        min_replicas=low,
        max_replicas=high,
        autoscale=_autoscale(body.autoscale),
    )


def _replicas(given: ReplicasBody | None) -> tuple[int, int]:
    if given is None:
        return 1, 1
    return given.min, given.max if given.max is not None else max(1, given.min)


def _probe(given: HealthBody | None, port: int | None) -> Probe:
    if given is None:
        return Probe(kind=ProbeKind.TCP if port is not None else ProbeKind.NONE)
    kind = next((ProbeKind(name) for name in _kinds(given)), ProbeKind.TCP if port is not None else ProbeKind.NONE)
    command = given.exec or ()
    return Probe(
        kind=kind,
        path=given.http or "/",
        command=("sh", "-c", command) if isinstance(command, str) else command,
        every_s=given.every_s,
        timeout_s=given.timeout_s,
        failures=given.failures,
    )


def _kinds(given: HealthBody) -> list[str]:
    return [kind.value for kind in ProbeKind if getattr(given, kind.value) not in (None, False)]


def _deploy(given: DeployBody) -> Deploy:
    canary = given.canary
    return Deploy(
        order=Order(given.order),
        batch=given.batch,
        healthy_after_s=given.healthy_after_s,
        deadline_s=given.deadline_s,
        rollback_auto=given.rollback == "auto",
        drain_s=given.drain_s,
        canary=Canary(replicas=canary.replicas, share_percent=canary.share_percent) if canary is not None else None,
    )


def _autoscale(given: AutoscaleBody | None) -> Autoscale | None:
    if given is None:
        return None
    return Autoscale(
        requests_per_s=given.requests_per_s,
        concurrency=given.concurrency,
        cpu_percent=given.cpu_percent,
        memory_percent=given.memory_percent,
        idle_s=given.idle_s,
    )


_NO_BUILD = "is for draas.yaml and the command line, which build first: over the API, POST /api/builds, then give the build's image as image"


def _faults_between(body: AppBody) -> list[Fault]:
    """Fields that must be given, must not be given together, or make no sense without another."""
    faults = []
    if body.build is not None:
        faults.append(Fault("build", _NO_BUILD))
    elif body.image is None:
        faults.append(Fault("image", "is required, for example nginx:1.25"))
    faults += [Fault(f"secrets[{at}]", "names no secret: there are none yet") for at in range(len(body.secrets))]
    low, high = _replicas(body.replicas)
    if low > high:
        faults.append(Fault("replicas", f"has a min of {low} above its max of {high}"))
    elif body.autoscale is not None and low == high:
        faults.append(Fault("autoscale", "needs room: give replicas a min below its max, for example {min: 1, max: 4}"))
    faults += _faults_of_port(body)
    if body.health is not None and len(kinds := _kinds(body.health)) > 1:
        faults.append(Fault("health", f"has {' and '.join(kinds)}: give one of them"))
    if len(set(body.domains)) != len(body.domains):
        faults.append(Fault("domains", "has the same one twice: give it once"))
    if sum(len(name) + len(value.encode()) + 2 for name, value in body.env.items()) > MAX_ENV_BYTES:
        faults.append(Fault("env", f"is larger than {MAX_ENV_BYTES} bytes in all"))
    return faults


def _faults_of_port(body: AppBody) -> list[Fault]:
    """What needs a port where there is none."""
    if body.port is not None:
        return []
    needing = [f"health.{kind}" for kind in ("http", "tcp") if body.health is not None and kind in _kinds(body.health)]
    if body.domains:
        needing.append("domains")
    if body.autoscale is not None:
        needing += [
            f"autoscale.{name}"
            for name in ("requests_per_s", "concurrency")
            if getattr(body.autoscale, name) is not None
        ]
    return [Fault(path, "needs a port: say where the app listens") for path in needing]


def _faults_of_constraints(constraints: list[str]) -> list[Fault]:
    faults = []
    for at, text in enumerate(constraints):
        try:
            parse_constraint(text)
        except Invalid as wrong:
            faults.append(Fault(f"constraints[{at}]", wrong.detail))
    return faults
