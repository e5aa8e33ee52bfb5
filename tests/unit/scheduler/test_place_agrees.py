"""The fast placing against the slow one, over worlds that hypothesis makes up."""

from hypothesis import given, settings
from hypothesis import strategies as st
from placing_world import a_fleet, a_queue, named
from slow_placing import SlowPlacing

from draas.model.job import Job, JobState, RuntimeName
from draas.model.node import Load, Node, NodeState
from draas.model.resources import MIB, NOTHING
from draas.scheduler import place
from draas.scheduler.place import plan_placements
from draas.testing.builders import GIB, NOW, a_job, a_node

IMAGES = ("busybox", "python:3.12", "docker.io/library/nginx")


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Node:
    full = draw(st.sampled_from([0, 0, 0, 50, 96]))
    return a_node(
        name,
        cpu=draw(st.sampled_from([0, 1000, 2000, 4000, 64000])),
        memory=draw(st.sampled_from([0, 512 * MIB, GIB, 7 * GIB])),
        gpus=draw(st.sampled_from([0, 0, 2])),
        state=draw(st.sampled_from([NodeState.READY] * 6 + [NodeState.DISCONNECTED])),
        drain=draw(st.sampled_from([False] * 6 + [True])),
        arch=draw(st.sampled_from(["amd64", "arm64"])),
        labels=draw(st.sampled_from([{}, {"disk": "ssd"}])),
        images=draw(st.dictionaries(st.sampled_from(IMAGES), st.sampled_from([3 * MIB, 700 * MIB, 2 * GIB]))),
        load=Load(
            cpu_percent=draw(st.sampled_from([0.0, 0.0, 33.3, 95.0])), disk_used_bytes=full, disk_total_bytes=100
        ),
        failures=draw(st.sampled_from([(), (), (NOW - 100,), (NOW - 3, NOW - 700)])),
        host_jobs=draw(st.booleans()),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Node], list[Job], int]:
    names = draw(st.permutations(["delta", "alpha", "echo", "bravo", "charlie"]))
    fleet = [draw(nodes(name)) for name in names[: draw(st.integers(0, 5))]]
    jobs: list[Job] = []
    for _ in range(draw(st.integers(0, 12))):
        like = {
            "cpu": draw(st.sampled_from([0, 100, 333, 1000, 3000, 90000])),
            "memory": draw(st.sampled_from([0, 64 * MIB, 300 * MIB, 2 * GIB])),
            "gpus": draw(st.sampled_from([0, 0, 0, 1])),
            "priority": draw(st.sampled_from([50, 50, 80])),
            "project": draw(st.sampled_from(["red", "green"])),
            "image": draw(st.sampled_from([None, "nginx", "busybox:latest", "nobody/has:it"])),
            "runtime": draw(st.sampled_from([RuntimeName.DOCKER, RuntimeName.DOCKER, RuntimeName.PROCESS])),
            "constraints": draw(
                st.sampled_from(
                    [(), (), (), ("node.arch == amd64",), ("node.labels.disk != ssd",), ("node.name in alpha, echo",)]
                )
            ),
            "architectures": draw(
                st.sampled_from([(), (), (), ("amd64",), ("arm64",), ("amd64", "arm64"), ("s390x",)])
            ),
            "queued_at": NOW - draw(st.sampled_from([0.0, 59.0, 61.0, 700.0, 1000.0, 9000.0])),
            "ready_at": draw(st.sampled_from([0.0, 0.0, NOW, NOW + 1])),
        }
        for _ in range(draw(st.sampled_from([1, 1, 2, 20]))):
            jobs.append(a_job(len(jobs) + 1, **like))
    return fleet, jobs, draw(st.sampled_from([0, 1, 7, 1000]))


def running_already(fleet: list[Node], count: int) -> list[Job]:
    """Some work on every node, as far as it fits."""
    return [
        a_job(10_000 + number, cpu=300, memory=100 * MIB, project="red", on=node.name)
        for number, node in enumerate(fleet * count)
        if node.facts.capacity.cpu_millis >= 1000 * count
    ]


@settings(max_examples=400, deadline=None)
@given(world=worlds(), running=st.integers(0, 2))
def test_fast_paths_place_as_the_slow_one_does(world: tuple[list[Node], list[Job], int], running: int) -> None:
    fleet_nodes, jobs, limit = world
    work = running_already(fleet_nodes, running)
    fleet, queue = a_fleet(*fleet_nodes, jobs=work), a_queue(*jobs)
    slow = SlowPlacing(
        nodes=fleet_nodes,
        used={
            node.id: [
                fleet.reserved(node.id).cpu_millis,
                fleet.reserved(node.id).memory_bytes,
                fleet.reserved(node.id).gpus,
            ]
            for node in fleet_nodes
        },
        by_project={"red": [300 * len(work), 100 * MIB * len(work), 0]},
        busy={node.id for node in fleet_nodes if node.load.cpu_percent == 95.0},
        now=NOW,
    )
    before = {node.id: fleet.room(node.id) for node in fleet_nodes}
    fast = plan_placements(fleet, queue, NOW, limit)
    assert fast == slow.place(jobs, limit)
    assert before == {node.id: fleet.room(node.id) for node in fleet_nodes}
    assert plan_placements(fleet, queue, NOW, limit) == fast
    assert len(queue) == len(jobs)


@settings(max_examples=60, deadline=None)
@given(world=worlds(), chunk=st.integers(1, 9))
def test_placing_bit_by_bit_places_as_all_at_once(world: tuple[list[Node], list[Job], int], chunk: int) -> None:
    """What the rankings remember between ticks makes no difference."""
    fleet_nodes, jobs, _ = world
    jobs = [a_job(job.seq, cpu=job.spec.resources.cpu_millis, image=job.spec.image) for job in jobs]
    at_once = named(plan_placements(a_fleet(*fleet_nodes), a_queue(*jobs), NOW, 10_000))
    fleet, queue, seen = a_fleet(*fleet_nodes), a_queue(*jobs), {}
    by_id, names = {job.id: job for job in jobs}, {node.id: node.name for node in fleet_nodes}
    while found := plan_placements(fleet, queue, NOW, chunk):
        seen |= named(found)
        for placement in found:
            job = a_job(
                by_id[placement.job_id].seq,
                cpu=by_id[placement.job_id].spec.resources.cpu_millis,
                on=names[placement.node_id],
            )
            fleet.put_job(job)
            queue.put(job)
    assert seen == at_once
    assert all(NOTHING.fits_in(fleet.room(node.id)) for node in fleet_nodes)
    assert all(job.state is JobState.QUEUED for job in jobs)


def test_a_long_run_is_the_same_as_one_by_one() -> None:
    fleet_nodes = [a_node(f"n{number:03}", cpu=1000 * (number % 7), memory=(number % 5) * GIB) for number in range(200)]
    jobs = [a_job(seq, cpu=70, memory=90 * MIB) for seq in range(1, 3000)]
    together = plan_placements(a_fleet(*fleet_nodes), a_queue(*jobs), NOW, 10_000)
    single = []
    fleet = a_fleet(*fleet_nodes)
    queue = a_queue(*jobs)
    names = {node.id: node.name for node in fleet_nodes}
    while found := plan_placements(fleet, queue, NOW, place.RUN_LEAST - 1):
        single += found
        for placement in found:
            job = a_job(int(placement.job_id[2:]), cpu=70, memory=90 * MIB, on=names[placement.node_id])
            fleet.put_job(job)
            queue.put(job)
    assert together == single
    assert len(together) > 1000
