"""What SqlStore survives and how it says what it does not: killed processes, full disks, damaged and foreign files."""

import asyncio
import json
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import Pool
from store_crashes import STEPS_BEFORE, WAYS
from store_samples import AT, FULL_APP, ended, queued, running, step, writes
from store_samples import event as one_event

from draas.model.job import JobId, JobKind, JobState
from draas.model.plan import Plan
from draas.store.sql import SqlStore
from draas.store.sql_migrate import SCRIPTS, migrate, run_alembic
from draas.store.sql_schema import REVISION
from draas.store.sql_writer import PRUNE_AT_ONCE, PRUNE_EVERY_S
from draas.store.store import JobFilter, Snapshot, StoreFailure, Write

HERE = Path(__file__).parent


@pytest.fixture
def connections() -> Iterator[list[sqlite3.Connection]]:
    """The connections that are opened meanwhile: the writer's, then the reader's."""
    found: list[sqlite3.Connection] = []

    def keep(connection: sqlite3.Connection, _: object) -> None:
        found.append(connection)

    event.listen(Pool, "connect", keep)
    yield found
    event.remove(Pool, "connect", keep)


@pytest.fixture
async def store(connections: list[sqlite3.Connection], tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = store_in(tmp_path)
    await opened.open()
    yield opened
    await opened.close()


def store_in(folder: Path) -> SqlStore:
    return SqlStore(folder, now=lambda: AT)


def raw(folder: Path) -> "closing[sqlite3.Connection]":
    """The file as any program sees it."""
    return closing(sqlite3.connect(folder / "draas.db", isolation_level=None))


async def failure_of_opening(folder: Path) -> str:
    """The one line that opening fails with; checks that it leaves no lock behind."""
    store = store_in(folder)
    details = []
    for _ in range(2):
        with pytest.raises(StoreFailure) as failed:
            await store.open()
        details.append(failed.value.detail)
    assert details[0] == details[1]
    assert "\n" not in details[0]
    return details[0]


async def check_stream(store: SqlStore, snapshot: Snapshot, acknowledged: int) -> int:
    """All that was acknowledged of a stream of `step`s is there, and of the one after it all or nothing. Returns the last one."""
    last = snapshot.next_seq - 1
    assert last in (acknowledged, acknowledged + 1)
    assert [one.number for one in await store.events(0, 10_000)] == list(range(1, 2 * last + 1))
    states = {job.seq: job.state for job in (await store.list_jobs(JobFilter(), None, 10_000)).items}
    wanted = dict.fromkeys(range(1, last - 1), JobState.SUCCEEDED)
    wanted |= dict.fromkeys(range(max(1, last - 1), last), JobState.RUNNING)
    wanted |= {last: JobState.QUEUED} if last else {}
    assert states == wanted
    assert [job.seq for job in snapshot.jobs] == [seq for seq, state in sorted(wanted.items()) if state != "succeeded"]
    assert (await store.list_jobs(JobFilter(labels={"stream": "yes"}), None, 1)).total == last
    assert (await store.list_jobs(JobFilter(node="one"), None, 1)).total == max(0, last - 1)
    assert [await store.answer(f"key-{number}") is not None for number in (last, last + 1)] == [last > 0, False]
    return last


# --- killed ---


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A folder for each way to die, and how many commits had been acknowledged there."""
    folder = tmp_path_factory.mktemp("crashes")
    done = subprocess.run(
        [sys.executable, HERE / "store_crashes.py", folder], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done
    return folder, json.loads(done.stdout)


@pytest.mark.parametrize("way", [f"{way}-{number}" for way, number in WAYS])
async def test_a_killed_process_loses_nothing_acknowledged(way: str, crashed: tuple[Path, dict[str, int]]) -> None:
    folder, acknowledged = crashed
    assert acknowledged[way] >= (STEPS_BEFORE if not way.startswith("acknowledged") else 1)
    store = store_in(folder / way)
    last = await check_stream(store, await store.open(), acknowledged[way])
    assert await store.commit(step(last + 1)) == 2 * (last + 1)
    await store.close()


# --- full, locked, not writable ---


async def test_a_full_disk_is_told_and_survived(store: SqlStore, connections: list[sqlite3.Connection]) -> None:
    pages = connections[0].execute("PRAGMA page_count").fetchone()[0]
    connections[0].execute(f"PRAGMA max_page_count={pages + 3}")
    acknowledged = await commit_until_full(store)
    connections[0].execute("PRAGMA max_page_count=1000000")
    await go_on(store, acknowledged)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True, timeout=20)


def mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True, timeout=20)


@pytest.mark.needs("root")
async def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    store = store_in(small_disk)
    await store.open()
    acknowledged = await commit_until_full(store)
    ballast.unlink()
    last = await go_on(store, acknowledged)
    await store.close()
    await check_stream(store, await store.open(), last)
    await store.close()


@pytest.mark.needs("root")
async def test_a_disk_that_is_full_from_the_start(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(3_000_000))
    assert "space left" in await failure_of_opening(small_disk)
    ballast.unlink()
    store = store_in(small_disk)
    await store.open()
    assert await store.commit(step(1)) == 2
    await store.close()


async def commit_until_full(store: SqlStore) -> int:
    """How many steps were acknowledged before there was no space."""
    acknowledged: list[int] = []

    async def commit_for_ever() -> None:
        for number in count(1):
            await store.commit(step(number))
            acknowledged.append(number)

    with pytest.raises(StoreFailure, match=r"^there is no space left for the database [^\n]*$"):
        await commit_for_ever()
    return len(acknowledged)


async def go_on(store: SqlStore, acknowledged: int) -> int:
    """The failed commit changed nothing, and works now."""
    assert acknowledged > 0
    assert len(await store.events(0, 10_000)) == 2 * acknowledged
    assert await store.job(JobId(f"j-{acknowledged + 1}")) is None
    for number in range(acknowledged + 1, acknowledged + 4):
        assert await store.commit(step(number)) == 2 * number
    assert [one.number for one in await store.events(0, 10_000)] == list(range(1, 2 * acknowledged + 7))
    return acknowledged + 3


async def test_a_locked_file_is_told_and_survived(
    store: SqlStore, connections: list[sqlite3.Connection], tmp_path: Path
) -> None:
    connections[0].execute("PRAGMA busy_timeout=10")
    with raw(tmp_path) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailure, match="another program holds the database"):
            await store.commit(step(1))
    assert await store.commit(step(1)) == 2


async def test_reading_waits_for_no_commit(store: SqlStore, tmp_path: Path) -> None:
    await store.commit(step(1))
    with raw(tmp_path) as other:
        other.execute("BEGIN IMMEDIATE")
        committing = asyncio.ensure_future(store.commit(step(2)))
        assert (await store.list_jobs(JobFilter(), None, 10)).total == 1
        assert not committing.done()
    assert await committing == 4


async def test_committing_waits_for_no_reader(store: SqlStore, tmp_path: Path) -> None:
    await store.commit(step(1))
    with raw(tmp_path) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM jobs").fetchone()
        assert await store.commit(step(2)) == 4


async def test_a_commit_that_fails_at_the_very_end(store: SqlStore, connections: list[sqlite3.Connection]) -> None:
    """COMMIT itself fails, and leaves the transaction open: the next one must be able to begin."""

    def refuse_commit(action: int, operation: str | None, *_: object) -> int:
        is_commit = action == sqlite3.SQLITE_TRANSACTION and operation == "COMMIT"
        return sqlite3.SQLITE_DENY if is_commit else sqlite3.SQLITE_OK

    await store.commit(step(1))
    connections[0].set_authorizer(refuse_commit)
    with pytest.raises(StoreFailure, match="not authorized"):
        await store.commit(step(2))
    connections[0].set_authorizer(None)
    await go_on(store, 1)


@pytest.mark.needs("root")
async def test_a_read_only_folder(small_disk: Path) -> None:
    mount("-o", "remount,ro", small_disk)
    detail = await failure_of_opening(small_disk)
    assert detail.startswith(f"the folder {small_disk} cannot be used (Read-only file system)")


@pytest.mark.needs("root")
async def test_a_disk_that_becomes_read_only(small_disk: Path) -> None:
    store = store_in(small_disk)
    await store.open()
    await store.commit(step(1))
    await store.close()
    with read_only_bind(small_disk / "draas.db"):
        detail = await failure_of_opening(small_disk)
    assert str(small_disk) in detail
    await check_stream(store, await store.open(), 1)
    await store.close()


@contextmanager
def read_only_bind(path: Path) -> Iterator[None]:
    mount("--bind", path, path)
    mount("-o", "remount,bind,ro", path)
    yield
    subprocess.run(["umount", path], check=True, timeout=20)


async def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be used" in await failure_of_opening(tmp_path / "file")


# --- foreign and damaged files ---


async def test_a_second_controller_is_refused(store: SqlStore, tmp_path: Path) -> None:
    detail = await failure_of_opening(tmp_path)
    assert detail.startswith("another controller (process ")
    assert str(tmp_path) in detail
    await store.commit(step(1))
    await store.close()
    second = store_in(tmp_path)
    assert (await second.open()).epoch == 2
    await second.close()


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "draas.db").write_bytes(b"not a database at all " * 1000)
    assert await failure_of_opening(tmp_path) == (
        f"the database {tmp_path / 'draas.db'} is damaged: stop the controller and restore a backup"
    )


async def test_a_damaged_database(store: SqlStore, tmp_path: Path) -> None:
    await store.commit(writes(*(queued(seq) for seq in range(1, 500))))
    await store.close()
    file = tmp_path / "draas.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    assert "is damaged" in await failure_of_opening(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "the database has schema 9999, this version knows up to"),
        (
            "UPDATE jobs SET body = X'FE80'",
            "the database holds form 254, this version reads up to 1: a newer draas wrote it",
        ),
        ("UPDATE job_specs SET body = X'0180'", "the database holds a record that cannot be read"),
        ("UPDATE job_specs SET body = X''", "the database holds form none"),
        (
            "INSERT INTO apps VALUES ('p-1', 'shop', 'default', X'0180')",
            "the database holds a record that cannot be read",
        ),
        ("INSERT INTO certificates VALUES ('a.b', X'0180')", "the database holds a record that cannot be read"),
    ],
)
async def test_what_a_newer_version_wrote(store: SqlStore, tmp_path: Path, change: str, told: str) -> None:
    await store.commit(step(1))
    await store.close()
    with raw(tmp_path) as other:
        other.execute(change)
    assert (await failure_of_opening(tmp_path)).startswith(told)
    with raw(tmp_path) as other:
        assert other.execute("SELECT epoch FROM controller").fetchone() == (1,), "what cannot be opened is left alone"


async def test_what_changes_behind_our_back_is_noticed(store: SqlStore, tmp_path: Path) -> None:
    await store.commit(step(1))
    with raw(tmp_path) as other:
        other.execute("DELETE FROM jobs")
    with pytest.raises(StoreFailure, match="lacks 1 of 1 jobs"):
        await store.commit(step(2))
    assert await store.commit(writes()) == 2


# --- the file itself ---


async def test_a_copy_of_the_folder_is_a_backup(store: SqlStore, tmp_path: Path) -> None:
    await store.commit(step(1))
    await store.close()
    copy = store_in(shutil.copytree(tmp_path, tmp_path / "copy"))
    await check_stream(copy, await copy.open(), 1)
    await copy.close()


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_only_its_owner_can_read_it(store: SqlStore, tmp_path: Path) -> None:
    await store.commit(step(1))
    assert modes_in(tmp_path) == dict.fromkeys(("draas.db", "draas.db-wal", "draas.db-shm", "lock"), 0o600)


async def test_closing_leaves_one_file(store: SqlStore, tmp_path: Path) -> None:
    await store.commit(step(1))
    await store.close()
    assert set(modes_in(tmp_path)) == {"draas.db", "lock"}


@pytest.mark.usefixtures("store")
async def test_commits_are_flushed(connections: list[sqlite3.Connection]) -> None:
    writer, reader = connections
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM events")


async def test_many_old_events_go_some_at_a_time(tmp_path: Path) -> None:
    at = [AT]
    store = SqlStore(tmp_path, now=lambda: at[0], events_kept_s=100)
    await store.open()
    many = 2 * PRUNE_AT_ONCE + 500
    await store.commit(writes(events=tuple(replace(one_event(1), at=AT) for _ in range(many))))
    at[0] += 101
    left = []
    for _ in range(4):
        at[0] += PRUNE_EVERY_S
        await store.commit(writes())
        left.append(len(await store.events(0, many)))
    assert left == [many - PRUNE_AT_ONCE, many - 2 * PRUNE_AT_ONCE, 0, 0]
    assert await store.commit(writes()) == many
    await store.close()


def _content(path: Path, make: Callable[[Connection], None]) -> list[tuple[object, ...]]:
    """All that `make` puts into a new database: tables, indexes and first rows, whatever the layout of the statements."""
    with create_engine(f"sqlite:///{path}").begin() as connection:
        make(connection)
        run = connection.exec_driver_sql
        made = run("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").all()
        rows = [*run("SELECT * FROM controller"), *run("SELECT * FROM alembic_version")]
    return [*((*row[:3], "".join((row[3] or "").split())) for row in made), *map(tuple, rows)]


def test_a_new_database_is_as_the_migrations_make_it(tmp_path: Path) -> None:
    migrated = _content(tmp_path / "migrated.db", lambda connection: run_alembic(connection, None))
    assert _content(tmp_path / "new.db", migrate) == migrated
    assert (REVISION,) in migrated


# As the first revision wrote it: a job that runs, whose attempt has neither image nor health.
OLD_JOB = (
    "0199cb41dad27480500000cb0000000000000000c0c0000090a66f6e206f6e659198a7612d6f6e652d3101a56e2d6f6e65a36f6e65cb41dad274"
    "80100000a372756ea09aa772756e6e696e67a0a0c0c0c0c2c0c0c0"
)
OLD_SPEC = "0182a7636f6d6d616e64a474727565a46e616d65a3656e64"


@pytest.mark.parametrize("revision", ["0001", "0003"])
async def test_a_database_of_an_earlier_revision_is_migrated(tmp_path: Path, revision: str) -> None:
    with create_engine(f"sqlite:///{tmp_path / 'draas.db'}").begin() as connection:
        run_alembic(connection, None, upto=revision)
    with raw(tmp_path) as old:
        old.execute(
            "INSERT INTO jobs VALUES (1, 'j-1', 'default', 'end', 'running', NULL, ?)", [bytes.fromhex(OLD_JOB)]
        )
        old.execute("INSERT INTO job_specs VALUES (1, ?)", [bytes.fromhex(OLD_SPEC)])
        old.execute("UPDATE controller SET epoch = 4, last_seq = 1")
    store = store_in(tmp_path)
    snapshot = await store.open()
    expected = running(queued(1, name="end"))
    assert snapshot.jobs == [replace(expected, reason="on one")]
    assert (snapshot.apps, snapshot.epoch, snapshot.next_seq) == ([], 5, 2)
    await store.commit(Write(plan=Plan(apps=(FULL_APP,), jobs=(queued(2, build=True),))))
    listed = [await store.list_jobs(JobFilter(kind=kind), None, 9) for kind in JobKind]
    assert [[job.id for job in page.items] for page in listed] == [["j-1"], ["j-2"]]
    await store.close()
    assert (await store.open()).apps == [FULL_APP]
    await store.close()


def test_the_newest_migration_is_the_schemas() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


@pytest.mark.parametrize(
    ("match", "index"),
    [
        ({}, ""),
        ({"project": "p"}, "ix_jobs_project (project=?"),
        ({"kind": JobKind.JOB}, "ix_jobs_kind (kind=?"),
        ({"kind": JobKind.BUILD, "state": JobState.FAILED, "project": "p"}, "ix_jobs_kind (kind=?"),
        ({"kind": JobKind.BUILD, "name": "x"}, "ix_jobs_name (name=?"),
        ({"kind": JobKind.JOB, "state": JobState.FAILED}, "ix_jobs_state (state=?"),
        ({"kind": JobKind.JOB, "name": "x", "project": "p"}, "ix_jobs_name (name=?"),
        ({"kind": JobKind.JOB, "labels": {"a": "b"}}, "PRIMARY KEY (name=? AND value=?"),
        ({"state": JobState.FAILED}, "ix_jobs_state (state=?"),
        ({"state": JobState.FAILED, "project": "p"}, "ix_jobs_state (state=?"),
        ({"name": "x", "state": JobState.FAILED, "project": "p"}, "ix_jobs_name (name=?"),
        ({"labels": {"a": "b", "c": "d"}}, "PRIMARY KEY (name=? AND value=?"),
        ({"labels": {"a": "b"}, "state": JobState.FAILED}, "PRIMARY KEY (name=? AND value=?"),
        ({"node": "one", "name": "x"}, "PRIMARY KEY (node=?"),
        ({"node": "one", "labels": {"a": "b"}}, "PRIMARY KEY (name=? AND value=?"),
    ],
    ids=str,
)
async def test_every_filter_has_its_index_in_the_order_of_seq(
    store: SqlStore, connections: list[sqlite3.Connection], match: dict[str, object], index: str
) -> None:
    job = queued(1, "p", "x", {"a": "b", "c": "d"}, build=match.get("kind") is JobKind.BUILD)
    await store.commit(writes(ended(running(job), JobState.FAILED)))
    statements: list[str] = []
    connections[1].set_trace_callback(statements.append)
    page = await store.list_jobs(JobFilter(**match), 10, 5)
    connections[1].set_trace_callback(None)
    assert page.total == len(page.items) == 1
    selects = [statement for statement in statements if statement.startswith("SELECT")]
    assert len(selects) == 2
    for statement in selects:
        plan = [row[3] for row in connections[0].execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert index in plan[0], (statement, plan)
        assert not [step for step in plan if "TEMP B-TREE" in step], (statement, plan)


async def test_samples_of_a_series_are_looked_up_by_the_times_they_can_have(
    store: SqlStore, connections: list[sqlite3.Connection]
) -> None:
    statements: list[str] = []
    for connection in connections:
        connection.set_trace_callback(statements.append)
    await store.samples("n-1", 60, AT - 86400, AT)
    await store.forget_samples("n-1", {60: AT - 86400})
    for connection in connections:
        connection.set_trace_callback(None)
    asked = [statement for statement in statements if "samples" in statement]
    assert len(asked) == 2
    for statement in asked:
        plan = [row[3] for row in connections[0].execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert any("samples USING PRIMARY KEY (step_s=? AND at=? AND series=?)" in step for step in plan), plan
