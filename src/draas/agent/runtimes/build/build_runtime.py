"""The `build` runtime: builds behind draas.agent.runtimes.runtime.Runtime, each a program held by the supervisor of host processes."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import msgspec

import draas
from draas.agent.runtimes.build.finding import find_engine
from draas.agent.runtimes.build.group import BuildGroup
from draas.agent.runtimes.build.order import (
    ORDER,
    PRIVATE,
    SHARES,
    SOURCE,
    TREE,
    Builder,
    Engine,
    Order,
    Result,
    read_result,
    write_order,
)
from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError
from draas.agent.runtimes.process.host_runtime import HostRuntime
from draas.agent.runtimes.runtime import Door, Exited, Found, Listener, Ran, RuntimeFailure, Used, unheard
from draas.lib import clock
from draas.model.allocation import AllocationId, Cause
from draas.model.image_name import Digest, Repository
from draas.model.job import RuntimeName
from draas.model.login import Login
from draas.model.node import Image, RuntimeInfo
from draas.model.resources import MIB, Resources
from draas.wire.link import Assignment, BuildOrder

NO_REPLICAS = "a build ends: deploy the image that it makes"
# What the program itself and the docker command need; the steps of the build are in a group of their own.
OWN_MEMORY_BYTES = 512 * MIB
LEAST_CPU_MILLIS = 500  # with less it would take seconds to begin, and to end when told to
VERSION_TIMEOUT_S = 5.0
LOOK_AGAIN_S = 60.0  # for what was missing: its owner may have installed it


class ClusterRegistry(Protocol):
    """The cluster's registry as this machine's engine reaches it; draas.agent.images.cluster_images has it."""

    @property
    def builds_login(self) -> Login: ...

    async def fetch(self, repository: Repository, digest: Digest, to: Path) -> None: ...


class BuildRuntime:
    """Builds below `data_dir`. `owner` is this node's lasting id, for the labels of images."""

    name = RuntimeName.BUILD

    def __init__(
        self,
        data_dir: Path,
        *,
        api: EngineApi,
        images: ClusterRegistry,
        owner: str,
        builder: Builder | None = None,
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._api = api
        self._registry = images
        self._owner = owner
        self._forced = builder
        self._host = HostRuntime(self._data_dir / "host", "plain")
        self._engine: Engine | None = None
        self._missing = ""
        self._looking = asyncio.Lock()
        self._looked_at = 0.0
        self._locks: dict[AllocationId, asyncio.Lock] = {}
        self._mine: set[AllocationId] = set()  # whose folders this process made: not left behind by one before it

    # --- the node ---

    async def probe(self) -> RuntimeInfo:
        engine = await self._find()
        if engine is None:
            return RuntimeInfo(name=self.name, available=False, missing=self._missing)
        classic = engine.builder == "classic"
        return RuntimeInfo(
            name=self.name,
            available=True,
            version=f"{'classic builder' if classic else 'BuildKit'}, Docker {engine.version}",
            isolation="limits of the engine"
            if classic
            else f"cgroup {BuildGroup(engine.group, self._shares).version} limits",
            missing=self._missing,
        )

    async def _find(self) -> Engine | None:
        """What is known of the engine, found out anew where it is another, or was away."""
        async with self._looking:
            try:
                version = await self._api.call("GET", "version", timeout_s=VERSION_TIMEOUT_S)
            except (EngineAway, EngineError) as error:
                self._engine, self._missing = None, f"Docker Engine is not running: {error}"
                return None
            known = self._engine is not None and self._engine.version == version["Version"]
            if not known or (self._missing and clock.monotonic() - self._looked_at > LOOK_AGAIN_S):
                self._engine, self._missing = await find_engine(self._api, self._forced)
                self._looked_at = clock.monotonic()
            return self._engine

    async def images(self) -> tuple[Image, ...]:
        return ()

    # --- one build ---

    @property
    def _shares(self) -> Path:
        return self._data_dir / SHARES

    def _folder(self, id: AllocationId) -> Path:
        return self._data_dir / "orders" / id

    def _has_orders(self) -> bool:
        return (self._data_dir / "orders").is_dir() and any((self._data_dir / "orders").iterdir())

    async def prepare(
        self, assignment: Assignment, progress: Callable[[str], None], pinned: Callable[[str], None] = unheard
    ) -> None:
        """Refuse what cannot be built here, and fetch the source."""
        build = self._build_of(assignment)
        engine = await self._known()
        check_order(build, engine)
        self._mine.add(assignment.id)
        folder = self._folder(assignment.id)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if build.source is not None and not build.git:
                progress("fetching the source")
                (folder / SOURCE).unlink(missing_ok=True)
                await self._registry.fetch(build.repository, build.source, folder / SOURCE)
        except OSError as error:
            told = f"the source cannot be kept on this node ({error.strerror}): free some room below {self._data_dir}"
            raise RuntimeFailure(Cause.DISK, told) from None

    def _build_of(self, assignment: Assignment) -> BuildOrder:
        if assignment.build is None:
            raise RuntimeFailure(Cause.RUNTIME, "this is no build: it says not what to build")
        return assignment.build

    async def _known(self) -> Engine:
        engine = await self._find()
        if engine is None:
            raise RuntimeFailure(Cause.RUNTIME, self._missing)
        return engine

    async def start(self, assignment: Assignment) -> float:
        async with self._locks.setdefault(assignment.id, asyncio.Lock()):
            await self._host.probe()
            if (held := self._host.link.held.get(assignment.id)) is not None:
                return held.started_at
            return await self._begin(assignment)

    async def _begin(self, assignment: Assignment) -> float:
        folder = self._folder(assignment.id)
        order = Order(
            id=assignment.id,
            job_id=assignment.job_id,
            project=assignment.project,
            owner=self._owner,
            build=self._build_of(assignment),
            registry=self._registry.builds_login,
            logins=assignment.logins,
            engine=await self._known(),
            cpu_millis=assignment.resources.cpu_millis,
            memory_bytes=assignment.resources.memory_bytes,
        )
        try:
            write_order(folder, order)
            return await self._host.start(host_assignment(assignment, folder))
        except OSError as error:
            told = f"the build's order cannot be written ({error.strerror}): free some room below {self._data_dir}"
            raise RuntimeFailure(Cause.DISK, told) from None
        except BaseException:
            (folder / ORDER).unlink(missing_ok=True)  # it holds secrets
            raise

    async def wait(self, id: AllocationId) -> Exited:
        try:
            ended = await self._host.wait(id)
        finally:
            await self._settle()
        return render_ended(ended, await asyncio.to_thread(_end_of, self._folder(id)))

    async def _settle(self) -> None:
        """What a killed program could not do: give back its share of the limits."""
        if self._engine is not None and self._engine.group:
            await asyncio.to_thread(BuildGroup(self._engine.group, self._shares).settle)

    async def stop(self, id: AllocationId, grace_s: float) -> None:
        if self._has_orders():
            await self._host.stop(id, grace_s)
            await self._settle()

    async def remove(self, id: AllocationId) -> None:
        if self._has_orders():
            await self._host.remove(id)
            await asyncio.to_thread(shutil.rmtree, self._folder(id), ignore_errors=True)
            await self._settle()
        self._locks.pop(id, None)
        self._mine.discard(id)

    async def found(self) -> list[Found]:
        """Those that were begun. Of those that were only prepared nothing is kept: they are prepared again."""
        if not self._has_orders():
            return []
        begun = await self._host.found()
        known = {one.id for one in begun} | self._mine
        for folder in (self._data_dir / "orders").iterdir():
            if folder.name not in known:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return begun

    async def output(self, id: AllocationId, offset: int) -> AsyncIterator[bytes]:
        if not self._has_orders():
            return
        async for records in self._host.output(id, offset):
            yield records

    async def renew(self, exclusive: dict[AllocationId, float]) -> None:
        if exclusive or self._has_orders():
            await self._host.renew(exclusive)

    async def door(self, id: AllocationId) -> Door:
        raise RuntimeFailure(Cause.REFUSED, NO_REPLICAS)

    async def frozen(self, id: AllocationId) -> bool:
        raise RuntimeFailure(Cause.REFUSED, NO_REPLICAS)

    async def execute(self, id: AllocationId, command: Sequence[str], timeout_s: float) -> Ran:
        raise RuntimeFailure(Cause.REFUSED, NO_REPLICAS)

    async def listeners(self, id: AllocationId) -> tuple[Listener, ...] | None:
        raise RuntimeFailure(Cause.REFUSED, NO_REPLICAS)

    async def used(self, ids: Collection[AllocationId]) -> Mapping[AllocationId, Used]:
        return {}

    async def close(self) -> None:
        await self._host.close()


def _end_of(folder: Path) -> Result | None:
    """The program's word on its end; what a killed one could not remove goes, as there are passwords in it."""
    for name in (PRIVATE, TREE):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (ORDER, SOURCE):
        (folder / name).unlink(missing_ok=True)
    return read_result(folder)


def check_order(build: BuildOrder, engine: Engine) -> None:
    """Raises RuntimeFailure for what this node cannot build. Pure."""
    wanted = normal_platform(build.platform)
    if wanted and wanted != engine.platform:
        raise RuntimeFailure(
            Cause.REFUSED,
            f"the build is for {build.platform}, and this node builds for {engine.platform}: leave the platform out, "
            f"or have a node of that architecture build it",
        )
    if build.secrets and engine.builder == "classic":
        raise RuntimeFailure(
            Cause.REFUSED,
            "the build has secrets, and the classic builder of this node would leave them in the image: "
            "build on a node with BuildKit (a docker command that speaks it, and the cgroup driver cgroupfs)",
        )


def normal_platform(text: str) -> str:
    """`text` as the engine says it: linux/amd64, without a variant that says nothing more. Pure."""
    os, _, rest = text.strip().lower().partition("/")
    arch, _, variant = rest.partition("/")
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(arch, arch)
    plain = not variant or (arch, variant) in (("arm64", "v8"), ("amd64", "v1"))
    return f"{os}/{arch}" if plain and arch else text.strip()


def host_assignment(assignment: Assignment, folder: Path) -> Assignment:
    """The build as a host process. Pure but for where Python is."""
    return msgspec.structs.replace(
        assignment,
        runtime=RuntimeName.PROCESS,
        image=None,
        command=(sys.executable, "-s", "-m", "draas.agent.runtimes.build", str(folder)),
        env={"PYTHONPATH": str(Path(draas.__file__).parent.parent), "PYTHONUNBUFFERED": "1"},
        resources=Resources(
            cpu_millis=max(assignment.resources.cpu_millis, LEAST_CPU_MILLIS) if assignment.resources.cpu_millis else 0,
            memory_bytes=OWN_MEMORY_BYTES,
        ),
        build=None,
        logins=(),
    )


def render_ended(ended: Exited, result: Result | None) -> Exited:
    """How the build ended, with what its program has written. Pure."""
    if result is None:
        return ended
    return replace(
        ended,
        built=result.built if ended.exit_code == 0 else None,
        cause=result.cause,
        detail=result.detail,
        oom=result.cause is Cause.OUT_OF_MEMORY,
        cpu_s=(ended.cpu_s or 0.0) + result.cpu_s,
        peak_memory_bytes=max(ended.peak_memory_bytes or 0, result.peak_memory_bytes) or None,
    )
