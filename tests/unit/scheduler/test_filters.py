"""Whether a node can take a job at all; what can take it lacks nothing, what lacks something cannot."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draas.model.job import RuntimeName
from draas.model.node import Load, Node, NodeState
from draas.model.resources import MIB, Resources
from draas.scheduler.ask import Shape
from draas.scheduler.filters import can_run, cores, fitness_lacks, is_usable, memory, node_lacks, resource_lacks
from draas.testing.builders import a_node


@pytest.mark.parametrize("state", list(NodeState))
@pytest.mark.parametrize("drain", [False, True])
def test_only_a_ready_node_that_does_not_drain_takes_new_work(state: NodeState, drain: bool) -> None:
    node = a_node(state=state, drain=drain)
    assert is_usable(node) == (state is NodeState.READY and not drain)
    assert bool(node_lacks(node)) != is_usable(node)


@pytest.mark.parametrize(("used", "usable"), [(94, True), (95, False), (100, False)])
def test_a_disk_nearly_full_takes_nothing_new(used: int, usable: bool) -> None:
    node = a_node(load=Load(disk_used_bytes=used, disk_total_bytes=100))
    assert is_usable(node) == usable
    assert bool(node_lacks(node)) != usable


def test_a_disk_that_was_not_measured_is_not_full() -> None:
    assert is_usable(a_node(load=Load(disk_used_bytes=5, disk_total_bytes=0)))


@pytest.mark.parametrize("roles", [("worker",), ("worker", "builder"), ("builder",), ()])
def test_only_workers_take_jobs_and_only_builders_builds(roles: tuple[str, ...]) -> None:
    node = a_node(roles=roles)
    assert can_run(RuntimeName.DOCKER, (), node) == ("worker" in roles)
    assert can_run(RuntimeName.BUILD, (), node) == ("builder" in roles)


def test_why_a_node_builds_nothing_is_said_in_words() -> None:
    def lacks(node: Node, *constraints: str) -> list[str]:
        return fitness_lacks(Shape((0, 0, 0), RuntimeName.BUILD, constraints), node)

    assert lacks(a_node(roles=("worker",))) == ["it builds no images: its roles are worker"]
    node = a_node(roles=("builder",))
    assert lacks(node) == []
    without = tuple(replace(one, available=False, missing="install docker-buildx") for one in node.facts.runtimes)
    unable = replace(node, facts=replace(node.facts, runtimes=without))
    assert lacks(unable) == ["it builds no images: install docker-buildx"]
    assert lacks(node, "node.arch == arm64") == ["builds for arm64, this node is amd64"]
    assert lacks(node, "node.labels.disk == ssd") == ["needs label disk ssd, has none"]


@given(
    runtime=st.sampled_from(list(RuntimeName)),
    host_jobs=st.booleans(),
    arch=st.sampled_from(["amd64", "arm64", "x86_64"]),
    labels=st.sampled_from([{}, {"disk": "ssd"}]),
    constraints=st.lists(
        st.sampled_from(["node.arch == amd64", "node.labels.disk == ssd", "node.name != alpha", "gibberish"]),
        max_size=3,
    ),
    architectures=st.sampled_from([(), ("amd64",), ("arm64", "s390x"), ("386",)]),
)
def test_what_can_run_lacks_nothing_and_what_cannot_says_why(
    runtime: RuntimeName,
    host_jobs: bool,
    arch: str,
    labels: dict[str, str],
    constraints: list[str],
    architectures: tuple[str, ...],
) -> None:
    node: Node = a_node(arch=arch, labels=labels, host_jobs=host_jobs)
    lacks = fitness_lacks(Shape((0, 0, 0), runtime, tuple(constraints), architectures), node)
    assert can_run(runtime, tuple(constraints), node, architectures) == (not lacks)


amounts = st.builds(
    Resources,
    cpu_millis=st.integers(0, 9000),
    memory_bytes=st.integers(0, 9 * MIB),
    gpus=st.integers(0, 3),
)


@given(need=amounts, room=amounts)
def test_what_does_not_fit_lacks_exactly_what_is_too_much(need: Resources, room: Resources) -> None:
    too_much = (need.cpu_millis > room.cpu_millis) + (need.memory_bytes > room.memory_bytes) + (need.gpus > room.gpus)
    assert len(resource_lacks(need, room, room)) == too_much
    assert need.fits_in(room) == (too_much == 0)


@pytest.mark.parametrize(
    ("millis", "words"), [(1000, "1 core"), (3500, "3.5 cores"), (1, "0.001 cores"), (0, "0 cores")]
)
def test_cores_for_people(millis: int, words: str) -> None:
    assert cores(millis) == words


@pytest.mark.parametrize(("size", "words"), [(256 * MIB, "256 MB"), (1536 * MIB, "1.5 GB"), (MIB // 2, "0.5 MB")])
def test_memory_for_people(size: int, words: str) -> None:
    assert memory(size) == words
