"""Host jobs through the process runtime, start to removal, against a bare asyncio subprocess loop. `uv run python bench/host_jobs.py [N]`."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from draas.agent.runtimes.process.host_runtime import HostRuntime
from draas.model.allocation import AllocationId, Desired
from draas.model.job import JobId, ProjectName, RuntimeName
from draas.model.resources import MIB, Resources
from draas.wire.link import Assignment

CONCURRENCY = (1, 8, 16)


def assignment(id: str) -> Assignment:
    return Assignment(
        id=AllocationId(id),
        job_id=JobId("j-bench"),
        project=ProjectName("default"),
        number=1,
        name="bench",
        runtime=RuntimeName.PROCESS,
        image=None,
        command=("true",),
        env={},
        resources=Resources(cpu_millis=1000, memory_bytes=256 * MIB),
        timeout_s=None,
        exclusive=False,
        desired=Desired.RUN,
        log_cap_bytes=100_000_000,
    )


async def rate(count: int, concurrency: int, run_one: Callable[[int], Awaitable[None]]) -> float:
    """Jobs a second with `concurrency` at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await run_one(number)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return count / (time.perf_counter() - began)


async def floor(_: int) -> None:
    process = await asyncio.create_subprocess_exec(
        "true", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    await process.communicate()


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as folder:
        runtime = HostRuntime(Path(folder), "plain")
        info = await runtime.probe()
        print(f"{count} times `true`, {info.isolation}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")

        async def job(number: int) -> None:
            one = assignment(f"a-{number}")
            await runtime.start(one)
            await runtime.wait(one.id)
            await runtime.remove(one.id)

        for concurrency in CONCURRENCY:
            ours, bare = [], []
            for _ in range(3):  # turn about, so that whatever else the machine does weighs on both
                bare.append(await rate(count // 3, concurrency, floor))
                ours.append(await rate(count // 3, concurrency, job))
            best, best_bare = max(ours), max(bare)
            print(
                f"concurrency {concurrency:2}: draas {best:5.0f}/s  asyncio {best_bare:5.0f}/s  ratio {best / best_bare:.2f}"
            )
        await runtime.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1500))
