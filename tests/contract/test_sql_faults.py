"""What can happen to a database: the process is killed, the disk is full, the file is damaged, or it belongs to somebody else."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from committing import IN_COMMIT, made

from draas.model.event import Event
from draas.model.plan import Plan
from draas.store.sql import FILE, SqlStore
from draas.store.store import NumberedEvent, Snapshot, StoreFailure, Write


def write(number: int, reason: str = "") -> Write:
    event = Event(at=0.0, kind="made", subject=f"j-{number}")
    return Write(plan=Plan(jobs=(made(f"j-{number}", number, reason),), events=(event,)))


@pytest.mark.parametrize("acknowledged", [1, 2, 5, 20, 60])
def test_killed_between_any_two_steps_nothing_acknowledged_is_lost(tmp_path: Path, acknowledged: int) -> None:
    script = Path(__file__).with_name("committing.py")
    process = subprocess.Popen([sys.executable, script, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(acknowledged)]
    process.kill()  # while the next commits are under way
    told += [int(line) for line in process.stdout.read().split()]
    process.wait()

    snapshot, events = asyncio.run(read_all(tmp_path))
    held = {job.id: job for job in snapshot.jobs}
    last = int(held["j-counter"].reason)
    assert last >= told[-1]
    assert len(snapshot.jobs) == last * IN_COMMIT + 1
    assert [event.event.subject for event in events] == [str(number + 1) for number in range(last)]


async def read_all(folder: Path) -> tuple[Snapshot, list[NumberedEvent]]:
    """What a start of a controller finds, and all events."""
    store = SqlStore(folder)
    snapshot = await store.open()
    events = await store.events(0, 100_000)
    await store.close()
    return snapshot, events


async def test_a_second_controller_is_refused(tmp_path: Path) -> None:
    first, second = SqlStore(tmp_path), SqlStore(tmp_path)
    await first.open()
    with pytest.raises(StoreFailure, match=r"another controller .* uses"):
        await second.open()
    await first.commit(write(1))
    await first.close()
    await second.close()
    third = SqlStore(tmp_path)
    assert len((await third.open()).jobs) == 1
    await third.close()


async def test_a_controller_that_was_replaced_changes_nothing(tmp_path: Path) -> None:
    store = SqlStore(tmp_path)
    await store.open()
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("UPDATE controller SET epoch = epoch + 1")
    other.close()
    with pytest.raises(StoreFailure, match="another controller has taken over"):
        await store.commit(write(1))
    assert await store.jobs([write(1).plan.jobs[0].id]) == {}
    await store.close()


async def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database" * 1000)
    store = SqlStore(tmp_path)
    with pytest.raises(StoreFailure, match=r"is damaged: .*restore a backup"):
        await store.open()
    await store.close()


async def test_a_newer_schema_is_told(tmp_path: Path) -> None:
    store = SqlStore(tmp_path)
    await store.open()
    await store.close()
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()
    store = SqlStore(tmp_path)
    with pytest.raises(StoreFailure, match=r"schema 9999.*a newer draas wrote it"):
        await store.open()
    await store.close()


async def test_a_newer_form_of_record_is_told(tmp_path: Path) -> None:
    store = SqlStore(tmp_path)
    await store.open()
    await store.commit(write(1))
    await store.close()
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("UPDATE jobs SET body = x'7f00'")
    other.close()
    store = SqlStore(tmp_path)
    with pytest.raises(StoreFailure, match="form 127"):
        await store.open()
    await store.close()


async def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = SqlStore(tmp_path / "file" / "data")
    with pytest.raises(StoreFailure, match="cannot be used"):
        await store.open()
    await store.close()


def others_may(folder: Path) -> dict[str, int]:
    """The rights that group and others have to the database's files."""
    return {path.name: path.stat().st_mode & 0o077 for path in folder.glob(f"{FILE}*")}


async def test_only_the_owner_can_read_the_database(tmp_path: Path) -> None:
    store = SqlStore(tmp_path)
    await store.open()
    await store.commit(write(1))
    assert others_may(tmp_path) == {FILE: 0, f"{FILE}-wal": 0, f"{FILE}-shm": 0}
    await store.close()


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


async def commit_until_full(store: SqlStore) -> int:
    """How many commits were acknowledged."""
    for number in range(1, 10_000):
        try:
            await store.commit(write(number, "x" * 20_000))
        except StoreFailure:
            return number - 1
    raise AssertionError("the disk was never full")


@pytest.mark.needs("root")
async def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    store = SqlStore(small_disk)
    await store.open()
    (small_disk / "room").write_bytes(bytes(7_000_000))
    written = await commit_until_full(store)
    assert written > 10
    with pytest.raises(StoreFailure, match="no space left"):
        await store.commit(write(written + 1, "x" * 20_000))
    assert len(await store.events(0, 10_000)) == written
    (small_disk / "room").unlink()
    assert await store.commit(write(written + 1, "x" * 20_000)) == written + 1
    await store.close()

    moved = SqlStore(small_disk)
    snapshot = await moved.open()
    assert [job.seq for job in snapshot.jobs] == list(range(1, written + 2))
    await moved.close()


async def test_a_copy_of_the_folder_is_a_backup(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "a")
    await store.open()
    await store.commit(write(1))
    await store.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    copy = SqlStore(tmp_path / "b")
    assert len((await copy.open()).jobs) == 1
    await copy.close()
