"""Builders for the placing tests: valid by default, one keyword a difference."""

from collections.abc import Mapping

from draas.model.allocation import Allocation, AllocationId, NodeId
from draas.model.job import Job, JobId, JobSpec, JobState, ProjectName, RuntimeName
from draas.model.node import Facts, Image, Load, Node, NodeState, RuntimeInfo
from draas.model.resources import MIB, Resources
from draas.scheduler.fleet import Fleet
from draas.scheduler.place import Placement, plan_placements
from draas.scheduler.queue import Queue

NOW = 1_000_000.0
GIB = 1024 * MIB


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
    runtimes = (
        RuntimeInfo(name=RuntimeName.DOCKER, available=True),
        RuntimeInfo(name=RuntimeName.PROCESS, available=host_jobs),
    )
    facts = Facts(
        arch=arch,
        capacity=Resources(cpu_millis=cpu, memory_bytes=memory, gpus=gpus),
        roles=roles,
        runtimes=runtimes,
        images=tuple(Image(id=f"sha256:{tag}", tags=(tag,), size_bytes=size) for tag, size in (images or {}).items()),
    )
    return Node(
        id=NodeId(f"n-{name}"),
        name=name,
        state=state,
        drain=drain,
        facts=facts,
        load=load or Load(),
        labels=labels or {},
        failures=failures,
    )


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
    queued_at: float = NOW,
    ready_at: float = 0.0,
    on: str | None = None,
    state: JobState = JobState.QUEUED,
) -> Job:
    spec = JobSpec(
        command="true",
        image=image,
        runtime=runtime,
        priority=priority,
        constraints=constraints,
        resources=Resources(cpu_millis=cpu, memory_bytes=memory, gpus=gpus),
    )
    attempts = ()
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
        spec=spec,
        state=state,
        created_at=queued_at,
        queued_at=queued_at,
        ready_at=ready_at,
        attempts=attempts,
    )


def a_fleet(*nodes: Node, jobs: list[Job] | None = None, default_image: str | None = None) -> Fleet:
    fleet = Fleet(default_image)
    for node in nodes:
        fleet.put_node(node)
    for job in jobs or []:
        fleet.put_job(job)
    return fleet


def a_queue(*jobs: Job) -> Queue:
    queue = Queue()
    for job in jobs:
        queue.put(job)
    return queue


def placed(nodes: list[Node], jobs: list[Job], now: float = NOW, limit: int = 10_000) -> dict[str, str]:
    """Where each job of `jobs` goes: job's seq to node's name, in the order of decision. Jobs with `on` run already."""
    return named(plan_placements(a_fleet(*nodes, jobs=jobs), a_queue(*jobs), now, limit))


def named(placements: list[Placement]) -> dict[str, str]:
    return {placement.job_id[2:]: placement.node_id[2:] for placement in placements}
