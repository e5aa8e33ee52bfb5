"""Request bodies of the API: what is accepted, its limits, and how a job body becomes a JobSpec.

Everything is strict (no "1" for 1, no true for 1), every size is bounded, an unknown field is an error.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from draas.model.constraint import parse_constraint
from draas.model.errors import Fault, Invalid
from draas.model.job import MAX_RETRIES, JobId, JobSpec, RuntimeName
from draas.model.resources import MIB, Resources

MAX_ARGUMENT_BYTES = 128 * 1024 - 1  # the kernel's limit for one argument (MAX_ARG_STRLEN) less its final NUL
MAX_ARGUMENTS = 1_000
MAX_COMMAND_BYTES = 512 * 1024  # all arguments together; the kernel's own limit is 2 MiB with the environment
MAX_ENV_BYTES = 512 * 1024
MAX_BATCH = 10_000
MAX_BATCH_NEEDS = 100_000  # all jobs together; they are resolved in one go
MAX_TIMEOUT_S = 366 * 24 * 3600
MAX_TTL_S = 366 * 24 * 3600

# Patterns are told to people in words (see TOLD): a regular expression is no remedy.
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
IMAGE = r"^[^\x00-\x20\x7f]+$"
NO_NUL = r"^[^\x00]*$"
NO_COLON = r"^[^\x00-\x1f\x7f:]*$"
ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
LABEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"
HOST_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
LABEL_MATCH = r"^[^=]+="
TOLD = {
    PRINTABLE: "must not have control characters",
    IMAGE: "must be an image reference without blanks, for example python:3.12-slim",
    NO_NUL: "must not have NUL characters",
    NO_COLON: "must not have colons or control characters",
    ENV_NAME: "is no name of an environment variable: letters, digits and _, not starting with a digit",
    LABEL_NAME: "is no label name: letters, digits and . _ / -, starting with a letter or digit",
    HOST_NAME: "is no name: letters, digits and . _ -, starting with a letter or digit",
    LABEL_MATCH: "must be name=value",
}

NodeName = Annotated[str, StringConstraints(max_length=63, pattern=HOST_NAME)]
ProjectText = Annotated[str, StringConstraints(max_length=63, pattern=HOST_NAME)]
LabelName = Annotated[str, StringConstraints(max_length=128, pattern=LABEL_NAME)]
LabelValue = Annotated[str, StringConstraints(max_length=256, pattern=PRINTABLE)]
EnvName = Annotated[str, StringConstraints(max_length=256, pattern=ENV_NAME)]
EnvValue = Annotated[str, StringConstraints(max_length=MAX_ARGUMENT_BYTES - 257, pattern=NO_NUL)]
Image = Annotated[str, StringConstraints(max_length=512, pattern=IMAGE)]
ConstraintText = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=PRINTABLE)]
Need = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=PRINTABLE)]
Cores = Annotated[float, Field(ge=0.01, le=100_000)]
MemoryMb = Annotated[float, Field(ge=6, le=1e9)]  # Docker Engine refuses limits below 6 MiB
Gpus = Annotated[int, Field(ge=0, le=1024)]
TimeoutS = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)]


def _check_argument(text: object, where: str) -> str:
    if not isinstance(text, str):
        raise PydanticCustomError("command", "{where}must be text", {"where": where})
    if "\0" in text:
        raise PydanticCustomError("command", "{where}must not have NUL characters", {"where": where})
    if len(text) > MAX_ARGUMENT_BYTES // 4 and len(text.encode()) > MAX_ARGUMENT_BYTES:
        told = "{where}is longer than {limit} bytes: put the script into the image, or split it"
        raise PydanticCustomError("command", told, {"where": where, "limit": MAX_ARGUMENT_BYTES})
    return text


def check_command(given: object) -> str | tuple[str, ...]:
    """A string for the shell or the words of a command. Raises PydanticCustomError."""
    if isinstance(given, str):
        if not given.strip():
            raise PydanticCustomError("command", "must not be empty")
        return _check_argument(given, "")
    if not isinstance(given, list):
        raise PydanticCustomError("command", "must be text (run by sh -c) or a list of words (run as it is)")
    if not 1 <= len(given) <= MAX_ARGUMENTS:
        raise PydanticCustomError("command", "must have 1 to {limit} words", {"limit": MAX_ARGUMENTS})
    words = tuple(_check_argument(word, f"word {at} ") for at, word in enumerate(given))
    if not words[0].strip():
        raise PydanticCustomError("command", "word 0 must name a program")
    if sum(len(word.encode()) + 1 for word in words) > MAX_COMMAND_BYTES:
        raise PydanticCustomError("command", "is longer than {limit} bytes in all", {"limit": MAX_COMMAND_BYTES})
    return words


COMMAND_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": MAX_ARGUMENT_BYTES, "description": "run by `sh -c`"},
        {
            "type": "array",
            "items": {"type": "string", "maxLength": MAX_ARGUMENT_BYTES},
            "minItems": 1,
            "maxItems": MAX_ARGUMENTS,
            "description": "run as it is",
        },
    ]
}
CommandLine = Annotated[Any, PlainValidator(check_command), WithJsonSchema(COMMAND_SCHEMA)]


def _check_gpu(given: object) -> int:
    """A number of GPUs; existing clients also say true or false. Raises PydanticCustomError."""
    if isinstance(given, int) and 0 <= given <= 1024:
        return int(given)
    raise PydanticCustomError("gpu", "must be a whole number from 0 to 1024, true or false")


_GPU_SCHEMA = {"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": 1024}]}


_OLD: JsonDict = {"deprecated": True}  # in the schema only: pydantic would warn whenever we read the field


class Body(BaseModel):
    """What all request bodies share."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class ResourcesBody(Body):
    """What the job may use of its machine, and what is reserved for it. `memory_mb` counts 1,048,576 bytes."""

    cpu_cores: Cores = 1
    memory_mb: MemoryMb = 256
    gpus: Gpus = 0


class RequirementsBody(Body):
    """`resources`, `image` and `timeout_s` as existing clients spell them."""

    cpu_cores: Cores = 1
    memory_mb: MemoryMb = 256
    gpu: Annotated[Any, PlainValidator(_check_gpu), WithJsonSchema(_GPU_SCHEMA)] = 0
    docker_image: Image | None = None
    timeout: TimeoutS | None = None


class JobBody(Body):
    """A job. Only `command` is required."""

    command: CommandLine
    name: Annotated[str, StringConstraints(max_length=128, pattern=PRINTABLE)] = ""
    image: Image | None = Field(None, description="default: the controller's default image")
    runtime: Literal["docker", "process", "host"] | None = Field(
        None,
        description="`host` is another word for `process`; default: docker, or process where no image is asked for and no "
        "node has a Docker Engine",
    )
    resources: ResourcesBody | None = None
    env: dict[EnvName, EnvValue] = Field(default={}, max_length=1_000)
    priority: int = Field(50, ge=0, le=100, description="larger runs earlier")
    retries: int = Field(0, ge=0, le=MAX_RETRIES)
    timeout_s: TimeoutS | None = Field(None, description="counted from the start of an attempt")
    labels: dict[LabelName, LabelValue] = Field(default={}, max_length=64)
    constraints: list[ConstraintText] = Field(default=[], max_length=32)
    needs: list[Need] | None = Field(
        None, max_length=1_000, description="ids of jobs, or names of jobs in the same batch, that must succeed first"
    )
    exclusive: bool = Field(False, description="never two attempts at a time, even when a machine is cut off")
    node: NodeName | None = Field(None, description="short for the constraint `node.name == …`")
    resource_requirements: RequirementsBody | None = Field(None, json_schema_extra=_OLD)
    dependencies: list[Need] | None = Field(None, max_length=1_000, json_schema_extra=_OLD)


class BatchBody(Body):
    """Many jobs, all or none."""

    jobs: list[JobBody] = Field(min_length=1, max_length=MAX_BATCH)


class NodePatch(Body):
    """`labels` are merged, a null removes one; `state` drains a node or takes it back."""

    labels: dict[LabelName, LabelValue | None] = Field(default={}, max_length=64)
    state: Literal["ready", "draining"] | None = None


class JoinTokenBody(Body):
    """A token's lifetime in seconds."""

    ttl_s: float = Field(3600, ge=1, le=7 * 24 * 3600)


class JoinBody(Body):
    """A machine that joins. `key` is its earlier key, if it has one: then it stays the same node."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=PRINTABLE)]
    name: NodeName
    key: Annotated[str, StringConstraints(max_length=512, pattern=PRINTABLE)] | None = None


class KeyBody(Body):
    """A new API key. Without `project` it is good for all projects, without `ttl_s` until it is revoked."""

    name: Annotated[str, StringConstraints(max_length=128, pattern=PRINTABLE)] = ""
    role: Literal["viewer", "deployer", "admin"]
    project: ProjectText | None = None
    ttl_s: float | None = Field(None, ge=1, le=MAX_TTL_S)


class RotateBody(Body):
    """For how long the old key is good beside the new one, in seconds."""

    keep_s: float = Field(0, ge=0, le=30 * 24 * 3600)


class SessionBody(Body):
    """A key, or the token of a one-time sign-in link: one of the two."""

    key: str | None = Field(None, min_length=1, max_length=512)
    token: str | None = Field(None, min_length=1, max_length=512)

    @model_validator(mode="after")
    def check_one(self) -> Self:
        """Not both, not none."""
        if (self.key is None) == (self.token is None):
            raise PydanticCustomError("session", "must have either key or token")
        return self


class CertificateBody(Body):
    """A certificate for a host, both in PEM. The key is kept encrypted and is never shown again."""

    chain: str = Field(
        min_length=1, max_length=131_072, description="the host's certificate, then its issuers' in order"
    )
    key: str = Field(min_length=1, max_length=32_768, description="the private key, without a passphrase")


class RegistryBody(Body):
    """A login to a registry. The password (or access token) is kept encrypted and is never shown again."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_COLON)]  # RFC 7617
    password: Annotated[str, StringConstraints(min_length=1, max_length=8192, pattern=NO_NUL)]
    project: ProjectText | None = Field(None, description="default: the key's own, or `default`")


class EmptyBody(Body):
    """Nothing: an empty body will do as well."""


def to_spec(body: JobBody, default_runtime: RuntimeName = RuntimeName.DOCKER) -> JobSpec:
    """The job that `body` describes; its needs are still as given (ids, or names inside a batch).

    `default_runtime` is for a job that asks for neither a runtime nor an image.
    Raises Invalid with one fault for each field that contradicts another or whose text means nothing.
    """
    faults = _faults_between(body)
    constraints = [*body.constraints, *([f"node.name == {body.node}"] if body.node is not None else [])]
    for at, text in enumerate(body.constraints):
        try:
            parse_constraint(text)
        except Invalid as wrong:
            faults.append(Fault(f"constraints[{at}]", wrong.detail))
    if faults:
        raise Invalid("the job is not valid", tuple(faults))
    old = body.resource_requirements
    needs = body.needs if body.needs is not None else body.dependencies or ()
    image = old.docker_image if old is not None and body.image is None else body.image
    return JobSpec(
        command=body.command,
        name=body.name,
        image=image,
        runtime=_runtime(body.runtime, RuntimeName.DOCKER if image is not None else default_runtime),
        resources=_resources(body),
        env=body.env,
        priority=body.priority,
        retries=body.retries,
        timeout_s=old.timeout if old is not None and body.timeout_s is None else body.timeout_s,
        labels=body.labels,
        constraints=tuple(constraints),
        needs=tuple(dict.fromkeys(map(JobId, needs))),
        exclusive=body.exclusive,
    )


def _runtime(given: str | None, default: RuntimeName) -> RuntimeName:
    if given is None:
        return default
    return RuntimeName.DOCKER if given == "docker" else RuntimeName.PROCESS


def _resources(body: JobBody) -> Resources:
    if (old := body.resource_requirements) is not None:
        return _amount(old.cpu_cores, old.memory_mb, old.gpu)
    if (new := body.resources) is not None:
        return _amount(new.cpu_cores, new.memory_mb, new.gpus)
    return _DEFAULT_RESOURCES


def _amount(cpu_cores: float, memory_mb: float, gpus: int) -> Resources:
    return Resources(cpu_millis=round(cpu_cores * 1000), memory_bytes=round(memory_mb * MIB), gpus=gpus)


_DEFAULT_RESOURCES = JobSpec(command="true").resources


def _faults_between(body: JobBody) -> list[Fault]:
    """Fields that must not be given together, or are too large together."""
    faults = []
    if (old := body.resource_requirements) is not None:
        if body.resources is not None:
            faults.append(_twice("resource_requirements", "resources"))
        if old.docker_image is not None and body.image not in (None, old.docker_image):
            faults.append(_twice("resource_requirements.docker_image", "image"))
        if old.timeout is not None and body.timeout_s not in (None, old.timeout):
            faults.append(_twice("resource_requirements.timeout", "timeout_s"))
    if body.dependencies is not None and body.needs is not None:
        faults.append(_twice("dependencies", "needs"))
    if body.env and sum(len(k) + len(v.encode()) + 2 for k, v in body.env.items()) > MAX_ENV_BYTES:
        faults.append(Fault("env", f"is larger than {MAX_ENV_BYTES} bytes in all"))
    return faults


def _twice(path: str, other: str) -> Fault:
    return Fault(path, f"says the same as {other}: give one of them")


def check_batch_needs(specs: list[JobSpec], ids: list[JobId]) -> Mapping[int, tuple[JobId, ...]]:
    """Needs with names of this batch replaced by ids, for the jobs that have any: position > needs.

    What is no name here is taken to be an id. Raises Invalid on a name that two jobs bear and on a cycle, naming them.
    """
    if (count := sum(len(spec.needs) for spec in specs)) > MAX_BATCH_NEEDS:
        told = f"have {count} needs in all: a batch has at most {MAX_BATCH_NEEDS}"
        raise Invalid(f"the jobs {told}", (Fault("jobs", told),))
    bearers: dict[str, list[int]] = {}
    for at, spec in enumerate(specs):
        if spec.name:
            bearers.setdefault(spec.name, []).append(at)
    inside: dict[int, list[int]] = {}
    resolved: dict[int, tuple[JobId, ...]] = {}
    for at, spec in enumerate(specs):
        if not spec.needs:
            continue
        needs = []
        for position, need in enumerate(spec.needs):
            found = bearers.get(need)
            if found is not None and len(found) > 1:
                told = f"{need!r} is the name of {len(found)} jobs of this batch: give them different names"
                raise Invalid(told, (Fault(f"jobs[{at}].needs[{position}]", told),))
            if found is not None:
                inside.setdefault(at, []).append(found[0])
            needs.append(ids[found[0]] if found is not None else need)
        resolved[at] = tuple(dict.fromkeys(needs))
    _check_no_cycle(specs, inside)
    return resolved


def _check_no_cycle(specs: list[JobSpec], inside: Mapping[int, list[int]]) -> None:
    """Depth-first search without recursion, as a chain may be 10,000 jobs long. Raises Invalid naming the cycle."""
    done: set[int] = set()
    for start in inside:
        if start in done:
            continue
        path: dict[int, int] = {start: 0}  # job > which of its needs comes next; the keys are the way from `start`
        while path:
            at, turn = next(reversed(path.items()))
            needs = inside.get(at, [])
            if turn == len(needs):
                done.add(at)
                del path[at]
                continue
            path[at] = turn + 1
            need = needs[turn]
            if need in path:
                way = list(path)
                told = f"jobs need each other in a circle: {_told_circle([*way[way.index(need) :], need], specs)}"
                raise Invalid(told, (Fault(f"jobs[{at}].needs", told),))
            if need not in done:
                path[need] = 0


def _told_circle(steps: list[int], specs: list[JobSpec]) -> str:
    names = [specs[step].name for step in steps]
    shown = names if len(names) <= 12 else [*names[:10], f"({len(names) - 11} more)", names[-1]]
    return " > ".join(shown)
