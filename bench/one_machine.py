"""A real controller and a real agent as processes of their own on this machine, for the benches that go through the whole chain."""

import asyncio
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

START_TIMEOUT_S = 60.0


@dataclass(kw_only=True)
class Machine:
    """Both processes, and a session that bears the admin key."""

    url: str
    key: str
    folder: Path
    http: aiohttp.ClientSession
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    started: dict[str, tuple[dict[str, str], tuple[str, ...]]] = field(default_factory=dict)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the API; raises for an error answer, with its text."""
        async with self.http.request(method, self.url + path, json=body) as response:
            text = await response.text()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {response.status} {text[:500]}")
            return json.loads(text)

    async def restart(self, name: str) -> None:
        """End a process in order, start it again as it was, and wait until the node is linked."""
        self.processes[name].terminate()
        await self.processes[name].wait()
        env, words = self.started[name]
        await _start(self, name, env, *words)
        await _until(self, "/readyz")
        await _until(self, "/api/nodes")

    def process(self, name: str) -> psutil.Process:
        return psutil.Process(self.processes[name].pid)

    def supervisor(self) -> psutil.Process | None:
        """The process that holds the agent's host jobs."""
        folder = str(self.folder / "agent" / "host")
        found = [one for one in psutil.process_iter(["cmdline"]) if folder in (one.info["cmdline"] or ())]
        return found[0] if found else None


@asynccontextmanager
async def one_machine(
    host_jobs: str = "off",
    docker_host: str = "unix:///nowhere",
    cpus: float | None = None,
    agent_words: Sequence[str] = (),
) -> AsyncIterator[Machine]:
    """Controller and agent with data in a fresh folder on disk; ended, and all removed, with the block."""
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as folder:
        key, port = "draas_" + secrets.token_hex(24), _free_port()
        url = f"http://127.0.0.1:{port}"
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DRAAS_", "DOCKER_"))},
            "DRAAS_DATA_DIR": folder,
            "HOME": folder,
            "DRAAS_ADMIN_KEY": key,
            "DOCKER_HOST": docker_host,
        }
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as http:
            machine = Machine(url=url, key=key, folder=Path(folder), http=http)
            try:
                await _start(machine, "controller", env, "server", "--listen", f"127.0.0.1:{port}")
                await _until(machine, "/readyz")
                token = (await machine.call("POST", "/api/join-tokens", {}))["token"]
                more = [] if host_jobs == "off" else [f"--allow-host-jobs={host_jobs}"]
                more += [] if cpus is None else ["--cpus", str(cpus), "--memory-mb", "65536"]
                more += agent_words
                await _start(machine, "agent", env, "agent", "--url", url, "--token", token, *more)
                await _until(machine, "/api/nodes")
                yield machine
            finally:
                supervisor = machine.supervisor()
                for process in reversed(machine.processes.values()):
                    if process.returncode is None:
                        process.terminate()
                        await process.wait()
                if supervisor is not None and supervisor.is_running():
                    supervisor.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _start(machine: Machine, name: str, env: dict[str, str], *words: str) -> None:
    machine.started[name] = (env, words)
    with (machine.folder / f"{name}.log").open("wb") as log:
        machine.processes[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "draas", *words, env=env, stdout=log, stderr=log
        )


async def _until(machine: Machine, path: str) -> None:
    """Until `path` answers, with something in its list if it is one."""
    seen: object = None
    for _ in range(int(START_TIMEOUT_S / 0.05)):
        try:
            seen = await machine.call("GET", path)
        except (aiohttp.ClientError, RuntimeError) as error:
            seen = error
        if isinstance(seen, dict) and ("items" not in seen or any(one["state"] == "ready" for one in seen["items"])):
            return
        await asyncio.sleep(0.05)
    logs = "\n".join((machine.folder / f"{name}.log").read_text()[-2000:] for name in machine.processes)
    raise RuntimeError(f"{path} did not come up; last seen: {seen!r}\n{logs}")


def memory_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 1e6)


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
