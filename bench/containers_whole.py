"""No-op container jobs through the whole chain: one batch over HTTP to a controller, its agent, their output and results durable; against raw Engine
API calls with the same settings and the best concurrency, in the same run. `uv run python bench/containers_whole.py [JOBS] [ROUNDS]`.

Starts an engine of its own (root and Debian's docker.io needed). Jobs ask for a quarter of a core, so that eight run at once on two cores.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from containers import AT_ONCE, raw_rate
from host_jobs_whole import succeeded
from one_machine import Machine, one_machine

from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.sample_image import load_sample_image
from draas.testing.engine import engine

CORES = 0.25
ASK_EVERY_S = 0.05
PATIENCE_S = 240


async def whole(machine: Machine, jobs: int) -> float:
    """Jobs a second from submission to all results known."""
    before = await succeeded(machine)
    one = {"command": ["true"], "resources": {"cpu_cores": CORES, "memory_mb": 64}}
    began = time.perf_counter()
    await machine.call("POST", "/api/jobs/batch", {"jobs": [one] * jobs})
    while await succeeded(machine) - before < jobs:
        if time.perf_counter() - began > PATIENCE_S:
            raise RuntimeError(f"not all of {jobs} jobs had succeeded after {PATIENCE_S} s")
        await asyncio.sleep(ASK_EVERY_S)
    return jobs / (time.perf_counter() - began)


async def main(jobs: int, rounds: int) -> None:
    print(f"{jobs} container jobs `true`, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, best of {rounds}")
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as folder:
        async with engine(Path(folder)) as socket_path:
            api = EngineApi(f"unix://{socket_path}")
            await load_sample_image(api)
            floors, ours = [], []
            async with one_machine(docker_host=f"unix://{socket_path}", cpus=2) as machine:
                await whole(machine, 8)  # the namespaces are there, as on a node that has run jobs
                for _ in range(rounds):
                    floors.append(max([await raw_rate(api, jobs, at_once, "joined") for at_once in AT_ONCE]))
                    ours.append(await whole(machine, jobs))
                    print(f"  draas {ours[-1]:5.2f}/s  raw {floors[-1]:5.2f}/s", flush=True)
            await api.close()
    print(f"draas {max(ours):.2f} jobs/s, floor {max(floors):.2f} jobs/s, ratio {max(ours) / max(floors):.2f}")


if __name__ == "__main__":
    count, rounds = (*map(int, sys.argv[1:]), *(60, 2)[len(sys.argv) - 1 :])
    asyncio.run(main(count, rounds))
