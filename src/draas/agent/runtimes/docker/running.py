"""What can be found out about replicas while they run: doors, pauses, listeners, use, and commands run inside."""

import asyncio
import os
import signal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from draas.agent.observe.listening import read_listeners
from draas.agent.runtimes.docker import usage
from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError
from draas.agent.runtimes.docker.container_body import container_name
from draas.agent.runtimes.docker.service_body import door_of
from draas.agent.runtimes.runtime import Door, Listener, Ran, RuntimeFailure, Used
from draas.model.allocation import AllocationId, Cause

OUTPUT_BYTES = 4096  # of a command run inside: what a probe has to say fits
CANNOT_RUN = 126
STATS_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inside:
    """Of a container that runs: its first process, and the files of its control group (of a local engine)."""

    pid: int
    gauges: usage.Gauges | None


class RunningContainers:
    """Looks at one engine's running containers. `advertised` is this node's address for other machines."""

    def __init__(self, api: EngineApi, advertised: str) -> None:
        self._api = api
        self._advertised = advertised
        self._inside: dict[AllocationId, _Inside] = {}

    def forget(self, id: AllocationId) -> None:
        """It has ended."""
        self._inside.pop(id, None)

    async def door(self, id: AllocationId) -> Door:
        """Where its port can be reached. Raises RuntimeFailure where it does not run or the engine does not answer."""
        return door_of(await self._inspect(id), self._advertised, self._engine_host)

    async def frozen(self, id: AllocationId) -> bool:
        """Whether it is paused: by its control group where that can be seen, else by the engine."""
        inside = await self._look(id)
        if inside.gauges is not None and (frozen := usage.is_frozen(inside.gauges)) is not None:
            return frozen
        return bool((await self._inspect(id))["State"]["Paused"])

    async def listeners(self, id: AllocationId) -> tuple[Listener, ...] | None:
        """What listens inside; None on an engine of another machine, or without leave to look."""
        if not self._api.local:
            return None
        return await asyncio.to_thread(read_listeners, (await self._look(id)).pid)

    async def execute(self, id: AllocationId, command: Sequence[str], timeout_s: float) -> Ran:
        """Run `command` inside, as the image's user. Raises TimeoutError, after having ended it where that can be done."""
        exec_id = ""
        try:
            body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
            exec_id = (await self._api.call("POST", f"containers/{container_name(id)}/exec", body=body))["Id"]
            async with asyncio.timeout(timeout_s):
                output = await self._run(exec_id)
            state = await self._api.call("GET", f"exec/{exec_id}/json")
        except TimeoutError:
            await self._end(exec_id)
            raise
        except EngineError as error:
            if exec_id:
                return Ran(CANNOT_RUN, error.message)
            raise _not_there(error) from error
        except EngineAway as away:
            raise RuntimeFailure(Cause.RUNTIME, away.detail) from away
        return Ran(int(state["ExitCode"]), output.decode(errors="replace"))

    async def _run(self, exec_id: str) -> bytes:
        """The last of its output. With a terminal, so that it comes unframed."""
        raw = b""
        async with self._api.stream("POST", f"exec/{exec_id}/start", body={"Detach": False, "Tty": True}) as stream:
            while data := await stream.readany():
                raw = (raw + data)[-OUTPUT_BYTES:]
        return raw

    async def _end(self, exec_id: str) -> None:
        """The engine cannot end what it runs inside: on this machine the kernel can."""
        if not self._api.local:
            return
        try:
            state = await self._api.call("GET", f"exec/{exec_id}/json")
            if state["Running"] and state["Pid"]:
                os.kill(int(state["Pid"]), signal.SIGKILL)
        except (EngineError, EngineAway, OSError):
            return

    async def used(self, ids: Collection[AllocationId]) -> Mapping[AllocationId, Used]:
        """From control groups where they can be seen, else from the engine."""
        found = await asyncio.gather(*(self._used(id) for id in ids))
        return {id: used for id, used in zip(ids, found, strict=True) if used is not None}

    async def _used(self, id: AllocationId) -> Used | None:
        try:
            gauges = (await self._look(id)).gauges
            if gauges is not None and (live := usage.read_live(gauges)) is not None:
                return Used(cpu_s=live[0], memory_bytes=live[1])
            path = f"containers/{container_name(id)}/stats?stream=0&one-shot=1"
            stats = await self._api.call("GET", path, timeout_s=STATS_TIMEOUT_S)
            return read_stats(stats)
        except (RuntimeFailure, EngineError, EngineAway):
            return None

    async def _look(self, id: AllocationId) -> _Inside:
        """Its process and control group; looked up again where that process is gone."""
        known = self._inside.get(id)
        if known is None or (self._api.local and _is_gone(known.pid)):
            info = await self._inspect(id)
            known = _Inside(pid=int(info["State"]["Pid"]), gauges=self._gauges(info))
            self._inside[id] = known
        return known

    def _gauges(self, info: dict[str, Any]) -> usage.Gauges | None:
        if not self._api.local:
            return None
        try:
            membership = Path(f"/proc/{info['State']['Pid']}/cgroup").read_text()
        except OSError:
            return None
        group = usage.group_in(membership)
        return usage.find_gauges(group) if group is not None else None

    async def _inspect(self, id: AllocationId) -> dict[str, Any]:
        try:
            info: dict[str, Any] = await self._api.call("GET", f"containers/{container_name(id)}/json")
        except EngineError as error:
            raise _not_there(error) from error
        except EngineAway as away:
            raise RuntimeFailure(Cause.RUNTIME, away.detail) from away
        if not info["State"]["Running"]:
            self.forget(id)
            raise RuntimeFailure(Cause.RUNTIME, "it does not run")
        return info

    @property
    def _engine_host(self) -> str | None:
        return None if self._api.local else self._api.host


def _is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def _not_there(error: EngineError) -> RuntimeFailure:
    return RuntimeFailure(Cause.RUNTIME, f"it does not run; the engine said: {error.message}")


def read_stats(stats: Mapping[str, Any]) -> Used | None:
    """From GET /containers/NAME/stats; None where the engine has no figures."""
    memory, cpu = stats.get("memory_stats") or {}, (stats.get("cpu_stats") or {}).get("cpu_usage") or {}
    if "usage" not in memory or "total_usage" not in cpu:
        return None
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return Used(cpu_s=cpu["total_usage"] / 1e9, memory_bytes=max(int(memory["usage"]) - int(cache), 0))
