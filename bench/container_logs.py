"""Following a container that writes a million lines of 100 bytes: DockerRuntime.output against a raw follow of the same log.

`uv run python bench/container_logs.py [LINES]` starts an engine of its own (root and Debian's docker.io needed).
Every line has its number, so that one lost, doubled or out of place is seen.
"""

import sys
import tempfile
import time
from pathlib import Path

import uvloop

from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.container_body import container_name
from draas.agent.runtimes.docker.runtime import DockerRuntime
from draas.agent.runtimes.docker.sample_image import DEFAULT_SAMPLE_IMAGE, load_sample_image
from draas.lib import ids
from draas.model.allocation import AllocationId, Desired
from draas.model.job import DEFAULT_PROJECT, JobId, RuntimeName
from draas.model.resources import MIB, Resources
from draas.testing.engine import engine
from draas.wire.link import Assignment
from draas.wire.records import payload_bytes, unpack

LINE_BYTES = 100


def writer(lines: int) -> Assignment:
    """Writes `lines` lines of LINE_BYTES each: its number, filled up with zeros on the left."""
    return Assignment(
        id=AllocationId(ids.new("a")),
        job_id=JobId("j-bench"),
        project=DEFAULT_PROJECT,
        number=1,
        name="writer",
        runtime=RuntimeName.DOCKER,
        image=None,
        command=f"seq -f %0{LINE_BYTES - 1}.0f 1 {lines} 2>/dev/null || awk 'BEGIN{{for(i=1;i<={lines};i++)printf \"%0{LINE_BYTES - 1}d\\n\",i}}'",
        env={},
        resources=Resources(memory_bytes=64 * MIB),
        timeout_s=None,
        exclusive=False,
        desired=Desired.RUN,
        log_cap_bytes=lines * LINE_BYTES + 1,
    )


async def raw(api: EngineApi, runtime: DockerRuntime, lines: int) -> float:
    """The same container, its log followed without a look at it: lines a second."""
    wanted = writer(lines)
    await runtime.start(wanted)
    started = time.perf_counter()
    query = {"stdout": 1, "stderr": 1, "follow": 1, "timestamps": 1}
    async with api.stream("GET", f"containers/{container_name(wanted.id)}/logs", **query) as stream:
        while await stream.readany():
            pass
    took_s = time.perf_counter() - started
    await runtime.remove(wanted.id)
    return lines / took_s


async def ours(runtime: DockerRuntime, lines: int) -> tuple[float, float, int, list[float]]:
    """Lines a second, CPU seconds of this process, the largest item, and by how much each item came after it was written."""
    wanted = writer(lines)
    await runtime.start(wanted)
    started, cpu = time.perf_counter(), time.process_time()
    items, largest, lags = [], 0, []
    async for item in runtime.output(wanted.id, 0):
        items.append(item)
        largest = max(largest, len(item))
        lags.append(time.time() - int.from_bytes(item[1:9], "big") / 1000)
    took_s, cpu = time.perf_counter() - started, time.process_time() - cpu
    text = b"".join(record.data for item in items for record in unpack(item))
    expected = b"".join(b"%0*d\n" % (LINE_BYTES - 1, number) for number in range(1, lines + 1))
    exact = "exact" if text == expected else f"NOT EXACT: {sum(map(payload_bytes, items))} of {len(expected)} bytes"
    print(f"         {lines} lines of {LINE_BYTES} bytes: {exact}")
    await runtime.wait(wanted.id)
    await runtime.remove(wanted.id)
    return lines / took_s, cpu, largest, lags


async def main(lines: int) -> None:
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as folder:
        async with engine(Path(folder)) as socket_path:
            url = f"unix://{socket_path}"
            api = EngineApi(url)
            await load_sample_image(api)
            runtime = DockerRuntime(owner="bench", default_image=DEFAULT_SAMPLE_IMAGE, url=url)
            floor = await raw(api, runtime, lines)
            found, cpu_s, largest, lags = await ours(runtime, lines)
            print(f"floor    {floor:9,.0f} lines/s (raw follow, nothing parsed)")
            print(f"draas    {found:9,.0f} lines/s, {cpu_s:.1f} s CPU here, largest item {largest} bytes")
            lags.sort()
            print(
                f"         lag p50 {lags[len(lags) // 2] * 1000:.0f} ms, p99 {lags[len(lags) * 99 // 100] * 1000:.0f} ms"
            )
            print(f"ratio    {found / floor:9.2f}")
            await runtime.close()
            await api.close()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
