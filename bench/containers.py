"""Container jobs a second through DockerRuntime, against raw Engine API calls with the same settings.

`uv run python bench/containers.py [JOBS]` starts an engine of its own (root and Debian's docker.io needed).
The floor is create + start + wait + remove, one call after another, in namespaces that are there; bridge and none for reference.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.container_body import Surroundings, container_name, render_container
from draas.agent.runtimes.docker.namespaces import NamespacePool
from draas.agent.runtimes.docker.runtime import DockerRuntime
from draas.agent.runtimes.docker.sample_image import DEFAULT_SAMPLE_IMAGE, load_sample_image, machine_arch
from draas.lib import ids
from draas.model.allocation import AllocationId, Desired
from draas.model.job import DEFAULT_PROJECT, JobId, RuntimeName
from draas.model.resources import MIB, Resources
from draas.testing.engine import engine
from draas.wire.link import Assignment

AT_ONCE = (4, 6, 8)
ROUNDS = 2  # the best of these, for both sides alike: the machine has other work too


def no_op(cores: float = 1.0) -> Assignment:
    return Assignment(
        id=AllocationId(ids.new("a")),
        job_id=JobId("j-bench"),
        project=DEFAULT_PROJECT,
        number=1,
        name="no-op",
        runtime=RuntimeName.DOCKER,
        image=None,
        command=("true",),
        env={},
        resources=Resources(cpu_millis=round(cores * 1000), memory_bytes=64 * MIB),
        timeout_s=None,
        exclusive=False,
        desired=Desired.RUN,
        log_cap_bytes=100_000_000,
    )


async def rate(jobs: int, at_once: int, one: Callable[[int], Awaitable[None]]) -> float:
    """Jobs a second with `at_once` workers; each worker passes its number."""
    left = list(range(jobs))

    async def work(worker: int) -> None:
        while left:
            left.pop()
            await one(worker)

    started = time.perf_counter()
    await asyncio.gather(*map(work, range(at_once)))
    return jobs / (time.perf_counter() - started)


async def raw_job(api: EngineApi, around: Surroundings, cores: float) -> None:
    wanted = no_op(cores)
    name = container_name(wanted.id)
    await api.call("POST", "containers/create", body=render_container(wanted, around), name=name)
    await api.call("POST", f"containers/{name}/start")
    await api.call("POST", f"containers/{name}/wait")
    await api.call("DELETE", f"containers/{name}", force=1, v=1)


async def raw_rate(api: EngineApi, jobs: int, at_once: int, network: str, cores: float = 1.0) -> float:
    """`network` is `joined` or the engine's own word."""
    pool = NamespacePool(api, "bench-raw", at_once)
    lent = [await pool.borrow(AllocationId(f"worker-{n}"), machine_arch()) for n in range(at_once)]

    async def one(worker: int) -> None:
        namespace = lent[worker] if network == "joined" else None
        around = Surroundings(
            owner="bench-raw",
            image=DEFAULT_SAMPLE_IMAGE,
            network=namespace.network if namespace else network,
            mounts=namespace.mounts if namespace else (),
            init=True,
        )
        await raw_job(api, around, cores)

    found = await rate(jobs, at_once, one)
    for worker in range(at_once):
        pool.give_back(AllocationId(f"worker-{worker}"))
    await pool.drop_idle()
    return found


async def draas_job(runtime: DockerRuntime) -> None:
    wanted = no_op()
    await runtime.prepare(wanted, lambda _: None)
    await runtime.start(wanted)
    async for _ in runtime.output(wanted.id, 0):
        pass
    ended = await runtime.wait(wanted.id)
    assert ended.exit_code == 0, ended
    await runtime.remove(wanted.id)


async def draas_rate(url: str, jobs: int, at_once: int) -> float:
    runtime = DockerRuntime(owner="bench", default_image=DEFAULT_SAMPLE_IMAGE, url=url, pool_size=at_once)
    await rate(at_once, at_once, lambda _: draas_job(runtime))  # the pool is there, as on a node that has run jobs
    found = await rate(jobs, at_once, lambda _: draas_job(runtime))
    await runtime.close()
    return found


async def main(jobs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as folder:
        async with engine(Path(folder)) as socket_path:
            url = f"unix://{socket_path}"
            api = EngineApi(url)
            await load_sample_image(api)
            best: dict[str, Any] = {"floor": (0.0, 0), "draas": (0.0, 0)}
            for _ in range(ROUNDS):
                for at_once in AT_ONCE:
                    best["floor"] = max(best["floor"], (await raw_rate(api, jobs, at_once, "joined"), at_once))
                    best["draas"] = max(best["draas"], (await draas_rate(url, jobs, at_once), at_once))
            for side, (found, at_once) in best.items():
                print(f"{side:8}{found:6.2f} jobs/s with {at_once} at once (joined namespaces, {jobs} no-op jobs)")
            print(f"ratio   {best['draas'][0] / best['floor'][0]:6.2f}")
            for network in ("bridge", "none"):
                print(
                    f"raw {network:7}{await raw_rate(api, jobs // 2, 4, network):6.2f} jobs/s with 4 at once, for reference"
                )
            await api.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
