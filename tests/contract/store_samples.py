"""Jobs, nodes, apps and commits for the suites over the stores."""

from dataclasses import replace

from draas.model.allocation import Allocation, AllocationId, AllocationState, Cause, Desired, NodeId, Observed
from draas.model.app import App, AppId, AppState, Scaling
from draas.model.app_spec import AppSpec, Autoscale, Canary, Deploy, Order
from draas.model.build import BuildSpec, Built
from draas.model.certificate import Certificate, Source
from draas.model.event import Event
from draas.model.image_name import Digest, Repository, Tag
from draas.model.job import Job, JobId, JobSpec, JobState, ProjectName, RuntimeName
from draas.model.node import Facts, Image, Load, Node, NodeState, RuntimeInfo
from draas.model.plan import Plan
from draas.model.probe import Health, Probe, ProbeKind, Served
from draas.model.registry import RegistryLogin
from draas.model.release import CanaryPhase, Release, ReleaseState
from draas.model.replica import Replica
from draas.model.resources import Resources
from draas.model.route import Ingress
from draas.store.store import Answer, Write

AT = 1_800_000_000.25

BUILD = BuildSpec(
    repository=Repository("research/shop"),
    source=Digest("sha256:" + "0" * 64),
    git="https://example.org/shop.git#main",
    tags=(Tag("latest"), Tag("v1")),
    folder="web",
    dockerfile="docker/Dockerfile",
    target="run",
    args={"VERSION": "1 ü"},
    sealed_secrets={"npm": b"\x01\x00\xff"},
    platform="linux/arm64",
    disk_bytes=2**31,
    cache=False,
)
BUILT = Built(
    image="draas.internal/research/shop@sha256:" + "1" * 64,
    platform="linux/arm64",
    size_bytes=2**33,
    kind="Python",
    dockerfile="FROM scratch\n",
    port=8000,
    pushed=("docker.io/somebody/shop:v1",),
)
SPEC = JobSpec(
    command=("python", "-c", "print('ä')\n"),
    name="resize",
    image="python:3.12-slim",
    runtime=RuntimeName.PROCESS,
    resources=Resources(cpu_millis=2500, memory_bytes=2**40, gpus=2),
    env={"A": "", "B": "two\x00"},
    priority=99,
    retries=3,
    timeout_s=0.5,
    labels={"team": "x", "run": "7"},
    constraints=("node.arch == amd64", "node.labels.disk in ssd, nvme"),
    needs=(JobId("j-a"), JobId("j-b")),
    exclusive=True,
    architectures=("amd64",),
    build=BUILD,
)
OBSERVED = Observed(
    state=AllocationState.FAILED,
    detail="ended with 137",
    cause=Cause.OUT_OF_MEMORY,
    started_at=AT + 1,
    finished_at=AT + 2.125,
    exit_code=-9,
    oom=True,
    peak_memory_bytes=2**63 + 1,
    cpu_s=0.1,
    log_bytes=0,
    image="sha256:1",
    served=Served(health=Health.UNHEALTHY, since=AT + 1.5, detail="answers 500", endpoint="10.0.0.1:32768"),
    built=BUILT,
)
ATTEMPT = Allocation(
    id=AllocationId("a-1"),
    number=1,
    node_id=NodeId("n-1"),
    node_name="one",
    assigned_at=AT,
    desired=Desired.STOP,
    stop_cause=Cause.TIMEOUT,
    observed=OBSERVED,
)
FULL_JOB = Job(
    id=JobId("j-full"),
    project=ProjectName("research"),
    seq=2**40,
    spec=SPEC,
    state=JobState.WAITING,
    created_at=AT,
    ready_at=AT + 3,
    queued_at=AT + 0.5,
    finished_at=AT + 9,
    failures=1,
    lost=2,
    unmet=(JobId("j-b"),),
    reason="waits for j-b",
    attempts=(ATTEMPT, replace(ATTEMPT, id=AllocationId("a-2"), number=2, node_id=NodeId("n-2"), node_name="two")),
)
FULL_NODE = Node(
    id=NodeId("n-full"),
    name="full",
    state=NodeState.DRAINING,
    facts=Facts(
        arch="arm64",
        os="darwin",
        capacity=Resources(cpu_millis=8000, memory_bytes=2**34, gpus=1),
        gpus=("RTX 4090",),
        roles=("worker",),
        labels={"disk": "ssd"},
        runtimes=(
            RuntimeInfo(name=RuntimeName.DOCKER, available=False, version="27", isolation="none", missing="a daemon"),
        ),
        images=(Image(id="sha256:1", tags=("a:1", "a:2"), size_bytes=2**33),),
        address="10.0.0.1",
        version="1",
        ingress=Ingress(
            proxy="haproxy 2.6.12",
            http_port=80,
            https_port=443,
            address="10.0.0.1",
            missing="no certificate",
            dns="10.0.0.1:53",
            faults={"shop": "line 3"},
        ),
    ),
    load=Load(
        cpu_percent=12.5,
        memory_used_bytes=1,
        memory_total_bytes=2,
        disk_used_bytes=3,
        disk_total_bytes=4,
        load_1m=0.5,
        received_bytes_per_s=6.5,
        sent_bytes_per_s=7.5,
    ),
    labels={"zone": "b"},
    drain=True,
    joined_at=AT,
    last_seen_at=AT + 1,
    linked=True,
    failures=(AT, AT + 1),
)
APP_SPEC = AppSpec(
    image="shop:1",
    port=8080,
    command=("serve", "ü"),
    env={"MODE": "production\n"},
    resources=Resources(cpu_millis=100, memory_bytes=2**40, gpus=1),
    constraints=("node.arch == amd64",),
    architectures=("arm64",),
    health=Probe(kind=ProbeKind.EXEC, path="/healthz", command=("true", "x"), every_s=0.5, timeout_s=0.25, failures=9),
    stop_grace_s=1.5,
    release_command="migrate",
    domains=("shop.example", "example/shop"),
    https_only=True,
    maintenance=True,
    labels={"team": "x"},
    deploy=Deploy(
        order=Order.STOP_FIRST,
        batch=3,
        healthy_after_s=0.5,
        deadline_s=61.0,
        rollback_auto=False,
        drain_s=5.0,
        canary=Canary(replicas=2, share_percent=10),
    ),
    min_replicas=0,
    max_replicas=9,
    autoscale=Autoscale(requests_per_s=100.0, concurrency=5.5, cpu_percent=70.0, memory_percent=80.0, idle_s=60.0),
)
RELEASE = Release(
    number=7,
    spec=APP_SPEC,
    state=ReleaseState.ROLLING,
    created_at=AT,
    image="shop@sha256:1",
    rolling_at=AT + 1,
    finished_at=AT + 2,
    reason="2 of 3 replicas",
    rollback_of=5,
    canary=CanaryPhase.TESTING,
    command_done=True,
)
REPLICA = Replica(
    allocation=ATTEMPT,
    release=7,
    moving_for="drained",
    leaving_at=AT + 3,
    leaving_for="release 8",
    running_at=AT,
    healthy_at=AT + 2,
)
SCALING = Scaling(at=AT, before=2, after=4, reason="2 to 4: 180 requests/s a replica, target 100")
FULL_APP = App(
    id=AppId("p-full"),
    name="shop",
    project=ProjectName("research"),
    created_at=AT,
    spec=APP_SPEC,
    wanted=4,
    releases=(RELEASE, replace(RELEASE, number=8, spec=AppSpec(image="shop:2", command="serve 'ü'"))),
    live=7,
    state=AppState.DEGRADED,
    reason="1 of 4 replicas",
    replicas=(REPLICA,),
    past=(replace(REPLICA, allocation=replace(ATTEMPT, id=AllocationId("a-0"))),),
    placed=2**40,
    crashes=3,
    crashed_at=AT + 2,
    not_before=AT + 4,
    restarting=AT + 5,
    sleeping=True,
    removing=True,
    refused="no room",
    warnings=("shop.example.org leads elsewhere",),
    scalings=(SCALING, replace(SCALING, before=4, after=0)),
    scaled_at=AT + 6,
)
CERTIFICATE = Certificate(
    host="*.shop.example",
    chain="-----BEGIN CERTIFICATE-----\n",
    sealed_key=b"\x01\x00\xff",
    names=("*.shop.example", "shop.example"),
    issuer="An authority, Ü",
    not_before=AT,
    expires_at=AT + 90 * 86400.0,
    source=Source.ACME,
)
REGISTRY = RegistryLogin(
    project=ProjectName("research"),
    host="registry.example:5000",
    username="builder",
    sealed_password=b"\x01\x00\xff",
    created_at=AT,
)
SAMPLES = (
    *(SPEC, BUILD, OBSERVED, OBSERVED.served, BUILT, ATTEMPT, FULL_JOB),
    *(FULL_NODE, FULL_NODE.facts, FULL_NODE.facts.ingress, FULL_NODE.load),
    *(FULL_APP, APP_SPEC, APP_SPEC.health, APP_SPEC.deploy, APP_SPEC.deploy.canary, APP_SPEC.autoscale),
    *(RELEASE, REPLICA, SCALING),
    CERTIFICATE,
    REGISTRY,
)


def attempt(number: int, node: str, state: AllocationState = AllocationState.RUNNING) -> Allocation:
    """An attempt on the node with the id n-`node` and the name `node`."""
    return Allocation(
        id=AllocationId(f"a-{node}-{number}"),
        number=number,
        node_id=NodeId(f"n-{node}"),
        node_name=node,
        assigned_at=AT,
        observed=Observed(state=state),
    )


def queued(
    seq: int, project: str = "default", name: str = "", labels: dict[str, str] | None = None, *, build: bool = False
) -> Job:
    """A new job, or build, with the id j-`seq`."""
    spec = JobSpec(command="true", name=name, labels=labels or {}, build=BUILD if build else None)
    return Job(
        id=JobId(f"j-{seq}"),
        project=ProjectName(project),
        seq=seq,
        spec=spec,
        state=JobState.QUEUED,
        created_at=AT + seq,
    )


def running(job: Job, node: str = "one") -> Job:
    """`job` with one more attempt, which runs."""
    return replace(job, state=JobState.RUNNING, attempts=(*job.attempts, attempt(len(job.attempts) + 1, node)))


def ended(job: Job, state: JobState = JobState.SUCCEEDED, at: float = AT) -> Job:
    """`job` after its end at `at`, with all of its attempts."""
    over = replace(job.attempts[-1], observed=Observed(state=AllocationState.SUCCEEDED)) if job.attempts else None
    attempts = (*job.attempts[:-1], over) if over is not None else ()
    return replace(job, state=state, finished_at=at, attempts=attempts)


def writes(*jobs: Job, events: tuple[Event, ...] = ()) -> Write:
    """A commit of jobs and events."""
    return Write(plan=Plan(jobs=jobs, events=events))


def event(number: int, project: str = "") -> Event:
    """An event that bears `number` in it."""
    return Event(at=AT + number, kind="job.queued", subject=f"j-{number}", project=project, detail={"number": number})


def step(number: int) -> Write:
    """Commit `number` of a stream: one job comes, the one before it runs, the one before that ends; two events, one answer."""
    versions = [queued(number, name="stream", labels={"stream": "yes"})]
    if number > 1:
        versions.append(running(queued(number - 1, name="stream", labels={"stream": "yes"}), "one"))
    if number > 2:
        versions.append(ended(running(queued(number - 2, name="stream", labels={"stream": "yes"}), "one")))
    answer = Answer(key=f"key-{number}", digest="d", status=201, body=b"{}" * number, at=AT)
    plan = Plan(jobs=tuple(versions), events=(event(2 * number - 1), event(2 * number)))
    return Write(plan=plan, answers=(answer,))
