"""DockerRuntime: allocations as containers, through the Docker Engine's API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from draas.agent.images.cluster_images import ClusterImages
from draas.agent.runtimes.docker import container_body, container_state, containers, usage
from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError, filters
from draas.agent.runtimes.docker.container_body import Surroundings, container_name, render_container
from draas.agent.runtimes.docker.container_state import Info
from draas.agent.runtimes.docker.engine_facts import Facts, read_facts, what_is_missing
from draas.agent.runtimes.docker.failures import explain_start
from draas.agent.runtimes.docker.image_ledger import ImageLedger
from draas.agent.runtimes.docker.image_room import ImageRoom
from draas.agent.runtimes.docker.log_file import Growth
from draas.agent.runtimes.docker.namespaces import POOL_SIZE, Namespace, NamespacePool
from draas.agent.runtimes.docker.node_images import NodeImages
from draas.agent.runtimes.docker.output import Source, follow_output
from draas.agent.runtimes.docker.own_address import is_loopback, publish_on
from draas.agent.runtimes.docker.patience import Patience
from draas.agent.runtimes.docker.running import RunningContainers
from draas.agent.runtimes.docker.service_body import LOOPBACK
from draas.agent.runtimes.docker.watch import RECHECK_S, EngineWatch, Life, woken
from draas.agent.runtimes.runtime import Door, Exited, Found, Listener, Ran, RuntimeFailure, Used, unheard
from draas.lib import clock, log
from draas.lib.clock import parse_rfc3339
from draas.lib.tasks import Tasks
from draas.model.allocation import AllocationId, Cause
from draas.model.job import RuntimeName
from draas.model.node import Image, RuntimeInfo
from draas.wire.link import Assignment

PROBE_TIMEOUT_S = 5.0
OOM_EVENT_S = 0.3  # the engine learns of an out-of-memory kill separately from the exit, and sometimes later

Watchdog = Callable[[dict[str, float]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """Of a container's output."""

    container_id: str
    cap_bytes: int
    has_log_file: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A container that this process made and started: what is known of it without asking."""

    started_at: float
    kept: _Kept
    life: Life


class DockerRuntime:
    """The Runtime protocol over one engine. `owner` is this node's lasting id: containers of other owners are not touched.

    A command that is not found ends with exit code 127 and one that cannot be executed with 126, said on stderr by the
    container's init process; where the engine has none, start raises RuntimeFailure(EXIT) with the same words.
    `address` is this node's for other machines: ports of replicas are published there; on loopback where it has none.
    `cluster` has the images of the controller's registry; without it these are refused. `watchdog` is told, at each renewal, until when (monotonic seconds) each exclusive container may run, by name.
    """

    name = RuntimeName.DOCKER

    def __init__(
        self,
        *,
        owner: str,
        default_image: str,
        url: str | None = None,
        watchdog: Watchdog | None = None,
        pool_size: int = POOL_SIZE,
        address: str = "",
        cluster: ClusterImages | None = None,
        ledger: ImageLedger | None = None,
    ) -> None:
        self.api = EngineApi(url)
        self.api.ledger = ledger
        self.room = ImageRoom(self.api, cluster.cluster if cluster is not None else str)
        self._owner = owner
        self._cluster = cluster
        self._watchdog = watchdog
        self._tasks = Tasks("docker")
        self._watch = EngineWatch(self.api, owner, self._tasks)
        self._pool = NamespacePool(self.api, owner, pool_size)
        self._patience = Patience(self.api.address)
        self._images = NodeImages(self.api, self._patience, default_image, cluster)
        self._growth = Growth(self._tasks)
        self._facts: Facts | None = None
        self._root: str | None = None
        self._locks: dict[AllocationId, tuple[asyncio.Lock, list[None]]] = {}
        self._gpu_lock = asyncio.Lock()
        self._pulling: dict[AllocationId, asyncio.Task[None]] = {}
        self._begun: dict[AllocationId, _Begun] = {}
        self._host_ip = publish_on(address, local=self.api.local)
        self._running = RunningContainers(self.api, LOOPBACK if is_loopback(address) else address)

    # --- the node ---

    async def probe(self) -> RuntimeInfo:
        """Whether the engine can be used, and in one line what is missing."""
        try:
            version = await self.api.call("GET", "version", timeout_s=PROBE_TIMEOUT_S)
        except (EngineAway, EngineError) as error:
            missing = f"Docker Engine is not running: {error}; sudo apt-get install docker.io, or start dockerd, or set DOCKER_HOST"
            return RuntimeInfo(name=self.name, available=False, missing=missing)
        missing = what_is_missing(version)
        if not missing and self._cluster is not None:
            await self._cluster.serve()
        return RuntimeInfo(name=self.name, available=not missing, version=version["Version"], missing=missing)

    async def images(self) -> tuple[Image, ...]:
        """The engine's images, at most some seconds old; the last known where it does not answer."""
        return await self._images.listed()

    async def image_folder(self) -> Path | None:
        """Where images are on this machine's disk; None where that cannot be seen."""
        try:
            root = await self._root_folder()
        except (EngineAway, EngineError):
            return None
        return Path(root) if root else None

    async def _known(self) -> Facts:
        if self._facts is None:
            self._facts = read_facts(await self.api.call("GET", "version"))
        return self._facts

    # --- one allocation ---

    async def prepare(
        self, assignment: Assignment, progress: Callable[[str], None], pinned: Callable[[str], None] = unheard
    ) -> None:
        """Have the image here, for this machine's architecture. `stop` ends it with RuntimeFailure(CANCELLED)."""
        work = self._prepare(assignment, progress, pinned)
        task = self._tasks.spawn(_outcome(work), f"prepare {assignment.id}")
        self._pulling[assignment.id] = task
        try:
            failure = await task
        except asyncio.CancelledError:
            if not task.cancelled() or _being_cancelled():
                task.cancel()
                raise
            raise RuntimeFailure(Cause.CANCELLED, "stopped while its image was being pulled") from None
        finally:
            self._pulling.pop(assignment.id, None)
        if failure is not None:
            raise failure

    async def _prepare(
        self, assignment: Assignment, progress: Callable[[str], None], pinned: Callable[[str], None]
    ) -> None:
        facts = await self._patience(self._known)
        await self._images.prepare(assignment, facts.arch, progress, pinned)

    async def start(self, assignment: Assignment) -> float:
        """Create and start its container, or adopt the one that is there."""
        async with self._alone(assignment.id):
            return await self._patience(lambda: self._start(assignment))

    async def _start(self, assignment: Assignment) -> float:
        name = container_name(assignment.id)
        facts = await self._known()
        for _ in range(3):
            # A replica has a network of its own: a published port needs it, and it keeps it for months.
            is_job = assignment.service is None
            namespace = await self._pool.borrow(assignment.id, facts.arch) if is_job else None
            try:
                made = await self._create(assignment, namespace, facts)
                if isinstance(made, float):
                    return made
                life = await self._begin(made)
            except EngineError as error:
                if namespace is not None and not await self._pool.alive(assignment.id):
                    await self._pool.discard(assignment.id)  # the engine was restarted, or someone removed it
                    await containers.delete(self.api, name)
                elif error.status != 404 or not await self._images.again(assignment):
                    failure = await explain_start(self.api, assignment, self._images.name_of(assignment), error)
                    raise self._images.told(failure) from error
                continue
            info = await self.api.call("GET", f"containers/{made}/json")
            started_at = container_state.started_at(info) or clock.now()
            self._begun[assignment.id] = _Begun(started_at=started_at, kept=_kept(info), life=life)
            return started_at
        raise RuntimeFailure(
            Cause.RUNTIME, "no network namespace stays: does something remove DRaaS's paused containers?"
        )

    async def _begin(self, container_id: str) -> Life:
        life = self._watch.follow(container_id)
        try:
            await self.api.call("POST", f"containers/{container_id}/start")
        except BaseException:
            self._watch.forget(container_id)
            raise
        return life

    async def _create(self, assignment: Assignment, namespace: Namespace | None, facts: Facts) -> str | float:
        """Create the container: its id; or, where it is there and was started, when that was."""
        name = container_name(assignment.id)
        parent = self._pool.cgroup_parent
        gpus = await self._gpus(assignment.resources.gpus)
        around = Surroundings(
            owner=self._owner,
            image=await self._images.exact(assignment),
            network=namespace.network if namespace else self._network_of(assignment),
            mounts=namespace.mounts if namespace else (),
            init=facts.has_init,
            cgroup_parent=usage.group_name(parent, assignment.id) if parent is not None else "",
            gpus=gpus,
            host_ip=self._host_ip,
        )
        body = render_container(assignment, around)
        try:
            return str((await self.api.call("POST", "containers/create", body=body, name=name))["Id"])
        except EngineError as error:
            if error.status != 409 or (info := await self._inspect(name)) is None:
                raise
        if not container_state.is_ours(info, self._owner, assignment.id):
            raise RuntimeFailure(
                Cause.RUNTIME,
                f"a container that is not this node's has the name {name}: remove it with `docker rm -f {name}`",
            )
        if (started := container_state.started_at(info)) is not None:
            return started
        await containers.delete(
            self.api, name
        )  # made by an agent that died before it was started; its network may be gone
        return str((await self.api.call("POST", "containers/create", body=body, name=name))["Id"])

    def _network_of(self, assignment: Assignment) -> str:
        return "bridge" if assignment.service is not None else self._pool.network

    async def _gpus(self, count: int) -> tuple[int, ...]:
        if count <= 0:
            return ()
        mine = filters(label=[container_body.GPUS], status=["created", "running"])
        async with self._gpu_lock:
            listed = await self.api.call("GET", "containers/json", all=1, filters=mine)
        taken: set[int] = set().union(*(container_body.gpus_in(item["Labels"]) for item in listed))
        return container_body.pick_gpus(count, taken)

    async def wait(self, id: AllocationId) -> Exited:
        """Wait for its end, however often the engine goes and comes back meanwhile."""
        if (told := await self._told_end(id)) is not None:
            self._pool.give_back(id)
            return told
        info = await self._ended(id)
        if (begun := self._begun.get(id)) is not None:
            begun.life.over.set()  # where the event of its end was lost, its output must not wait for that
        if info is None:
            raise RuntimeFailure(Cause.RUNTIME, "its container is gone: was it removed by hand, or by another program?")
        if container_state.started_at(info) is None:
            raise RuntimeFailure(Cause.RUNTIME, "its container was never started")
        self._pool.give_back(id)
        if container_state.may_be_taken_down(info) and container_state.was_taken_down(info, await self._restarted_at()):
            raise RuntimeFailure(
                Cause.RUNTIME,
                "Docker Engine was restarted and took its containers down; `live-restore` in its daemon.json keeps them",
            )
        return container_state.exited(info, await self._usage(id))

    async def _told_end(self, id: AllocationId) -> Exited | None:
        """Its end as the engine's events told it, within a while; None where one has to look."""
        begun = self._begun.get(id)
        if begun is None or not await woken(begun.life.over):
            return None
        life = begun.life
        if life.exit_code is None or life.exit_code in container_state.TAKEN_DOWN or life.oom:
            return None
        used = await self._usage(id)
        return Exited(
            exit_code=life.exit_code,
            started_at=begun.started_at,
            finished_at=max(life.died_at, begun.started_at),
            peak_memory_bytes=used.peak_memory_bytes,
            cpu_s=used.cpu_s,
        )

    async def _restarted_at(self) -> float:
        """When the engine was last seen to go, or was started: it makes its bridge anew each time. Unix seconds."""
        bridge = await self._patience(lambda: containers.get_or_none(self.api, "networks/bridge"))
        return max(self._watch.lost_at, parse_rfc3339(bridge["Created"]) if bridge is not None else 0.0)

    async def _ended(self, id: AllocationId) -> Info | None:
        """The container once it has ended (or was never started); None where there is none."""
        name = container_name(id)
        while True:
            with self._watch.waiting(name) as changed:
                try:
                    info = await self._inspect(name)
                    if info is None or container_state.started_at(info) is None:
                        return info
                    if container_state.has_ended(info) and await self._is_settled(info):
                        return await self._with_oom(name, info, changed)
                except (EngineAway, EngineError):
                    pass  # the watch says when the engine is back
                await woken(changed, RECHECK_S)

    async def _is_settled(self, info: Info) -> bool:
        """False while the engine is on its way down: only when it is back can be told whether it took the container along."""
        return not container_state.may_be_taken_down(info) or await self.api.accepts()

    async def _with_oom(self, name: str, info: Info, changed: asyncio.Event) -> Info:
        state = info["State"]
        if state["ExitCode"] != container_state.KILLED or state["OOMKilled"] or not info["HostConfig"]["Memory"]:
            return info
        await woken(changed, OOM_EVENT_S)
        return await self._inspect(name) or info

    async def _usage(self, id: AllocationId) -> usage.Usage:
        if self._pool.cgroup_parent is None:
            return usage.Usage()
        return await asyncio.to_thread(usage.read_usage, usage.group_name(self._pool.cgroup_parent, id))

    async def stop(self, id: AllocationId, grace_s: float) -> None:
        """TERM, and KILL after `grace_s`; also ends a pull that is under way for it."""
        self._images.forget(id)
        if (pulling := self._pulling.get(id)) is not None:
            pulling.cancel()
        name = container_name(id)
        async with self._alone(id):
            info = await self._patience(lambda: self._inspect(name))
            if info is None or not container_state.is_ours(info, self._owner, id):
                return
            if info["State"]["Paused"]:  # what is paused ends by no signal
                await self._patience(partial(containers.unpause, self.api, name))
            for signal, limit_s in (
                (container_state.stop_signal(info), grace_s),
                ("SIGKILL", containers.KILL_TIMEOUT_S),
            ):
                await self._patience(partial(containers.send_signal, self.api, name, signal))
                try:
                    async with asyncio.timeout(limit_s):
                        await self._ended(id)
                        return
                except TimeoutError:
                    continue
        raise RuntimeFailure(
            Cause.RUNTIME, f"container {name} does not end, even by SIGKILL: restart the engine or the node"
        )

    async def remove(self, id: AllocationId) -> None:
        """Remove the container, its anonymous volumes, its namespace's loan and its control groups."""
        name = container_name(id)
        async with self._alone(id):
            begun = self._begun.get(id)
            if begun is not None or await self._is_here(id):
                await self._patience(
                    lambda: containers.delete(self.api, begun.kept.container_id if begun is not None else name)
                )
            if begun is not None:
                self._watch.forget(begun.kept.container_id)
                del self._begun[id]
            self._pool.give_back(id)
            self._images.forget(id)
            self._running.forget(id)
            if self._pool.cgroup_parent is not None:
                await asyncio.to_thread(usage.remove_group, usage.group_name(self._pool.cgroup_parent, id))

    async def _is_here(self, id: AllocationId) -> bool:
        info = await self._patience(lambda: self._inspect(container_name(id)))
        return info is not None and container_state.is_ours(info, self._owner, id)

    async def found(self) -> list[Found]:
        """Containers of this owner, also those that were made and never started."""
        return await self._patience(self._found)

    async def _found(self) -> list[Found]:
        mine = filters(label=[f"{container_body.OWNER}={self._owner}"])
        listed = await self.api.call("GET", "containers/json", all=1, filters=mine)
        infos = [info for item in listed if (info := await self._inspect(item["Id"])) is not None]
        return [container_state.found(info) for info in infos]

    async def output(self, id: AllocationId, offset: int) -> AsyncIterator[bytes]:
        """Records of its output from `offset` on, up to the cap that its job was given; none where its container is gone."""
        name = container_name(id)
        kept = await self._kept_of(id)
        if kept is None:
            log.warning("a container is gone, and its output with it", container=name)
            return

        async def has_ended() -> bool:
            begun = self._begun.get(id)
            if begun is not None and begun.life.is_followed:
                return begun.life.ended
            now = await self._inspect(name)
            return now is None or container_state.has_ended(now)

        source = Source(
            api=self.api,
            watch=self._watch,
            growth=self._growth,
            name=name,
            id=kept.container_id,
            root=await self._patience(self._root_folder) if kept.has_log_file else "",
            cap_bytes=kept.cap_bytes,
            has_ended=has_ended,
        )
        async for item in follow_output(source, offset):
            yield item

    async def _kept_of(self, id: AllocationId) -> _Kept | None:
        """What is kept of its output; None where it is not here."""
        if (begun := self._begun.get(id)) is not None:
            return begun.kept
        info = await self._patience(lambda: self._inspect(container_name(id)))
        if info is None or not container_state.is_ours(info, self._owner, id):
            return None
        return _kept(info)

    async def _root_folder(self) -> str:
        """Where the engine keeps its files, if it runs on this machine; else nothing."""
        if self._root is None:
            self._root = str((await self.api.call("GET", "info"))["DockerRootDir"]) if self.api.local else ""
        return self._root

    async def renew(self, exclusive: dict[AllocationId, float]) -> None:
        """Pass the deadlines on to what outlives the agent."""
        if self._watchdog is not None:
            await self._watchdog({container_name(id): deadline for id, deadline in exclusive.items()})

    # --- a replica that runs ---

    async def door(self, id: AllocationId) -> Door:
        """Where its port can be reached."""
        return await self._running.door(id)

    async def frozen(self, id: AllocationId) -> bool:
        """Whether it is paused."""
        return await self._running.frozen(id)

    async def execute(self, id: AllocationId, command: Sequence[str], timeout_s: float) -> Ran:
        """Run `command` inside."""
        return await self._running.execute(id, command, timeout_s)

    async def listeners(self, id: AllocationId) -> tuple[Listener, ...] | None:
        """What listens inside."""
        return await self._running.listeners(id)

    async def used(self, ids: Collection[AllocationId]) -> Mapping[AllocationId, Used]:
        """What these use."""
        return await self._running.used(ids)

    async def close(self) -> None:
        """Let go of the engine; what runs goes on running, idle namespaces are removed."""
        await self._pool.drop_idle()
        await self._tasks.cancel()
        await self.api.close()

    # --- small things ---

    async def _inspect(self, name: str) -> Info | None:
        return await containers.inspect(self.api, name)

    @asynccontextmanager
    async def _alone(self, id: AllocationId) -> AsyncIterator[None]:
        """One change at a time to an allocation's container."""
        lock, users = self._locks.setdefault(id, (asyncio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                del self._locks[id]


def _kept(info: Info) -> _Kept:
    return _Kept(
        container_id=info["Id"],
        cap_bytes=int(info["Config"]["Labels"][container_body.LOG_CAP]),
        has_log_file=container_state.has_log_file(info),
    )


async def _outcome(work: Awaitable[None]) -> RuntimeFailure | None:
    """An expected failure as a value, so that supervision reports only defects."""
    try:
        await work
    except RuntimeFailure as failure:
        return failure
    return None


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
