"""The keeping loop: tells each agent which of its node's images stay, whenever that changes."""

import asyncio
from collections.abc import Callable

from draas.model.cluster import Cluster
from draas.model.policy import Policy
from draas.scheduler.image_use import kept_on, names_in_use
from draas.server.link.hub import Hub
from draas.wire.link import Keep

EVERY_S = 10.0  # agents leave alone for minutes what is new to them


class Keeping:
    """`cluster` is the controller's."""

    def __init__(self, cluster: Callable[[], Cluster], policy: Policy, hub: Hub) -> None:
        self._cluster = cluster
        self._policy = policy
        self._hub = hub

    async def run(self) -> None:
        """Tell for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.tell()

    def tell(self) -> None:
        """Tell each agent that is here what it does not know yet."""
        cluster = self._cluster()
        names = names_in_use(cluster, self._policy)
        for node_id in self._hub.linked():
            node = cluster.nodes.get(node_id)
            if node is not None:
                self._hub.send_keep(node_id, Keep(images=kept_on(node, names)))
