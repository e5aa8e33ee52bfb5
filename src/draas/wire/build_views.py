"""Views of builds: the shapes of what the API answers. As draas.wire.views."""

from typing_extensions import TypedDict

from draas.wire.views import AttemptView, ResourcesView


class SourceView(TypedDict):
    """What is built: a blob of PROJECT/NAME."""

    digest: str


class BuildSummary(TypedDict):
    """A build as lists show it. `node`, `started_at`, `exit_code` and `cause` are those of its latest attempt.

    `image`, `kind` (what was recognised), `dockerfile` (the text, where one was made), `port`, `size_bytes` and `pushed` are
    there when it has succeeded; `platform` is what was asked for until then. `secrets` has their ids: nobody sees their values again.
    """

    id: str
    name: str
    project: str
    state: str
    reason: str
    created_at: str
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    node: str | None
    exit_code: int | None
    cause: str
    attempt_count: int
    repository: str
    image: str | None
    tags: list[str]
    kind: str
    dockerfile: str
    platform: str
    port: int | None
    size_bytes: int
    pushed: list[str]
    source: SourceView | None
    git: str | None
    folder: str
    dockerfile_path: str
    target: str
    args: dict[str, str]
    secrets: list[str]
    resources: ResourcesView
    disk_mb: int
    priority: int
    retries: int
    timeout_s: float | None
    labels: dict[str, str]
    constraints: list[str]
    cache: bool


class BuildView(BuildSummary):
    """A build with its attempts, oldest first."""

    attempts: list[AttemptView]


class BuildList(TypedDict):
    """Builds, newest first. `next` is the cursor of the following page, `total` counts all that match."""

    items: list[BuildSummary]
    next: str | None
    total: int


class SameSecretsView(TypedDict):
    """Whether the build was made with exactly these values."""

    same: bool


class DetectView(TypedDict):
    """What a source would be built as. `dockerfile` is its text; `made` says that it is none of the project's own.

    `reads`: files whose texts decide; send them along and ask again. `refusal` says why nothing was recognised, `looked_for` what would
    have done; the rest is empty then.
    """

    kind: str
    because: list[str]
    folder: str
    port: int | None
    made: bool
    dockerfile: str
    reads: list[str]
    refusal: str
    looked_for: list[str]
