"""The `process` runtime: host jobs behind draas.agent.runtimes.runtime.Runtime."""

import re
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from draas.agent.core.host_commands.refused import check_command
from draas.agent.runtimes.process.command import (
    Isolation,
    encode_env,
    encode_words,
    render_argv,
    render_env,
    wrap_deathsig,
    wrap_rlimits,
    wrap_sandbox,
)
from draas.agent.runtimes.process.host_tools import HostTools
from draas.agent.runtimes.process.protocol import (
    AwaitOutput,
    Done,
    Ended,
    Held,
    Output,
    Remove,
    Renew,
    Start,
    Started,
    Stop,
)
from draas.agent.runtimes.process.spool import SpoolReader
from draas.agent.runtimes.process.supervisor_link import SupervisorGone, SupervisorLink
from draas.agent.runtimes.runtime import Door, Exited, Found, Listener, Ran, RuntimeFailure, Used, unheard
from draas.lib import clock
from draas.model.allocation import AllocationId, Cause
from draas.model.job import RuntimeName
from draas.model.node import Image, RuntimeInfo
from draas.wire.link import Assignment

PIDS_MAX = 1024  # processes and threads of one job: far above what compilers use, far below what hurts the host
FULL_DISK_BYTES = 1024 * 1024  # with less, neither a work folder nor the first output can be kept
REMOVE_TIMEOUT_S = 600.0  # a work folder with millions of files
NO_REPLICAS = "apps run in containers, and this is the runtime of host processes: deploy it with an image"
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class HostRuntime:
    """Host jobs, held by a supervisor in `data_dir`. `isolation` is what the node's owner allowed."""

    name = RuntimeName.PROCESS

    def __init__(self, data_dir: Path, isolation: Isolation = "sandboxed") -> None:
        self._data_dir = data_dir.resolve()
        self._isolation = isolation
        self._until: dict[AllocationId, float] = {}
        self._tools = HostTools(self._data_dir)
        self._link = SupervisorLink(self._data_dir)

    @property
    def link(self) -> SupervisorLink:
        """The supervisor: other runtimes have it watch the leases of their containers."""
        return self._link

    async def probe(self) -> RuntimeInfo:
        try:
            greeting = await self._link.connect()
        except SupervisorGone as error:
            return RuntimeInfo(name=self.name, available=False, missing=str(error))
        limits = f"cgroup {greeting.cgroup}" if greeting.cgroup else "rlimits only"
        missing = greeting.missing
        if self._isolation == "plain":
            return RuntimeInfo(name=self.name, available=True, isolation=f"plain, {limits}", missing=missing)
        trouble = await self._tools.sandbox_trouble()
        if trouble:
            return RuntimeInfo(name=self.name, available=False, isolation="none", missing=trouble)
        version = await self._tools.bwrap_version()
        isolation = f"bubblewrap, {limits}"
        return RuntimeInfo(name=self.name, available=True, version=version, isolation=isolation, missing=missing)

    async def images(self) -> tuple[Image, ...]:
        return ()

    async def prepare(
        self, assignment: Assignment, progress: Callable[[str], None], pinned: Callable[[str], None] = unheard
    ) -> None:
        if assignment.service is not None:
            raise RuntimeFailure(Cause.REFUSED, NO_REPLICAS)
        refusal = check_command(assignment.command, render_env(assignment, self._workdir(assignment.id)))
        if refusal is not None:
            raise RuntimeFailure(Cause.REFUSED, refusal.reason)

    async def start(self, assignment: Assignment) -> float:
        if not _ID.fullmatch(assignment.id):
            raise RuntimeFailure(Cause.RUNTIME, f"{assignment.id!r} is no allocation id")
        try:
            greeting = await self._link.connect()
            held = self._link.held.get(assignment.id)
            if held is not None:
                return held.started_at
            await self.prepare(assignment, unheard)
            order = await self._order(assignment, has_cgroups=bool(greeting.cgroup))
            answer = await self._ask_twice(lambda seq: msgspec.structs.replace(order, seq=seq))
        except SupervisorGone as error:
            raise RuntimeFailure(Cause.RUNTIME, str(error)) from None
        if answer.error:
            raise self._explain(answer.error)
        held = Held(id=assignment.id, started_at=answer.started_at, exclusive=assignment.exclusive)
        self._link.held.setdefault(assignment.id, held)
        return answer.started_at

    def _explain(self, said: str) -> RuntimeFailure:
        """Why nothing was started; a full disk is looked up, not read out of the words."""
        free_bytes = shutil.disk_usage(self._data_dir).free
        if free_bytes < FULL_DISK_BYTES:
            return RuntimeFailure(Cause.DISK, f"{free_bytes >> 10} KiB are free on this node: remove files; {said}")
        return RuntimeFailure(Cause.RUNTIME, said)

    async def _ask_twice(self, build: Callable[[int], Start]) -> Started:
        """A start may be asked again: the supervisor, or its successor, knows what it has begun."""
        try:
            return await self._link.ask(build, Started)
        except SupervisorGone:
            return await self._link.ask(build, Started)

    def _workdir(self, id: AllocationId) -> str:
        return f"{self._data_dir}/work/{id}"

    async def _order(self, assignment: Assignment, has_cgroups: bool) -> Start:
        until = self._until.get(assignment.id, 0.0)
        if assignment.exclusive and until <= clock.monotonic():
            raise RuntimeFailure(Cause.LEASE, "an exclusive job starts only under a lease, and it has none")
        workdir = self._workdir(assignment.id)
        resources = assignment.resources
        argv = render_argv(assignment.command)
        if not has_cgroups:
            argv = wrap_rlimits(argv, resources.memory_bytes)
        if self._isolation == "sandboxed":
            trouble = await self._tools.sandbox_trouble()
            if trouble:
                raise RuntimeFailure(Cause.RUNTIME, trouble)
            argv = wrap_sandbox(argv, workdir, self._tools.sandbox(gpus=resources.gpus))
        elif assignment.exclusive and (setpriv := self._tools.setpriv) is not None:
            argv = wrap_deathsig(argv, setpriv)
        try:
            words, env = encode_words(argv), encode_env(render_env(assignment, workdir))
        except ValueError as error:
            raise RuntimeFailure(Cause.RUNTIME, str(error)) from None
        return Start(
            seq=0,
            id=assignment.id,
            argv=words,
            env=env,
            memory_bytes=resources.memory_bytes,
            cpu_millis=resources.cpu_millis,
            pids_max=PIDS_MAX,
            log_cap_bytes=assignment.log_cap_bytes,
            spare_main=self._isolation == "sandboxed",
            until=until if assignment.exclusive else None,
        )

    async def wait(self, id: AllocationId) -> Exited:
        try:
            ended = await self._link.until_ended(id)
        except SupervisorGone as error:
            raise RuntimeFailure(Cause.RUNTIME, str(error)) from None
        if ended is None:
            raise RuntimeFailure(Cause.RUNTIME, f"no host process of allocation {id} is known on this node")
        if ended.cause:
            raise RuntimeFailure(Cause(ended.cause), ended.detail)
        return render_exited(ended)

    async def stop(self, id: AllocationId, grace_s: float) -> None:
        try:
            await self._link.connect()
            held = self._link.held.get(id)
            if held is None or held.ended is not None:
                return
            await self._link.ask(lambda seq: Stop(seq=seq, id=id, grace_s=grace_s), Done)
            await self._link.until_ended(id)
        except SupervisorGone as error:
            raise RuntimeFailure(Cause.RUNTIME, str(error)) from None

    async def remove(self, id: AllocationId) -> None:
        try:
            await self._link.ask(lambda seq: Remove(seq=seq, id=id), Done, REMOVE_TIMEOUT_S)
        except SupervisorGone as error:
            raise RuntimeFailure(Cause.RUNTIME, str(error)) from None
        self._link.held.pop(id, None)

    async def found(self) -> list[Found]:
        try:
            await self._link.connect()
        except SupervisorGone as error:
            raise RuntimeFailure(Cause.RUNTIME, str(error)) from None
        return [
            Found(
                id=AllocationId(one.id), started_at=one.started_at, exclusive=one.exclusive, ended=one.ended is not None
            )
            for one in self._link.held.values()
        ]

    async def output(self, id: AllocationId, offset: int) -> AsyncIterator[bytes]:
        reader = SpoolReader(self._data_dir / "spool" / id, offset)
        try:
            while True:
                grown = await self._await_output(id, reader.position)
                while records := reader.read():
                    yield records
                if grown.ended and reader.position >= grown.spool_bytes:
                    return
        finally:
            reader.close()

    async def _await_output(self, id: AllocationId, position: int) -> Output:
        held = self._link.held.get(id)
        if held is not None and held.ended is not None:
            return Output(seq=0, spool_bytes=held.ended.spool_bytes, ended=True)
        try:
            return await self._link.ask(lambda seq: AwaitOutput(seq=seq, id=id, position=position), Output, None)
        except SupervisorGone:
            return Output(seq=0, spool_bytes=position + 1, ended=False)  # asked again: its successor knows

    async def renew(self, exclusive: dict[AllocationId, float]) -> None:
        self._until = dict(exclusive)  # also of what is yet to start: its lease is not longer for that
        if not exclusive:
            return
        try:
            await self._link.ask(lambda seq: Renew(seq=seq, until=dict[str, float](exclusive.items())), Done)
        except SupervisorGone as error:
            raise RuntimeFailure(Cause.RUNTIME, str(error)) from None

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
        await self._link.close()


def render_exited(ended: Ended) -> Exited:
    """What the agent core is told of it."""
    return Exited(
        exit_code=ended.exit_code,
        started_at=ended.started_at,
        finished_at=ended.finished_at,
        oom=ended.oom,
        peak_memory_bytes=ended.peak_memory_bytes,
        cpu_s=ended.cpu_s,
    )
