"""A whole DRaaS for benches: controller and agent as processes of their own, as a user runs them, in a folder that is thrown away."""

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

KEY = "bench-admin-key"
READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Whole:
    """`controller` and `agent` are process ids."""

    session: aiohttp.ClientSession
    url: str
    controller: int
    agent: int
    folder: Path

    async def post(self, path: str, body: Any) -> Any:
        async with self.session.post(self.url + path, json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def get(self, path: str) -> Any:
        async with self.session.get(self.url + path) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def count(self, state: str) -> int:
        """How many jobs are in `state`."""
        return int((await self.get(f"/api/jobs?state={state}&limit=1"))["total"])

    async def until_ended(self, jobs: int) -> None:
        """Wait until `jobs` have succeeded, asking seldom while many are left. Raises AssertionError as soon as one has failed."""
        while left := jobs - await self.count("succeeded"):
            failed = await self.get("/api/jobs?state=failed&limit=1")
            assert failed["total"] == 0, failed["items"][0]
            await asyncio.sleep(min(0.25, 0.01 + left / 4000))

    def rss_mb(self, pid: int) -> float:
        """Resident memory of a process now."""
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_s(self, pid: int) -> float:
        """CPU seconds that a process has used, without its children."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def whole(*agent_flags: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Whole]:
    """Controller and agent, ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as name:
        folder = Path(name)
        variables = {
            **os.environ,
            "HOME": name,
            "DRAAS_ADMIN_KEY": KEY,
            "DRAAS_KEY": KEY,
            "DRAAS_URL": url,
            "DRAAS_LOG_LEVEL": "warning",
            **(environment or {}),
        }
        headers = {"Authorization": f"Bearer {KEY}"}
        async with contextlib.AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
            listen = ("server", "--listen", f"127.0.0.1:{port}", "--data-dir", str(folder / "c"))
            controller = await stack.enter_async_context(_running(variables, *listen))
            await _answers(session, f"{url}/readyz")
            async with session.post(f"{url}/api/join-tokens", json={}) as answer:
                token = (await answer.json())["token"]
            join = ("join", url, token, "--data-dir", str(folder / "a"), *agent_flags)
            agent = await stack.enter_async_context(_running(variables, *join))
            one = Whole(session, url, controller, agent, folder)
            async with asyncio.timeout(READY_S):
                while [node["state"] for node in (await one.get("/api/nodes"))["items"]] != ["ready"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            yield one


@contextlib.asynccontextmanager
async def _running(variables: Mapping[str, str], *words: str) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "draas", *words, env=variables, stdout=2)
    try:
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _answers(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
