"""What can happen to stored output: the process is killed, the disk is full, the index is damaged."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from logging_forever import LARGE, SMALL, content, read_both, read_bytes

from draas.store.log_files import LogFiles
from draas.store.store import StoreFailure
from draas.wire.link import LogChunk
from draas.wire.records import Stream, pack


@pytest.mark.parametrize("acknowledged", [1, 4, 20])
def test_killed_between_any_two_steps_nothing_acknowledged_is_lost(tmp_path: Path, acknowledged: int) -> None:
    script = Path(__file__).with_name("logging_forever.py")
    for _ in range(2):  # the second time on what the first left
        process = subprocess.Popen([sys.executable, script, tmp_path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(acknowledged)]
        process.kill()
        told += process.stdout.read().splitlines()
        process.wait()
        small, large = (int(word) for word in told[-1].split())
        found = asyncio.run(read_both(tmp_path))
        assert len(found[SMALL]) >= small
        assert len(found[LARGE]) >= large
        assert found == {id: content(0, len(data)) for id, data in found.items()}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def random_chunk(offset: int) -> LogChunk:
    """100,000 bytes that cannot be compressed, the same for the same offset."""
    return LogChunk(
        allocation=LARGE, offset=offset, records=pack(Stream.STDOUT, 0, random.Random(offset).randbytes(100_000))
    )


async def append_until_full(store: LogFiles) -> int:
    """The last end that was acknowledged."""
    end = 0
    for _ in range(1000):
        try:
            end = (await store.append([random_chunk(end)]))[LARGE]
        except StoreFailure:
            return end
    raise AssertionError("the disk was never full")


@pytest.mark.needs("root")
async def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    (small_disk / "room").write_bytes(bytes(5_000_000))
    store = LogFiles(small_disk / "logs")
    end = await append_until_full(store)
    assert end > 1_000_000
    with pytest.raises(StoreFailure, match="no space left"):
        await store.append([random_chunk(end)])
    assert await store.ends([LARGE]) == {LARGE: end}
    (small_disk / "room").unlink()
    assert await store.append([random_chunk(end)]) == {LARGE: end + 100_000}
    await store.close()

    store = LogFiles(small_disk / "logs")
    expected = b"".join(random_chunk(at).records[13:] for at in range(0, end + 100_000, 100_000))
    assert await read_bytes(store, LARGE) == expected
    await store.close()


def test_a_damaged_index_is_told(tmp_path: Path) -> None:
    (tmp_path / "index.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreFailure, match="is damaged"):
        LogFiles(tmp_path)


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailure, match="cannot be used"):
        LogFiles(tmp_path / "file" / "logs")
