"""Which runtime a job gets that asks for neither a runtime nor an image."""

from collections.abc import Iterable

from draas.model.job import RuntimeName
from draas.model.node import Node


def default_runtime(nodes: Iterable[Node], unknown: RuntimeName = RuntimeName.DOCKER) -> RuntimeName:
    """A container wherever any node has an engine; a host process where nodes run nothing else; `unknown` where none runs anything.

    Nodes that are away count by what they said last, so that a restart of the one machine with an engine changes nothing.
    """
    found = False
    for node in nodes:
        for runtime in node.facts.runtimes:
            if runtime.available and runtime.name is RuntimeName.DOCKER:
                return RuntimeName.DOCKER
            found = found or (runtime.available and runtime.name is RuntimeName.PROCESS)
    return RuntimeName.PROCESS if found else unknown
