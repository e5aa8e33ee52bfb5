"""The build's body: what POST /api/builds may say, its limits, and how it becomes a job of the runtime `build`.

Paths, names and URLs end up as arguments of git and of Docker's command line, so what they may hold is listed and all else refused.
"""

import re
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from draas.model.build import DISK_BYTES, BuildSpec
from draas.model.constraint import parse_constraint
from draas.model.errors import Fault, Invalid
from draas.model.image_name import MAX_TAG, Digest, Repository, Tag, parse_repository
from draas.model.job import MAX_RETRIES, JobSpec, ProjectName, RuntimeName
from draas.model.resources import MIB, Resources
from draas.wire.api import (
    ENV_NAME,
    MAX_ENV_BYTES,
    NO_NUL,
    Body,
    ConstraintText,
    Cores,
    Gpus,
    LabelName,
    LabelValue,
    MemoryMb,
    NodeName,
    TimeoutS,
)
from draas.wire.app_body import AppName

MAX_SECRET_BYTES = 64 * 1024  # a private key of any kind has less
MAX_SECRETS_BYTES = 256 * 1024
MAX_PATH = 1024
MAX_GIT = 2048
MAX_DETECT_FILES = 50_000
MAX_DETECT_TEXT = 256 * 1024  # what detection reads of a file
DIGEST = r"^sha256:[0-9a-f]{64}$"
UPLOAD = r"^u_[0-9a-z]{32}$"
TAG = rf"^[a-zA-Z0-9_][a-zA-Z0-9._-]{{0,{MAX_TAG - 1}}}$"
WORD = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
PLATFORM = r"^linux/[a-z0-9]+(/v[0-9]+)?$"
TOLD = {
    DIGEST: "must be the digest of a pushed blob: sha256: and 64 lower-case hexadecimal digits",
    UPLOAD: "must be the id of an upload: what Docker-Upload-UUID said when it was begun",
    TAG: f"is no tag: 1 to {MAX_TAG} letters, digits and . _ -, not starting with . or -",
    WORD: "must be letters, digits and . _ -, starting with a letter or digit",
    PLATFORM: "must be linux/ and an architecture, for example linux/amd64 or linux/arm64",
}
_GIT_PATH = r"/?[A-Za-z0-9_~][A-Za-z0-9._~/+@%=-]*"
_GIT_HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
_GIT_USER = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_GIT_FORMS = (
    re.compile(rf"https://{_GIT_HOST}(:[0-9]{{1,5}})?/{_GIT_PATH}"),
    re.compile(rf"ssh://({_GIT_USER}@)?{_GIT_HOST}(:[0-9]{{1,5}})?/{_GIT_PATH}"),
    re.compile(rf"{_GIT_USER}@{_GIT_HOST}:{_GIT_PATH}"),
)
_GIT_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]*")


def check_path(given: str) -> str:
    """`given` as a path inside the source. Raises PydanticCustomError."""
    if not given.isprintable():
        raise PydanticCustomError("path", "must not have control characters")
    if given.startswith(("/", "~")) or "\\" in given or re.match("[A-Za-z]:", given):
        raise PydanticCustomError("path", "must be a path inside the source, with / between its parts: web or web/app")
    if ".." in given.split("/"):
        raise PydanticCustomError("path", "must not have .. in it: a build sees its source alone")
    if given.startswith("-"):
        raise PydanticCustomError("path", "must not begin with -")
    return given.rstrip("/").removeprefix("./")


def check_git(given: str) -> str:
    """`given` as the URL of a repository with #BRANCH, #TAG or #COMMIT after it, or without. Raises PydanticCustomError."""
    url, mark, ref = given.partition("#")
    if _holds_secret(url):
        raise PydanticCustomError("git", "must not hold a password or token: whoever may see the build would see it")
    if not any(form.fullmatch(url) for form in _GIT_FORMS) or "/../" in f"{url}/":
        told = "must be an https:// or ssh:// URL, or git@HOST:PATH, for example https://example.org/shop.git#main"
        raise PydanticCustomError("git", told)
    if mark and (not _GIT_REF.fullmatch(ref) or ".." in ref):
        raise PydanticCustomError("git", "must have a branch, a tag or a commit after the #")
    return given


def _holds_secret(url: str) -> bool:
    """Of an https:// URL the user's name is one as well: that is how tokens are given."""
    try:
        found = urlsplit(url)
        return found.password is not None or (found.scheme.startswith("http") and found.username is not None)
    except ValueError:
        return False


SourcePath = Annotated[str, StringConstraints(max_length=MAX_PATH), AfterValidator(check_path)]
GitUrl = Annotated[str, StringConstraints(min_length=1, max_length=MAX_GIT), AfterValidator(check_git)]
TagText = Annotated[str, StringConstraints(pattern=TAG)]
Word = Annotated[str, StringConstraints(max_length=128, pattern=WORD)]
ArgName = Annotated[str, StringConstraints(max_length=256, pattern=ENV_NAME)]
ArgValue = Annotated[str, StringConstraints(max_length=32 * 1024, pattern=NO_NUL)]
SecretValue = Annotated[str, StringConstraints(max_length=MAX_SECRET_BYTES)]


class BuildResourcesBody(Body):
    """What the build may use of its machine, and what is reserved for it. `memory_mb` counts 1,048,576 bytes."""

    cpu_cores: Cores = 1
    memory_mb: MemoryMb = 1024
    gpus: Gpus = 0


class BuildBody(Body):
    """A build: source in, image out. `name` and one of `source`, `upload` and `git` are required."""

    name: AppName = Field(description="the app's; the image becomes PROJECT/NAME")
    source: Annotated[str, StringConstraints(pattern=DIGEST)] | None = Field(
        None, description="a zip, tar or tar.gz: the digest of a blob that was pushed to PROJECT/NAME"
    )
    upload: Annotated[str, StringConstraints(pattern=UPLOAD)] | None = Field(
        None,
        description="the id of an upload to PROJECT/NAME that has all of such a file: it is ended and becomes the source; for who "
        "does not know its digest",
    )
    git: GitUrl | None = Field(None, description="a URL, with #BRANCH, #TAG or #COMMIT where wanted")
    tags: list[TagText] = Field(default=[], max_length=32, description="that name the image besides its digest")
    folder: SourcePath = Field("", description="the part of the source to build; default: found, or all of it")
    dockerfile: SourcePath = Field("", description="its path in `folder`; default: found, or made")
    target: Word | None = Field(None, description="the stage to stop at")
    args: dict[ArgName, ArgValue] = Field(default={}, max_length=200)
    secrets: dict[Word, SecretValue] = Field(
        default={},
        max_length=64,
        repr=False,
        description="by id; for RUN --mount=type=secret,id=ID. Kept encrypted, in no layer, and never shown again",
    )
    platform: Annotated[str, StringConstraints(max_length=64, pattern=PLATFORM)] | None = Field(
        None, description="such as linux/arm64; only nodes of this architecture build it. Default: any node's own"
    )
    resources: BuildResourcesBody | None = None
    priority: int = Field(50, ge=0, le=100, description="larger runs earlier")
    timeout_s: TimeoutS = Field(1800, description="counted from the start of an attempt")
    disk_mb: int = Field(DISK_BYTES // MIB, ge=100, le=1_000_000, description="that the build may take")
    retries: int = Field(0, ge=0, le=MAX_RETRIES)
    constraints: list[ConstraintText] = Field(default=[], max_length=32)
    node: NodeName | None = Field(None, description="short for the constraint `node.name == …`")
    cache: bool = Field(True, description="false: every step runs again")
    labels: dict[LabelName, LabelValue] = Field(default={}, max_length=64)


class SameSecretsBody(Body):
    """Values of all secrets of a build, by id."""

    secrets: dict[Word, SecretValue] = Field(default={}, max_length=64, repr=False)


class DetectBody(Body):
    """A source by the names of its files, and the texts of those that the answer's `reads` asks for."""

    files: list[Annotated[str, StringConstraints(min_length=1, max_length=MAX_PATH, pattern=NO_NUL)]] = Field(
        max_length=MAX_DETECT_FILES, description="paths with / between their parts"
    )
    texts: dict[
        Annotated[str, StringConstraints(max_length=MAX_PATH, pattern=NO_NUL)],
        Annotated[str, StringConstraints(max_length=MAX_DETECT_TEXT)],
    ] = Field(default={}, max_length=200, description="by path")


def repository_for(project: ProjectName, name: str) -> Repository:
    """Where the images of the app `name` are kept. Raises Invalid where the project's name cannot be part of an image's."""
    try:
        return parse_repository(f"{project}/{name}")
    except Invalid:
        told = f"{project!r} cannot be part of an image's name: builds need a project in lower-case letters and digits"
        raise Invalid("the build is not valid", (Fault("project", told),)) from None


def to_build(body: BuildBody, project: ProjectName, seal: Callable[[str, str], bytes]) -> JobSpec:
    """The job that `body` describes. `seal` is told each secret's id and value, and returns what is kept of it.

    Raises Invalid with one fault for each field that contradicts another or whose text means nothing.
    """
    repository = repository_for(project, body.name)
    if faults := _faults_of(body):
        raise Invalid("the build is not valid", tuple(faults))
    asked = body.resources or BuildResourcesBody()
    build = BuildSpec(
        repository=repository,
        source=Digest(body.source) if body.source is not None else None,
        git=body.git or "",
        tags=tuple(Tag(tag) for tag in dict.fromkeys(body.tags)),
        folder=body.folder,
        dockerfile=body.dockerfile,
        target=body.target or "",
        args=body.args,
        sealed_secrets={id: seal(id, value) for id, value in body.secrets.items()},
        platform=body.platform or "",
        disk_bytes=body.disk_mb * MIB,
        cache=body.cache,
    )
    return JobSpec(
        command=(),
        name=body.name,
        runtime=RuntimeName.BUILD,
        resources=Resources(
            cpu_millis=round(asked.cpu_cores * 1000), memory_bytes=round(asked.memory_mb * MIB), gpus=asked.gpus
        ),
        priority=body.priority,
        retries=body.retries,
        timeout_s=body.timeout_s,
        labels=body.labels,
        constraints=_constraints(body),
        build=build,
    )


def _constraints(body: BuildBody) -> tuple[str, ...]:
    more = []
    if body.node is not None:
        more.append(f"node.name == {body.node}")
    if body.platform is not None:
        more.append(f"node.arch == {body.platform.split('/')[1]}")
    return (*body.constraints, *more)


def _faults_of(body: BuildBody) -> list[Fault]:
    faults = []
    given = [name for name in ("source", "upload", "git") if getattr(body, name) is not None]
    if len(given) > 1:
        faults.append(Fault(given[-1], f"says where the source is, as {given[0]} does: give one of them"))
    if not given:
        faults.append(Fault("source", "is required: the digest of a pushed blob; or give git, a repository's URL"))
    if sum(len(name) + len(value.encode()) + 2 for name, value in body.args.items()) > MAX_ENV_BYTES:
        faults.append(Fault("args", f"are larger than {MAX_ENV_BYTES} bytes in all"))
    if sum(len(value.encode()) for value in body.secrets.values()) > MAX_SECRETS_BYTES:
        faults.append(Fault("secrets", f"are larger than {MAX_SECRETS_BYTES} bytes in all"))
    for at, text in enumerate(body.constraints):
        try:
            parse_constraint(text)
        except Invalid as wrong:
            faults.append(Fault(f"constraints[{at}]", wrong.detail))
    return faults
