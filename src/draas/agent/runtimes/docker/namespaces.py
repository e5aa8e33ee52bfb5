"""NamespacePool: prepared network namespaces, each lent to one job at a time.

Two thirds of a container's start is network set-up; a job that joins a namespace that is there skips it. Each namespace is
held open by a paused container of its own. Jobs stay apart: a namespace is lent again only after the container that had it
has ended (the kernel has then killed all its processes, so no socket of theirs listens any more); without CAP_NET_ADMIN a
job cannot change addresses, routes or filters; /proc/sys is read-only in containers; and the files that Docker shares
along with a namespace (/etc/hosts, resolv.conf, hostname) are mounted read-only. What can remain for a minute is a closing
TCP connection, which a later job may see in /proc/net/tcp.
"""

import asyncio
from typing import Any, NamedTuple

from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError, filters
from draas.agent.runtimes.docker.pause_image import PAUSE_IMAGE, pause_archive
from draas.agent.runtimes.docker.usage import parent_from
from draas.lib import ids, log
from draas.model.allocation import AllocationId

POOL = "draas.pool"
# Each costs a container shim, about 10 MB; as many jobs as start at once on most machines.
POOL_SIZE = 16


class Namespace(NamedTuple):
    """One namespace: the paused container that holds it, and the read-only mounts of the files that come with it."""

    container_id: str
    mounts: tuple[str, ...]

    @property
    def network(self) -> str:
        return f"container:{self.container_id}"


def namespace_of(info: dict[str, Any]) -> Namespace:
    """From what the engine says of a paused container."""
    shared = {"ResolvConfPath": "/etc/resolv.conf", "HostsPath": "/etc/hosts", "HostnamePath": "/etc/hostname"}
    return Namespace(info["Id"], tuple(f"{info[key]}:{path}:ro" for key, path in shared.items() if info.get(key)))


def render_pause(owner: str, network: str) -> dict[str, Any]:
    """The paused container: no rights, no output, one process."""
    return {
        "Image": PAUSE_IMAGE,
        "Labels": {POOL: owner},
        "User": "65534:65534",
        "StopSignal": "SIGKILL",  # it knows no other, and an engine that shuts down would wait 10 s for it
        "HostConfig": {
            "NetworkMode": network,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "PidsLimit": 8,
            "ReadonlyRootfs": True,
            "LogConfig": {"Type": "none"},
        },
    }


class NamespacePool:
    """Grows on demand up to `size`; beyond that, or where none can be made, jobs get a network of their own."""

    def __init__(self, api: EngineApi, owner: str, size: int = POOL_SIZE) -> None:
        self._api = api
        self._owner = owner
        self._size = size
        self._idle: list[Namespace] = []
        self._lent: dict[AllocationId, Namespace] = {}
        self._growing = 0
        self._adopted = False
        self._lock = asyncio.Lock()
        self._image_there = False
        self.network = "bridge"
        self.cgroup_parent: str | None = None  # learnt from the first paused container of a local engine

    async def borrow(self, holder: AllocationId, arch: str) -> Namespace | None:
        """A namespace for `holder` alone, or None where it should use `network`. Raises EngineAway."""
        await self._adopt()
        if (held := self._lent.get(holder)) is not None:
            return held
        if self._idle:
            found = self._idle.pop()
        elif len(self._lent) + self._growing < self._size:
            self._growing += 1
            try:
                made = await self._make(arch)
            finally:
                self._growing -= 1
            if made is None:
                return None
            found = made
        else:
            return None
        self._lent[holder] = found
        return found

    def give_back(self, holder: AllocationId) -> None:
        """`holder`'s container has ended: its namespace may be lent again. Others are fine."""
        if (namespace := self._lent.pop(holder, None)) is not None:
            self._idle.append(namespace)

    async def discard(self, holder: AllocationId) -> None:
        """`holder`'s namespace cannot be joined: its paused container is gone."""
        if (namespace := self._lent.pop(holder, None)) is not None:
            await self._remove(namespace.container_id)

    async def alive(self, holder: AllocationId) -> bool:
        """Whether the namespace lent to `holder` is still held open."""
        namespace = self._lent.get(holder)
        if namespace is None:
            return False
        try:
            info = await self._api.call("GET", f"containers/{namespace.container_id}/json")
        except EngineError:
            return False
        return bool(info["State"]["Running"])

    async def drop_idle(self) -> None:
        """Remove the namespaces that nobody has."""
        idle, self._idle = self._idle, []
        for namespace in idle:
            await self._remove(namespace.container_id)

    async def adopt_lent(self, networks: dict[AllocationId, str]) -> None:
        """After a restart of the agent: `networks` are the network modes of our containers that have not ended."""
        await self._adopt()
        by_network = {namespace.network: namespace for namespace in self._idle}
        for holder, network in networks.items():
            namespace = by_network.pop(network, None)
            if namespace is not None and holder not in self._lent:
                self._idle.remove(namespace)
                self._lent[holder] = namespace

    async def _adopt(self) -> None:
        """Take over, once, the paused containers that an earlier agent of this node left."""
        async with self._lock:
            if self._adopted:
                return
            self.network = await self._default_network()
            mine = filters(label=[f"{POOL}={self._owner}"])
            used = await self._networks_in_use()
            for item in await self._api.call("GET", "containers/json", all=1, filters=mine):
                await self._adopt_one(item, used)
            self._adopted = True

    async def _adopt_one(self, item: dict[str, Any], used: dict[str, AllocationId]) -> None:
        if item["State"] != "running":
            await self._remove(item["Id"])
            return
        info = await self._api.call("GET", f"containers/{item['Id']}/json")
        namespace = namespace_of(info)
        await self._learn_parent(info)
        if (holder := used.get(namespace.network)) is not None:
            self._lent[holder] = namespace
        else:
            self._idle.append(namespace)

    async def _networks_in_use(self) -> dict[str, AllocationId]:
        """Which of our containers that have not ended joined which namespace."""
        mine = filters(label=[f"draas.owner={self._owner}"], status=["created", "running", "paused", "restarting"])
        items = await self._api.call("GET", "containers/json", all=1, filters=mine)
        return {item["HostConfig"]["NetworkMode"]: AllocationId(item["Labels"]["draas.allocation"]) for item in items}

    async def _default_network(self) -> str:
        try:
            await self._api.call("GET", "networks/bridge")
        except EngineError as error:
            if error.status != 404:
                raise
            return "none"  # the engine was started without its bridge
        return "bridge"

    async def _make(self, arch: str) -> Namespace | None:
        try:
            if not await self._have_image(arch):
                return None
            name = f"draas-pool-{ids.new('n')}"
            made = await self._api.call(
                "POST", "containers/create", body=render_pause(self._owner, self.network), name=name
            )
            await self._api.call("POST", f"containers/{made['Id']}/start")
            info = await self._api.call("GET", f"containers/{made['Id']}/json")
        except EngineError as error:
            log.warning("no prepared network namespace; jobs start more slowly", reason=str(error))
            self._image_there = False
            return None
        await self._learn_parent(info)
        return namespace_of(info)

    async def _have_image(self, arch: str) -> bool:
        if self._image_there:
            return True
        archive = pause_archive(arch)
        if archive is None:
            return False
        async with self._lock:
            if not self._image_there:
                await self._api.call("POST", "images/load", data=archive, quiet="1")
                self._image_there = True
        return True

    async def _learn_parent(self, info: dict[str, Any]) -> None:
        if not self._api.local or self.cgroup_parent is not None:
            return
        try:
            with open(f"/proc/{info['State']['Pid']}/cgroup") as file:  # noqa: ASYNC230  (the kernel answers from memory)
                self.cgroup_parent = parent_from(file.read(), info["Id"])
        except OSError:
            return

    async def _remove(self, container_id: str) -> None:
        try:
            await self._api.call("DELETE", f"containers/{container_id}", force=1, v=1)
        except (EngineError, EngineAway) as error:
            log.info("a paused container could not be removed", reason=str(error))
