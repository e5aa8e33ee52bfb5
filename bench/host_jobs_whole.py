"""No-op host jobs through the whole chain: one batch over HTTP to a controller, its agent, their output and results durable; against a bare
asyncio subprocess loop in the same run. `uv run python bench/host_jobs_whole.py [JOBS] [ROUNDS]`.

Controller and agent are processes of their own on this machine; SQLite with synchronous=FULL, logs on. The clock runs from the first byte of the
request until a list of jobs says that all have succeeded, asked for every 100 ms.
"""

import asyncio
import os
import sys
import time
from typing import Any

from host_jobs import floor, rate
from one_machine import Machine, cpu_s, one_machine

FLOOR_AT_ONCE = (1, 4, 8, 16)
ASK_EVERY_S = 0.1
PATIENCE_S = 120
CORES = 0.05  # 40 at a time on two cores


def no_ops(count: int) -> list[dict[str, Any]]:
    return [
        {
            "name": f"no-op-{number}",
            "command": ["true"],
            "runtime": "process",
            "resources": {"cpu_cores": CORES, "memory_mb": 16},
        }
        for number in range(count)
    ]


async def whole(machine: Machine, jobs: int) -> float:
    """Jobs a second from submission to all results known."""
    before = await _succeeded(machine)
    began = time.perf_counter()
    answer = await machine.call("POST", "/api/jobs/batch", {"jobs": no_ops(jobs)})
    assert len(answer["jobs"]) == jobs
    while (done := await _succeeded(machine) - before) < jobs:
        if time.perf_counter() - began > PATIENCE_S:
            failed = (await machine.call("GET", "/api/jobs?state=failed&limit=1"))["items"]
            raise RuntimeError(f"{done} of {jobs} succeeded after {PATIENCE_S} s; failed: {failed}")
        await asyncio.sleep(ASK_EVERY_S)
    return jobs / (time.perf_counter() - began)


async def _succeeded(machine: Machine) -> int:
    return int((await machine.call("GET", "/api/jobs?state=succeeded&limit=1"))["total"])


async def main(jobs: int, rounds: int) -> None:
    print(f"{jobs} host jobs `true`, plain, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, best of {rounds}")
    bare, ours = [], []
    async with one_machine("plain", cpus=2) as machine:
        await whole(machine, 100)
        for _ in range(rounds):
            bare.append(max([await rate(jobs // 4, at_once, floor) for at_once in FLOOR_AT_ONCE]))
            parts = {name: machine.process(name) for name in machine.processes}
            if (supervisor := machine.supervisor()) is not None:
                parts["supervisor"] = supervisor
            before = {name: cpu_s(process) for name, process in parts.items()}
            ours.append(await whole(machine, jobs))
            used = ", ".join(
                f"{name} {(cpu_s(process) - before[name]) / jobs * 1e3:.2f}" for name, process in parts.items()
            )
            print(f"  draas {ours[-1]:5.0f}/s  asyncio {bare[-1]:5.0f}/s   CPU ms a job: {used}", flush=True)
    print(f"draas {max(ours):.0f} jobs/s, floor {max(bare):.0f} jobs/s, ratio {max(ours) / max(bare):.2f}")


if __name__ == "__main__":
    count, rounds = (*map(int, sys.argv[1:]), *(2000, 3)[len(sys.argv) - 1 :])
    asyncio.run(main(count, rounds))
