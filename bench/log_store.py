"""The controller's log store against a raw file: 1,000,000 lines of 100 bytes, followed meanwhile. `python bench/log_store.py [LINES]`.

floor: the same chunks written to one file, each flushed with fdatasync.
"""

import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from draas.model.allocation import AllocationId
from draas.store.log_files import LogFiles
from draas.store.logs import Query
from draas.wire.link import LogChunk
from draas.wire.records import Stream, pack, payload_bytes

LINE = 100
IN_RECORD = 60  # lines that one read of a container's output gives
IN_CHUNK = 600
CHUNKS_AT_ONCE = 4  # what the hub has queued while one append is under way
ID = AllocationId("j-bench.1")


def make_chunks(lines: int) -> list[LogChunk]:
    chunks, offset = [], 0
    for first in range(0, lines, IN_CHUNK):
        records = b"".join(
            pack(
                Stream.STDOUT,
                1_700_000_000_000 + at,
                b"".join(b"%099d\n" % n for n in range(at, min(at + IN_RECORD, lines))),
            )
            for at in range(first, min(first + IN_CHUNK, lines), IN_RECORD)
        )
        chunks.append(LogChunk(allocation=ID, offset=offset, records=records))
        offset += payload_bytes(records)
    return chunks


def write_raw(folder: Path, groups: Sequence[Sequence[LogChunk]]) -> float:
    began = time.perf_counter()
    with (folder / "raw").open("wb") as file:
        for group in groups:
            file.write(b"".join(chunk.records for chunk in group))
            file.flush()
            os.fdatasync(file.fileno())
    return time.perf_counter() - began


async def write_store(store: LogFiles, groups: Sequence[Sequence[LogChunk]], told: dict[int, float]) -> float:
    began, written = time.perf_counter(), 0
    for group in groups:
        written += sum(chunk.records.count(b"\n") for chunk in group)
        told[written] = time.perf_counter()
        await store.append(group)
    await store.close_output(ID)
    return time.perf_counter() - began


async def follow(store: LogFiles, told: dict[int, float]) -> tuple[int, list[float]]:
    """Lines seen, and how long after it was handed to the store the last line of each group came out."""
    count, lags = 0, []
    async for lines in store.read(ID, Query(), follow=True):
        now = time.perf_counter()
        for line in lines:
            count += 1
            assert line.number == count
            if (at := told.get(count)) is not None:
                lags.append(now - at)
    return count, sorted(lags)


async def timed_read(store: LogFiles, query: Query) -> tuple[int, float]:
    began, count = time.perf_counter(), 0
    async for lines in store.read(ID, query):
        count += len(lines)
    return count, time.perf_counter() - began


async def tiny(store: LogFiles, count: int) -> float:
    began = time.perf_counter()
    for first in range(0, count, 20):
        await store.append(
            [
                LogChunk(allocation=AllocationId(f"j-{n}.1"), offset=0, records=pack(1, n, b"done\n"), last=True)
                for n in range(first, first + 20)
            ]
        )
    return count / (time.perf_counter() - began)


async def many(store: LogFiles, outputs: int, lines: int) -> tuple[float, float]:
    """Lines a second into `outputs` outputs in turn, `lines` lines each, and by how many MB the process grew meanwhile."""
    piece, ends, before = b"".join(b"%099d\n" % n for n in range(320)), [0] * outputs, now_mb()
    began = time.perf_counter()
    for _ in range(0, lines, 320):
        for first in range(0, outputs, 25):
            some = range(first, first + 25)
            records = pack(Stream.STDOUT, 1, piece)
            await store.append(
                [LogChunk(allocation=AllocationId(f"j-many-{n}.1"), offset=ends[n], records=records) for n in some]
            )
            for n in some:
                ends[n] += len(piece)
    return sum(ends) / LINE / (time.perf_counter() - began), now_mb() - before


def now_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def main(lines: int) -> None:
    chunks = make_chunks(lines)
    groups = [chunks[at : at + CHUNKS_AT_ONCE] for at in range(0, len(chunks), CHUNKS_AT_ONCE)]
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as folder:
        raw_s = write_raw(Path(folder), groups)
        store = LogFiles(Path(folder) / "logs", cap_bytes=lines * LINE)
        before, told = rss_mb(), dict[int, float]()
        following = asyncio.create_task(follow(store, told))
        await asyncio.sleep(0)
        ours_s = await write_store(store, groups, told)
        count, lags = await following
        assert count == lines, f"the follower saw {count} of {lines}"
        print(f"floor    {lines / raw_s:10,.0f} lines/s (raw file, fdatasync)")
        print(f"draas    {lines / ours_s:10,.0f} lines/s stored and followed; ratio {raw_s / ours_s:.2f}")
        print(f"follower lag p50 {lags[len(lags) // 2] * 1000:.0f} ms, p99 {lags[len(lags) * 99 // 100] * 1000:.0f} ms")
        print(f"memory   {rss_mb() - before:.0f} MB more at its highest (the chunks themselves were there before)")
        for name, query in (("tail 100", Query(tail=100)), ("grep", Query(grep="99999$")), ("all", Query())):
            found, took = await timed_read(store, query)
            print(f"{name:9}{found:10,} lines in {took * 1000:.0f} ms")
        rate, grown = await many(store, 1000, 2560)
        print(f"many     {rate:10,.0f} lines/s into 1,000 outputs in turn, 256 KB each; {grown:.0f} MB more memory")
        print(f"tiny     {await tiny(store, 2000):10,.0f} closed outputs of one line a second, 20 at once")
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
