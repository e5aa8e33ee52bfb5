"""A process that appends to two outputs for ever and prints each acknowledged end: the one that tests kill, and read back. `python … FOLDER`."""

import asyncio
import sys
from pathlib import Path

from draas.model.allocation import AllocationId
from draas.store.log_files import LogFiles
from draas.store.logs import Query
from draas.wire.link import LogChunk
from draas.wire.records import Stream, pack

SMALL, LARGE = AllocationId("j-small.1"), AllocationId("j-large.1")
SIZES = {SMALL: 100, LARGE: 150_000}


def content(offset: int, size: int) -> bytes:
    """The bytes that stand at `offset`, whoever asks: numbers of ten digits, one a line."""
    first = offset // 11
    return b"".join(b"%010d\n" % number for number in range(first, first + size // 11 + 2))[offset - first * 11 :][
        :size
    ]


async def read_bytes(store: LogFiles, id: AllocationId) -> bytes:
    lines = [line async for some in store.read(id, Query()) for line in some]
    return b"".join(line.data if line.partial else line.data + b"\n" for line in lines)


async def read_both(folder: Path) -> dict[AllocationId, bytes]:
    store = LogFiles(folder)
    found = {id: await read_bytes(store, id) for id in (SMALL, LARGE)}
    assert await store.ends([SMALL, LARGE]) == {id: len(data) for id, data in found.items()}
    await store.close()
    return found


async def main(folder: Path) -> None:
    store = LogFiles(folder)
    ends = dict(await store.ends([SMALL, LARGE]))
    while True:
        chunks = [
            LogChunk(allocation=id, offset=end, records=pack(Stream.STDOUT, end, content(end, SIZES[id])))
            for id, end in ends.items()
        ]
        ends = dict(await store.append(chunks))
        print(ends[SMALL], ends[LARGE], flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
