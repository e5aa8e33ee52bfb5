"""Which runtime a job gets that asks for none."""

import pytest

from draas.model.allocation import NodeId
from draas.model.job import RuntimeName
from draas.model.node import Facts, Node, NodeState, RuntimeInfo
from draas.scheduler.default_runtime import default_runtime

DOCKER, PROCESS = RuntimeName.DOCKER, RuntimeName.PROCESS


def node(*able: RuntimeName, unable: tuple[RuntimeName, ...] = ()) -> Node:
    infos = [RuntimeInfo(name=name, available=True) for name in able]
    infos += [RuntimeInfo(name=name, available=False) for name in unable]
    return Node(id=NodeId("n"), name="n", state=NodeState.DOWN, facts=Facts(runtimes=tuple(infos)))


@pytest.mark.parametrize(
    ("nodes", "chosen"),
    [
        ([], DOCKER),
        ([node(PROCESS, unable=(DOCKER,))], PROCESS),
        ([node(PROCESS), node(DOCKER)], DOCKER),
        ([node(unable=(DOCKER,))], DOCKER),
    ],
)
def test_a_container_wherever_any_node_could_hold_one(nodes: list[Node], chosen: RuntimeName) -> None:
    assert default_runtime(nodes) is chosen


def test_before_any_machine_is_there_the_controller_says() -> None:
    assert default_runtime([], PROCESS) is PROCESS
    assert default_runtime([node(unable=(DOCKER, PROCESS))], PROCESS) is PROCESS
