"""One host job at a time through the whole chain: POST /api/jobs until its result is known. `uv run python bench/host_job_latency.py [JOBS]`.

Controller and agent are processes of their own on this machine, all durable (SQLite FULL, logs). The end is taken from the controller's event stream,
as a program that waits for many jobs would. The floor is a bare asyncio subprocess in the same run.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator

import aiohttp
from host_jobs import floor
from one_machine import Machine, one_machine


async def events(machine: Machine) -> AsyncIterator[dict[str, object]]:
    """The controller's events from now on."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    async with machine.http.get(machine.url + "/api/events", timeout=timeout) as response:
        async for line in response.content:
            if line.startswith(b"data:"):
                yield json.loads(line[5:])


async def main(jobs: int) -> None:
    print(f"{jobs} host jobs `true`, one after the other, plain, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    async with one_machine("plain") as machine:
        ended: dict[str, float] = {}
        news = asyncio.Event()

        async def listen() -> None:
            async for event in events(machine):
                if event.get("kind") == "job.succeeded":
                    ended[str(event["subject"])] = time.perf_counter()
                    news.set()

        listening = asyncio.ensure_future(listen())
        bare, ours = [], []
        body = {"command": ["true"], "runtime": "process", "resources": {"cpu_cores": 0.5, "memory_mb": 16}}
        for number in range(jobs + 10):
            began = time.perf_counter()
            await floor(number)
            bare.append(time.perf_counter() - began)
            began = time.perf_counter()
            job = await machine.call("POST", "/api/jobs", body)
            accepted = time.perf_counter()
            async with asyncio.timeout(30):
                while job["id"] not in ended:
                    news.clear()
                    await news.wait()
            ours.append((ended[job["id"]] - began, accepted - began))
        listening.cancel()
    whole = sorted(one for one, _ in ours[10:])
    accepted_s = sorted(one for _, one in ours[10:])
    bare.sort()
    print(
        f"draas  submit to result p50 {whole[len(whole) // 2] * 1e3:.1f} ms, p90 {whole[len(whole) * 9 // 10] * 1e3:.1f} ms"
    )
    print(f"       of which until accepted (durable) p50 {accepted_s[len(accepted_s) // 2] * 1e3:.1f} ms")
    print(f"floor  asyncio subprocess p50 {bare[len(bare) // 2] * 1e3:.1f} ms")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
