"""No-op container jobs through the whole chain: one batch over HTTP to a controller, its agent, their output and results durable; against raw Engine
API calls with the same settings and the best concurrency. `uv run python bench/containers_whole.py [JOBS] [PAIRS]`.

The best concurrency of the raw calls is found first; then both sides take turns, and the median of the pairs' ratios counts: the machine has other
work too, which then meets both alike. Starts an engine of its own (root and Debian's docker.io needed). Jobs ask for a quarter of a core, so that
eight run at once on two cores.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from containers import raw_rate
from host_jobs_whole import succeeded
from one_machine import Machine, one_machine

from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.sample_image import load_sample_image
from draas.testing.engine import engine

AT_ONCE = (4, 6, 8, 10)
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


async def best_at_once(api: EngineApi, jobs: int) -> int:
    """With how many at once the raw calls are fastest, by two rounds."""
    best: dict[int, float] = {}
    for _ in range(2):
        for at_once in AT_ONCE:
            best[at_once] = max(best.get(at_once, 0.0), await raw_rate(api, jobs, at_once, "joined", CORES))
    print("raw calls: " + ", ".join(f"{rate:.2f}/s with {at_once} at once" for at_once, rate in best.items()))
    return max(best, key=lambda at_once: best[at_once])


async def main(jobs: int, pairs: int) -> None:
    print(f"{jobs} container jobs `true`, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {pairs} pairs")
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as folder:
        async with engine(Path(folder)) as socket_path:
            api = EngineApi(f"unix://{socket_path}")
            await load_sample_image(api)
            at_once = await best_at_once(api, jobs)
            raws, ours = [], []
            async with one_machine(docker_host=f"unix://{socket_path}", cpus=2) as machine:
                await whole(machine, 8)  # the namespaces are there, as on a node that has run jobs
                for number in range(pairs):
                    for side in ("raw", "draas") if number % 2 else ("draas", "raw"):
                        if side == "raw":
                            raws.append(await raw_rate(api, jobs, at_once, "joined", CORES))
                        else:
                            ours.append(await whole(machine, jobs))
                    print(f"  draas {ours[-1]:5.2f}/s  raw {raws[-1]:5.2f}/s  {ours[-1] / raws[-1]:.2f}", flush=True)
            await api.close()
    ratio = statistics.median(one / raw for one, raw in zip(ours, raws, strict=True))
    print(
        f"medians: draas {statistics.median(ours):.2f} jobs/s, raw {statistics.median(raws):.2f} jobs/s with {at_once} at once"
    )
    print(f"ratio {ratio:.2f} (median of {pairs} pairs)")


if __name__ == "__main__":
    count, pairs = (*map(int, sys.argv[1:]), *(60, 7)[len(sys.argv) - 1 :])
    asyncio.run(main(count, pairs))
