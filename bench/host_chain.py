"""No-op host jobs through the whole of DRaaS: one batch over HTTP, a controller and an agent, everything durable. `python bench/host_chain.py [N]`.

floor: a bare asyncio loop that starts the same program, two at a time, in the same run.
"""

import asyncio
import os
import sys
import time

from whole import Whole, whole

LATENCY_JOBS = 100
JOB = {"command": ["true"], "runtime": "host", "resources": {"cpu_cores": 0.1, "memory_mb": 16}}


async def floor(count: int) -> float:
    """Jobs a second."""
    numbers = iter(range(count))

    async def worker() -> None:
        for _ in numbers:
            process = await asyncio.create_subprocess_exec(
                "true", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            await process.communicate()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(2)))
    return count / (time.perf_counter() - began)


async def ours(draas: Whole, count: int, known: int) -> float:
    """Jobs a second, from the request to the moment when all results are known."""
    began = time.perf_counter()
    await draas.post("/api/jobs/batch", {"jobs": [JOB] * count})
    await draas.until_ended(known + count)
    return count / (time.perf_counter() - began)


async def latency(draas: Whole) -> list[float]:
    """Seconds from the request to the result, one job at a time; it is waited for by following the output, as `draas run` does."""
    taken = []
    for _ in range(LATENCY_JOBS):
        began = time.perf_counter()
        job = await draas.post("/api/jobs", JOB)
        async with draas.session.get(f"{draas.url}/api/jobs/{job['id']}/logs?follow=true") as answer:
            await answer.read()
        while (await draas.get(f"/api/jobs/{job['id']}"))["state"] != "succeeded":  # noqa: ASYNC110
            await asyncio.sleep(0)
        taken.append(time.perf_counter() - began)
    return sorted(taken)


async def main(count: int) -> None:
    print(f"{count} times `true`, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    async with whole("--allow-host-jobs=plain") as draas:
        known, best, bare = 0, 0.0, 0.0
        for round in range(2):
            bare = max(bare, await floor(count // 2))
            controller_s, agent_s = draas.cpu_s(draas.controller), draas.cpu_s(draas.agent)
            rate = await ours(draas, count, known)
            known += count
            best = max(best, rate)
            spent = (draas.cpu_s(draas.controller) - controller_s, draas.cpu_s(draas.agent) - agent_s)
            print(
                f"round {round}  {rate:5.0f} jobs/s; CPU a job: controller {spent[0] / count * 1e6:.0f} us,"
                f" agent {spent[1] / count * 1e6:.0f} us"
            )
        print(f"asyncio  {bare:5.0f} jobs/s")
        print(f"draas    {best:5.0f} jobs/s; ratio {best / bare:.2f}")
        taken = await latency(draas)
        print(f"latency  p50 {taken[len(taken) // 2] * 1e3:.1f} ms, p95 {taken[len(taken) * 95 // 100] * 1e3:.1f} ms")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
