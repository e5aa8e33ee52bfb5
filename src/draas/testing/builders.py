"""Builders: nodes, jobs and assignments that are valid by default, one keyword a difference."""

from collections.abc import Mapping

from draas.model.allocation import Allocation, AllocationId, Desired, NodeId
from draas.model.build import BuildSpec, Built
from draas.model.image_name import Digest, Repository
from draas.model.job import Job, JobId, JobSpec, JobState, ProjectName, RuntimeName
from draas.model.node import Facts, Image, Load, Node, NodeState, RuntimeInfo
from draas.model.probe import Probe
from draas.model.resources import MIB, Resources
from draas.wire.link import Assignment, Service

NOW = 1_000_000.0
GIB = 1024 * MIB
QUICK_PROBE = Probe(every_s=0.2, timeout_s=1.0, failures=2)


def some_facts(
    *,
    cpu: int = 4000,
    memory: int = 8 * GIB,
    gpus: int = 0,
    arch: str = "amd64",
    images: Mapping[str, int] | None = None,
    roles: tuple[str, ...] = ("worker",),
    host_jobs: bool = False,
) -> Facts:
    """What a machine of four cores says of itself. `images`: tag to size in bytes."""
    runtimes = (
        RuntimeInfo(name=RuntimeName.DOCKER, available=True),
        RuntimeInfo(name=RuntimeName.PROCESS, available=host_jobs),
        RuntimeInfo(name=RuntimeName.BUILD, available=True),
    )
    return Facts(
        arch=arch,
        capacity=Resources(cpu_millis=cpu, memory_bytes=memory, gpus=gpus),
        roles=roles,
        runtimes=runtimes,
        images=tuple(Image(id=f"sha256:{tag}", tags=(tag,), size_bytes=size) for tag, size in (images or {}).items()),
    )


def a_node(
    name: str = "alpha",
    *,
    cpu: int = 4000,
    memory: int = 8 * GIB,
    gpus: int = 0,
    state: NodeState = NodeState.READY,
    drain: bool = False,
    arch: str = "amd64",
    labels: Mapping[str, str] | None = None,
    images: Mapping[str, int] | None = None,
    load: Load | None = None,
    failures: tuple[float, ...] = (),
    roles: tuple[str, ...] = ("worker",),
    host_jobs: bool = False,
) -> Node:
    """A node of four cores that is ready. Its id is `n-` and its name."""
    return Node(
        id=NodeId(f"n-{name}"),
        name=name,
        state=state,
        drain=drain,
        facts=some_facts(cpu=cpu, memory=memory, gpus=gpus, arch=arch, images=images, roles=roles, host_jobs=host_jobs),
        load=load or Load(),
        labels=labels or {},
        failures=failures,
        last_seen_at=NOW,
    )


def a_spec(
    *,
    cpu: int = 1000,
    memory: int = 256 * MIB,
    gpus: int = 0,
    priority: int = 50,
    image: str | None = None,
    runtime: RuntimeName = RuntimeName.DOCKER,
    constraints: tuple[str, ...] = (),
    architectures: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    retries: int = 0,
    timeout_s: float | None = None,
    exclusive: bool = False,
) -> JobSpec:
    """A job of one core."""
    return JobSpec(
        command="true",
        image=image,
        runtime=runtime,
        priority=priority,
        constraints=constraints,
        architectures=architectures,
        needs=tuple(JobId(need) for need in needs),
        retries=retries,
        timeout_s=timeout_s,
        exclusive=exclusive,
        resources=Resources(cpu_millis=cpu, memory_bytes=memory, gpus=gpus),
    )


def a_build_spec(
    repository: str = "default/shop",
    *,
    arch: str | None = None,
    retries: int = 0,
    sealed_secrets: Mapping[str, bytes] | None = None,
    source: str | None = None,
    args: Mapping[str, str] | None = None,
) -> JobSpec:
    """A build of one core, from git where no source is given."""
    return JobSpec(
        command=(),
        name=repository.partition("/")[2],
        runtime=RuntimeName.BUILD,
        retries=retries,
        timeout_s=1800,
        constraints=(f"node.arch == {arch}",) if arch is not None else (),
        build=BuildSpec(
            repository=Repository(repository),
            source=Digest(source) if source is not None else None,
            git="" if source is not None else "https://example.org/shop.git",
            platform=f"linux/{arch}" if arch is not None else "",
            sealed_secrets=sealed_secrets or {},
            args=args or {},
        ),
    )


def an_image_of(repository: str = "default/shop") -> Built:
    """What a build made."""
    return Built(image=f"draas.internal/{repository}@sha256:{'1' * 64}", platform="linux/amd64")


def a_job(
    seq: int = 1,
    *,
    cpu: int = 1000,
    memory: int = 256 * MIB,
    gpus: int = 0,
    priority: int = 50,
    project: str = "default",
    image: str | None = None,
    runtime: RuntimeName = RuntimeName.DOCKER,
    constraints: tuple[str, ...] = (),
    architectures: tuple[str, ...] = (),
    queued_at: float = NOW,
    ready_at: float = 0.0,
    on: str | None = None,
    state: JobState = JobState.QUEUED,
) -> Job:
    """A queued job; with `on` one that runs on the node of this name. Its id is `j-` and its seq."""
    attempts: tuple[Allocation, ...] = ()
    if on is not None:
        state = JobState.RUNNING
        attempt = Allocation(
            id=AllocationId(f"a-{seq}"), number=1, node_id=NodeId(f"n-{on}"), node_name=on, assigned_at=NOW
        )
        attempts = (attempt,)
    return Job(
        id=JobId(f"j-{seq}"),
        project=ProjectName(project),
        seq=seq,
        spec=a_spec(
            cpu=cpu,
            memory=memory,
            gpus=gpus,
            priority=priority,
            image=image,
            runtime=runtime,
            constraints=constraints,
            architectures=architectures,
        ),
        state=state,
        created_at=queued_at,
        queued_at=queued_at,
        ready_at=ready_at,
        attempts=attempts,
    )


def an_assignment(
    id: str = "j1.1",
    *,
    runtime: RuntimeName = RuntimeName.DOCKER,
    timeout_s: float | None = None,
    exclusive: bool = False,
    desired: Desired = Desired.RUN,
    service: Service | None = None,
) -> Assignment:
    """What an agent is told of one allocation."""
    return Assignment(
        id=AllocationId(id),
        job_id=JobId(id.rpartition(".")[0]),
        project=ProjectName("default"),
        number=1,
        name="",
        runtime=runtime,
        image=None,
        command="true",
        env={},
        resources=Resources(cpu_millis=1000, memory_bytes=256 * MIB),
        timeout_s=timeout_s,
        exclusive=exclusive,
        desired=desired,
        log_cap_bytes=100_000_000,
        service=service,
    )


def a_service(
    *,
    port: int | None = 8080,
    probe: Probe = QUICK_PROBE,
    stop_grace_s: float = 5.0,
    app: str = "shop",
    release: int = 1,
) -> Service:
    """What makes an assignment a replica's. Its probes come often, so that tests need not wait."""
    return Service(app=app, app_id=f"app-{app}", release=release, port=port, probe=probe, stop_grace_s=stop_grace_s)
