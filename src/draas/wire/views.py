"""Views: the shapes of what the API answers. Plain typed dictionaries, so that the client imports nothing heavy.

Times are RFC 3339 in UTC, memory in bytes where the name says so and in MiB in `memory_mb`.
"""

from typing import NotRequired

from typing_extensions import TypedDict


class ResourcesView(TypedDict):
    """An amount of a machine."""

    cpu_cores: float
    memory_mb: float
    gpus: int


class AttemptView(TypedDict):
    """One attempt of a job; `number` counts from 1, `id` is the allocation's."""

    number: int
    id: str
    node: str
    node_id: str
    state: str
    cause: str
    detail: str
    assigned_at: str
    started_at: str | None
    finished_at: str | None
    exit_code: int | None
    oom: bool
    peak_memory_bytes: int | None
    cpu_s: float | None
    log_bytes: int | None


class JobBrief(TypedDict):
    """A job as a batch submission answers it."""

    id: str
    name: str
    project: str
    state: str
    created_at: str


class JobSummary(TypedDict):
    """A job as lists show it. `node`, `started_at`, `exit_code` and `cause` are those of its latest attempt."""

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
    command: str | list[str]
    image: str | None
    runtime: str
    resources: ResourcesView
    env: dict[str, str]
    priority: int
    retries: int
    timeout_s: float | None
    labels: dict[str, str]
    constraints: list[str]
    needs: list[str]
    exclusive: bool


class JobView(JobSummary):
    """A job with its attempts, oldest first."""

    attempts: list[AttemptView]


class JobList(TypedDict):
    """Jobs, newest first. `next` is the cursor of the following page, `total` counts all that match."""

    items: list[JobSummary]
    next: str | None
    total: int


class BatchView(TypedDict):
    """The jobs of a batch, in the order of the request."""

    jobs: list[JobBrief]


class VerdictView(TypedDict):
    """One node judged for one job; `lacks` are sentences with numbers, `score` is 0..1 where the node fits."""

    node: str
    fits: bool
    lacks: list[str]
    score: float | None
    parts: dict[str, float]


class ExplanationView(TypedDict):
    """Why a job waits or runs where it runs; `ahead` counts queued jobs that come before it."""

    job_id: str
    state: str
    summary: str
    ahead: int
    verdicts: list[VerdictView]


class RuntimeView(TypedDict):
    """A runtime of a node; `missing` says in one line how to get it where it is not available."""

    name: str
    available: bool
    version: str
    isolation: str
    missing: str


class ImageView(TypedDict):
    """An image that a node has."""

    id: str
    tags: list[str]
    size_bytes: int


class LoadView(TypedDict):
    """Measured use of the whole machine; `cpu_percent` is 0..100 over all cores. The network's rates are null where they are not measured."""

    cpu_percent: float
    memory_used_bytes: int
    disk_used_bytes: int
    disk_total_bytes: int
    load_1m: float
    received_bytes_per_s: float | None
    sent_bytes_per_s: float | None


class IngressView(TypedDict):
    """What a node with the ingress or the DNS role does: ports are 0 and `dns` is empty where it does not; `missing` says why."""

    proxy: str
    http_port: int
    https_port: int
    address: str
    dns: str
    missing: str
    faults: dict[str, str]


class NodeView(TypedDict):
    """A machine. `allocatable` is what jobs may have of `capacity`, `used` what of it is reserved, `load` what is measured."""

    id: str
    name: str
    state: str
    arch: str
    os: str
    address: str
    version: str
    labels: dict[str, str]
    roles: list[str]
    gpus: list[str]
    capacity: ResourcesView
    allocatable: ResourcesView
    used: ResourcesView
    load: LoadView
    runtimes: list[RuntimeView]
    images: list[ImageView]
    ingress: IngressView | None
    warnings: list[str]
    joined_at: str | None
    last_seen: str | None


class NodeList(TypedDict):
    """All nodes, by name. `warnings` are about the controller's own machine."""

    items: list[NodeView]
    next: str | None
    total: int
    warnings: list[str]


class AboutPart(TypedDict):
    """`kind` is machines (all of them), machine, controller, app, job or build; `subject` a machine's or app's name, a job's or build's id."""

    kind: str
    subject: str


class ProblemPart(TypedDict):
    """Something that somebody should see to. `tone` is bad, or wait where nothing is broken yet."""

    tone: str
    text: str
    remedy: str
    about: AboutPart


class JobCounts(TypedDict):
    """How many jobs are in each state. Builds do not count."""

    waiting: int
    queued: int
    running: int
    succeeded: int
    failed: int


class StatusView(TypedDict):
    """How the cluster is: `text` is one sentence, `tone` good, wait or bad; `problems` has the gravest first."""

    tone: str
    text: str
    problems: list[ProblemPart]
    jobs: JobCounts


class SampleView(TypedDict):
    """A node's mean load over a step of time from `at` on; null: not measured."""

    at: str
    cpu_percent: float
    memory_used_bytes: int
    disk_used_bytes: int
    load_1m: float
    received_bytes_per_s: float | None
    sent_bytes_per_s: float | None


class SampleList(TypedDict):
    """What a node's load was, oldest first; `step_s` is the length of a step. Steps without a sample are left out."""

    items: list[SampleView]
    step_s: float
    next: str | None
    total: int


class JoinTokenView(TypedDict):
    """A join token, shown once, and the command to run on the machine that joins."""

    token: str
    expires_at: str
    command: str


class JoinedView(TypedDict):
    """A node's new identity: its key is shown once. `ca` is the controller's CA in PEM, empty without TLS."""

    node_id: str
    key: str
    ca: str


class KeyView(TypedDict):
    """An API key without its secret."""

    id: str
    name: str
    role: str
    project: str | None
    node_id: str | None
    created_at: str
    expires_at: str | None


class NewKeyView(KeyView):
    """An API key with its secret: shown this once."""

    key: str


class KeyList(TypedDict):
    """All keys, oldest first."""

    items: list[KeyView]
    next: str | None
    total: int


class CertificateView(TypedDict):
    """A certificate without its key. `host` may be *.DOMAIN; `source` is file or acme; `names` is what it is good for."""

    host: str
    names: list[str]
    issuer: str
    source: str
    not_before: str
    expires_at: str


class CertificateList(TypedDict):
    """All certificates, by host."""

    items: list[CertificateView]
    next: str | None
    total: int


class RegistryView(TypedDict):
    """A project's login to a registry, without its password."""

    host: str
    username: str
    project: str
    created_at: str


class RegistryList(TypedDict):
    """Logins, by project and host."""

    items: list[RegistryView]
    next: str | None
    total: int


class EventView(TypedDict):
    """Something that happened; `kind` is noun.verb, `subject` the object's id."""

    number: int
    at: str
    kind: str
    subject: str
    project: str
    detail: dict[str, str | int | float | bool | None]


class LinePart(TypedDict):
    """One line of output; `partial` where the line goes on in the next event or has no end yet.

    `base64` is there only where the bytes are no UTF-8 and `text` is an approximation.
    """

    line: int
    at: str
    stream: str
    text: str
    partial: bool
    base64: NotRequired[str]


class LogLineView(LinePart):
    """One line of an attempt's output."""

    attempt: int


class SignInLinkView(TypedDict):
    """A link that signs a browser in once; both others are null where no key is needed (--open)."""

    url: str
    token: str | None
    expires_at: str | None


class DockerHubView(TypedDict):
    """Where every image that was built is pushed as well."""

    registry: str
    username: str


class AboutView(TypedDict):
    """The controller. `tls` is none, own (its CA has `fingerprint`) or given; `acme` the authority that certificates are got from;
    `blobs` is files, or a bucket's URL; `data_dir` is for admins.
    """

    version: str
    url: str
    started_at: str
    is_open: bool
    apps_domain: str
    tls: str
    fingerprint: str
    acme: str | None
    docker_hub: DockerHubView | None
    database: str
    blobs: str
    data_dir: str | None


class SessionView(TypedDict):
    """Who asks. `role`, `key` (its name) and `key_id` are null where nobody is signed in; `project` also where the key is for all.

    `is_open`: no key is needed from this machine. `url` is where other machines reach the controller.
    """

    signed_in: bool
    role: str | None
    project: str | None
    key: str | None
    key_id: str | None
    is_open: bool
    version: str
    url: str
    last_event: int


class HealthView(TypedDict):
    """That the controller is alive, its clock, and the CA by which a joining machine checks it."""

    service: str
    status: str
    version: str
    time: str
    ca: str


class ReadyView(TypedDict):
    """Whether the controller can take work now."""

    status: str


class FaultView(TypedDict):
    """One wrong field."""

    path: str
    message: str


class _ProblemBase(TypedDict):
    type: str
    title: str
    status: int
    detail: str


class ProblemView(_ProblemBase, total=False):
    """An RFC 9457 problem document; `errors` says which fields are wrong."""

    errors: list[FaultView]
