"""A container that writes a million lines of 100 bytes, through the whole chain to the controller's log store, and a follower over HTTP.

`uv run python bench/container_logs_whole.py [LINES]` starts an engine of its own (root and Debian's docker.io needed). Every line has its number, so that
one lost, doubled or out of place is seen, both by the follower and in the store afterwards. Lag: from when the engine stamped a line until the
follower has it, from the event stream of a second job that writes a line every 10 ms meanwhile.
"""

import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from one_machine import Machine, memory_mb, one_machine

from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.sample_image import load_sample_image
from draas.testing.engine import engine

LINE_BYTES = 100
UNLIMITED = aiohttp.ClientTimeout(total=None, sock_read=120)


def writer(lines: int) -> str:
    """`lines` lines of LINE_BYTES each: its number, filled up with zeros on the left."""
    return f"seq -f %0{LINE_BYTES - 1}.0f 1 {lines} 2>/dev/null || awk 'BEGIN{{for(i=1;i<={lines};i++)printf \"%0{LINE_BYTES - 1}d\\n\",i}}'"


def expected_digest(lines: int) -> str:
    digest = hashlib.sha256()
    for number in range(1, lines + 1):
        digest.update(b"%0*d\n" % (LINE_BYTES - 1, number))
    return digest.hexdigest()


async def read(machine: Machine, job: str, follow: bool) -> tuple[str, int]:
    """Digest and size of what the log says."""
    digest, size = hashlib.sha256(), 0
    url = f"{machine.url}/api/jobs/{job}/logs?follow={str(follow).lower()}"
    async with machine.http.get(url, timeout=UNLIMITED, headers={"Accept": "text/plain"}) as response:
        assert response.status == 200, await response.text()
        async for piece in response.content.iter_any():
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size


async def lags(machine: Machine, job: str) -> list[float]:
    """Milliseconds from the engine's stamp of a line until it is here."""
    found: list[float] = []
    url = f"{machine.url}/api/jobs/{job}/logs?follow=true"
    async with machine.http.get(url, timeout=UNLIMITED, headers={"Accept": "text/event-stream"}) as response:
        async for line in response.content:
            if line.startswith(b"data:") and b'"text"' in line:
                at = json.loads(line[5:]).get("at")
                if at:
                    stamped = (
                        time.mktime(time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S"))
                        - time.timezone
                        + float("0." + at[20:].rstrip("Z"))
                    )
                    found.append((time.time() - stamped) * 1000)
    return found


async def submit(machine: Machine, command: str, memory_mb: int) -> str:
    body: dict[str, Any] = {"command": command, "resources": {"cpu_cores": 0.9, "memory_mb": memory_mb}}
    return str((await machine.call("POST", "/api/jobs", body))["id"])


async def main(lines: int) -> None:
    print(f"{lines} lines of {LINE_BYTES} bytes, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    wanted = expected_digest(lines)
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as folder:
        async with engine(Path(folder)) as socket_path:
            api = EngineApi(f"unix://{socket_path}")
            await load_sample_image(api)
            await api.close()
            async with one_machine(docker_host=f"unix://{socket_path}", cpus=2) as machine:
                memory = [memory_mb(machine.process("controller"))]
                ticker = await submit(
                    machine, "i=0; while [ $i -lt 600 ]; do echo $i; usleep 10000; i=$((i+1)); done", 32
                )
                lagging = asyncio.ensure_future(lags(machine, ticker))
                job = await submit(machine, writer(lines), 64)
                following = asyncio.ensure_future(read(machine, job, follow=True))
                began = 0.0
                while not following.done():
                    seen = await machine.call("GET", f"/api/jobs/{job}")
                    if not began and seen["state"] == "running":
                        began = time.perf_counter()
                    memory.append(memory_mb(machine.process("controller")))
                    await asyncio.sleep(0.25)
                took_s = time.perf_counter() - began
                digest, size = following.result()
                stored, _ = await read(machine, job, follow=False)
                late = sorted(await lagging)
    print(
        f"follower {'exact' if digest == wanted else f'NOT EXACT: {size} bytes'}, store {'exact' if stored == wanted else 'NOT EXACT'}"
    )
    print(f"{lines / took_s:,.0f} lines/s from running to the follower's end")
    print(
        f"lag of {len(late)} lines beside it: p50 {late[len(late) // 2]:.0f} ms, p99 {late[len(late) * 99 // 100]:.0f} ms"
    )
    print(f"controller {memory[0]:.0f} MB before, at most {max(memory):.0f} MB, {memory[-1]:.0f} MB at the end")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
