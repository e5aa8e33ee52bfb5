"""Build: source in, image out. It is a job of the runtime `build`: queued, limited, retried, logged and cancelled as all are."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from draas.model.image_name import Digest, Repository, Tag
from draas.model.resources import GIB

MAX_DOCKERFILE_BYTES = 64 * 1024  # of one that was made; a project's own is not kept apart from its source
DISK_BYTES = 10 * GIB  # what a build may take where nothing else was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """What becomes the image `repository`. One of `source` and `git` is given.

    `source` is a zip, tar or tar.gz kept as a blob of `repository`; `git` a URL, with #BRANCH, #TAG or #COMMIT where wanted.
    """

    repository: Repository
    source: Digest | None = None
    git: str = ""
    tags: tuple[Tag, ...] = ()  # that name the image besides its digest
    folder: str = ""  # of the source: the part to build; "" is found, or all
    dockerfile: str = ""  # its path in `folder`; "" is found, or made
    target: str = ""  # the stage to stop at
    args: Mapping[str, str] = field(default_factory=dict)
    sealed_secrets: Mapping[str, bytes] = field(default_factory=dict)  # by id; mounted in RUN steps, in no layer
    platform: str = ""  # "linux/arm64"; "" is that of the node
    disk_bytes: int = DISK_BYTES
    cache: bool = True  # False: every step runs again


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build made."""

    image: str  # draas.internal/PROJECT/NAME@sha256:...
    platform: str  # "linux/amd64"
    size_bytes: int = 0  # of the image, unpacked
    kind: str = ""  # what was recognised: "Python", "Node", "Go", "static site", "Dockerfile"
    dockerfile: str = ""  # the text that was made; "" where the project has its own
    port: int | None = None  # on which it is likely to listen
    pushed: tuple[str, ...] = ()  # names in other registries
