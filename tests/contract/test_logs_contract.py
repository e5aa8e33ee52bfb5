"""One suite over every LogStore: the one in memory and the one in files."""

import asyncio
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from draas.lib import clock
from draas.model.allocation import AllocationId
from draas.store import log_lines, log_writer
from draas.store.log_files import LogFiles
from draas.store.log_lines import MAX_LINE_BYTES, LineCutter
from draas.store.logs import Line, LogStore, Query
from draas.testing.fake_logs import FakeLogs
from draas.wire.link import UNWANTED, LogChunk
from draas.wire.records import Stream, cut, pack, payload_bytes, unpack

A, B = AllocationId("j-1.1"), AllocationId("j-2.1")
ALL = Query()
Reopen = Callable[[], Awaitable[LogStore]]


@pytest.fixture(params=["memory", "files"])
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reopen]:
    """The store; called again, the store as the next start of a controller finds it."""
    fake = FakeLogs()
    held: list[LogStore] = []

    async def again() -> LogStore:
        if held:
            await held.pop().close()
        store: LogStore = fake if request.param == "memory" else LogFiles(tmp_path / "logs")
        held.append(store)
        return store

    yield again
    for store in held:
        await store.close()


def chunk(
    id: AllocationId, offset: int, *pieces: tuple[Stream, bytes] | bytes, at: int = 0, last: bool = False
) -> LogChunk:
    records = b"".join(
        pack(*((Stream.STDOUT, at, piece) if isinstance(piece, bytes) else (piece[0], at, piece[1])))
        for piece in pieces
    )
    return LogChunk(allocation=id, offset=offset, records=records, last=last)


async def read(store: LogStore, id: AllocationId, query: Query = ALL, *, follow: bool = False) -> list[Line]:
    return [line async for lines in store.read(id, query, follow) for line in lines]


async def texts(store: LogStore, id: AllocationId, query: Query = ALL) -> list[bytes]:
    return [line.data for line in await read(store, id, query)]


async def test_what_is_appended_comes_back_in_order_with_its_streams(reopen: Reopen) -> None:
    store = await reopen()
    first = chunk(A, 0, b"a\nb", (Stream.STDERR, b"oops\n"), b"c\n", at=5)
    assert await store.append([first, chunk(B, 0, b"other\n")]) == {A: 10, B: 6}
    store = await reopen()
    assert await read(store, A) == [
        Line(1, 5, Stream.STDOUT, b"a"),
        Line(2, 5, Stream.STDERR, b"oops"),
        Line(3, 5, Stream.STDOUT, b"bc"),
    ]
    assert await texts(store, B) == [b"other"]


async def test_an_overlap_is_cut_and_a_gap_is_dropped(reopen: Reopen) -> None:
    store = await reopen()
    assert await store.append([chunk(A, 0, b"0123\n")]) == {A: 5}
    assert await store.append([chunk(A, 2, b"23\n", b"x\n")]) == {A: 7}
    assert await store.append([chunk(A, 0, b"0123\n")]) == {A: 7}
    assert await store.append([chunk(A, 8, b"late\n")]) == {A: 7}
    assert await store.append([chunk(A, 0, b"0123\nx\ny"), chunk(A, 8, b"z\n")]) == {A: 10}
    store = await reopen()
    assert await store.ends([A, B]) == {A: 10, B: 0}
    assert await texts(store, A) == [b"0123", b"x", b"yz"]


async def test_closing(reopen: Reopen) -> None:
    store = await reopen()
    assert not await store.closed(A)
    await store.append([chunk(A, 0, b"a", last=True)])
    await store.close_output(B)
    store = await reopen()
    assert await store.closed(A)
    assert await store.closed(B)
    assert await read(store, A, follow=True) == [Line(1, 0, Stream.STDOUT, b"a", partial=True)]
    assert await read(store, B, follow=True) == []


async def test_an_empty_output_ends(reopen: Reopen) -> None:
    store = await reopen()
    assert await store.append([LogChunk(allocation=A, offset=0, records=b"", last=True)]) == {A: 0}
    assert await store.closed(A)
    assert await read(store, A, follow=True) == []


@pytest.mark.parametrize("size", [MAX_LINE_BYTES - 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 10 * MAX_LINE_BYTES + 7])
@pytest.mark.parametrize("piece", [1000, 3 * MAX_LINE_BYTES])
async def test_a_huge_line_comes_in_pieces_that_join_to_the_same_bytes(reopen: Reopen, size: int, piece: int) -> None:
    store = await reopen()
    whole = bytes(byte % 240 + 11 for byte in range(size)) + b"\nnext\n"
    for at in range(0, len(whole), piece):
        await store.append([chunk(A, at, whole[at : at + piece])])
    lines = await read(await reopen(), A)
    assert b"".join(line.data if line.partial else line.data + b"\n" for line in lines) == whole
    assert max(len(line.data) for line in lines) <= MAX_LINE_BYTES
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))


async def test_any_bytes_are_kept(reopen: Reopen) -> None:
    store = await reopen()
    whole = bytes(range(256)) * 20 + "\N{SNOWMAN}".encode()
    await store.append([chunk(A, at, whole[at : at + 7]) for at in range(0, len(whole), 7)])
    lines = await read(store, A)
    assert b"\n".join(line.data for line in lines) == whole


LINES = b"".join(b"line %d\n" % number for number in range(1, 101))


@pytest.fixture(params=["in the tail", "in segments"])
async def hundred(request: pytest.FixtureRequest, reopen: Reopen, monkeypatch: pytest.MonkeyPatch) -> LogStore:
    """A: 100 lines, number N written at second N, every tenth to stderr; and an unfinished one."""
    if request.param == "in segments":
        monkeypatch.setattr(log_writer, "SEGMENT_BYTES", 100)
        monkeypatch.setattr(log_writer, "CLOSED_SEGMENT_BYTES", 1)
    store, offset = await reopen(), 0
    for number, line in enumerate(LINES.splitlines(keepends=True), 1):
        stream = Stream.STDERR if number % 10 == 0 else Stream.STDOUT
        await store.append([chunk(A, offset, (stream, line), at=number * 1000)])
        offset += len(line)
    await store.append([chunk(A, offset, b"rest", at=200_000)])
    return store


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (Query(), [*range(1, 102)]),
        (Query(tail=0), []),
        (Query(tail=3), [99, 100, 101]),
        (Query(tail=500), [*range(1, 102)]),
        (Query(after_line=98), [99, 100, 101]),
        (Query(after_line=500), []),
        (Query(limit=2), [1, 2]),
        (Query(after_line=10, limit=2), [11, 12]),
        (Query(tail=5, limit=2), [97, 98]),
        (Query(stream=Stream.STDERR), [*range(10, 101, 10)]),
        (Query(stream=Stream.STDERR, tail=2), [90, 100]),
        (Query(stream=Stream.NOTICE), []),
        (Query(since=99), [99, 100, 101]),
        (Query(since=1000), []),
        (Query(until=3), [1, 2]),
        (Query(since=50, until=53), [50, 51, 52]),
        (Query(since=50, tail=2, until=53), [51, 52]),
        (Query(grep="^line 9.$"), [*range(90, 100)]),
        (Query(grep="9", tail=2), [98, 99]),
        (Query(grep="rest"), [101]),
        (Query(grep="9", after_line=95, limit=2), [96, 97]),
        (Query(grep="none"), []),
    ],
    ids=str,
)
async def test_queries(hundred: LogStore, query: Query, numbers: list[int]) -> None:
    lines = await read(hundred, A, query)
    assert [line.number for line in lines] == numbers
    assert all(line.data == b"line %d" % line.number for line in lines if line.number <= 100)


async def test_queries_of_a_closed_output(hundred: LogStore) -> None:
    await hundred.close_output(A)
    assert [line.number for line in await read(hundred, A, Query(tail=2), follow=True)] == [100, 101]
    assert len(await read(hundred, A)) == 101


async def test_a_follower_gets_each_line_once_and_ends_with_the_output(reopen: Reopen) -> None:
    store, got = await reopen(), []
    got_some = asyncio.Event()

    async def follow() -> None:
        async for lines in store.read(A, ALL, follow=True):
            got.extend(lines)
            got_some.set()

    following = asyncio.create_task(follow())
    offset = 0
    for number in range(50):
        await store.append([chunk(A, offset, b"x%d\ny" % number)])
        offset += len(b"x%d\ny" % number)
        await asyncio.wait_for(got_some.wait(), 5)
        got_some.clear()
    await store.append([chunk(A, offset, b"end", last=True)])
    await asyncio.wait_for(following, 5)
    assert [line.number for line in got] == list(range(1, 52))
    assert b"".join(line.data for line in got) == b"".join(b"x%dy" % n for n in range(50)) + b"end"


async def test_following_from_the_tail_and_from_a_line(hundred: LogStore) -> None:
    tails = asyncio.create_task(read(hundred, A, Query(tail=1), follow=True))
    resumed = asyncio.create_task(read(hundred, A, Query(after_line=99), follow=True))
    await asyncio.sleep(0)
    await hundred.append([chunk(A, len(LINES), b"rest\nlast\n", last=True)])
    assert [line.number for line in await asyncio.wait_for(resumed, 5)] == [100, 101, 102]
    assert [line.number for line in await asyncio.wait_for(tails, 5)][-2:] == [101, 102]


async def test_dropped_is_gone_and_its_followers_end(hundred: LogStore) -> None:
    following = asyncio.create_task(read(hundred, A, follow=True))
    before_it_exists = asyncio.create_task(read(hundred, B, follow=True))
    await asyncio.sleep(0.05)
    await hundred.drop([A, B])
    assert len(await asyncio.wait_for(following, 5)) in (0, 100)
    assert await asyncio.wait_for(before_it_exists, 5) == []
    assert await hundred.ends([A]) == {A: 0}
    assert await read(hundred, A) == []


async def test_what_an_agent_still_sends_of_a_dropped_output_is_not_wanted(hundred: LogStore) -> None:
    await hundred.drop([A])
    more, again = chunk(A, len(LINES), b"more\n"), chunk(A, 0, LINES)
    assert await hundred.append([more, chunk(B, 0, b"b")]) == {A: UNWANTED, B: 1}
    assert await hundred.append([again]) == {A: UNWANTED}
    assert await hundred.append([]) == {}
    assert await asyncio.wait_for(read(hundred, A, follow=True), 5) == []


@pytest.mark.parametrize(
    "records",
    [
        b"x",
        pack(Stream.STDOUT, 0, b"abc")[:-1],
        pack(Stream.STDOUT, 0, b"abc") + b"\0",
        pack(7, 0, b"abc"),
        pack(Stream.STDOUT, 2**64 - 1, b"abc"),
    ],
)
async def test_nonsense_of_one_agent_does_not_keep_others_from_being_stored(reopen: Reopen, records: bytes) -> None:
    store = await reopen()
    nonsense = LogChunk(allocation=A, offset=0, records=records, last=True)
    assert await store.append([chunk(B, 0, b"one"), nonsense, chunk(B, 3, b"two\n")]) == {A: 0, B: 7}
    assert not await store.closed(A)
    assert await texts(store, B) == [b"onetwo"]


def cut_naively(records: bytes) -> list[Line]:
    """What log_lines says, byte by byte."""
    lines: list[Line] = []
    begun: dict[int, tuple[int, bytes]] = {}
    for stream, at_ms, data in unpack(records):
        for byte in (data[at : at + 1] for at in range(len(data))):
            since, held = begun.pop(stream, (at_ms, b""))
            if byte == b"\n":
                lines.append(Line(len(lines) + 1, since, Stream(stream), held))
            elif len(held) + 1 == log_lines.MAX_LINE_BYTES:
                lines.append(Line(len(lines) + 1, since, Stream(stream), held + byte, True))
            else:
                begun[stream] = (since, held + byte)
    return lines


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.tuples(st.sampled_from(Stream), st.text("ab\n", max_size=20)), max_size=12),
    cuts=st.lists(st.integers(0, 100), max_size=4),
)
def test_lines_do_not_depend_on_where_output_is_cut(
    monkeypatch: pytest.MonkeyPatch, pieces: list[tuple[Stream, str]], cuts: list[int]
) -> None:
    monkeypatch.setattr(log_lines, "MAX_LINE_BYTES", 5)
    records = b"".join(pack(stream, at, text.encode()) for at, (stream, text) in enumerate(pieces))
    cutter, skimmer, got, before = LineCutter(), LineCutter(), [], 0
    for end in [*sorted(cuts), len(records)]:
        part = cut(records, before, max(end, before))
        cutter = LineCutter(cutter.number, cutter.carry)
        got += cutter.feed(part)
        skimmer.skim(part)
        assert (skimmer.number, skimmer.carry) == (cutter.number, cutter.carry)
        before = max(end, before)
    wanted = cut_naively(records)
    assert [line[:1] + line[2:] for line in got] == [line[:1] + line[2:] for line in wanted]


SCRIPTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("append"), st.sampled_from([A, B]), st.integers(-6, 3), st.binary(max_size=30), st.booleans()
        ),
        st.tuples(st.just("lines"), st.sampled_from([A, B]), st.lists(st.sampled_from([b"", b"a", b"bb"]), max_size=9)),
        st.tuples(st.just("close"), st.sampled_from([A, B])),
        st.tuples(st.just("drop"), st.sampled_from([A, B])),
        st.tuples(st.just("reopen")),
        st.tuples(
            st.just("read"),
            st.sampled_from([A, B]),
            st.builds(
                Query,
                stream=st.none() | st.sampled_from(Stream),
                after_line=st.integers(0, 9),
                tail=st.none() | st.integers(0, 9),
                limit=st.none() | st.integers(1, 5),
                since=st.none() | st.floats(0, 9),
                grep=st.none() | st.sampled_from(["a", "^$", "b+"]),
            ),
        ),
    ),
    max_size=25,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=SCRIPTS)
def test_files_do_as_memory_does(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, script: list[Any]
) -> None:
    monkeypatch.setattr(log_writer, "SEGMENT_BYTES", 40)
    monkeypatch.setattr(log_writer, "CLOSED_SEGMENT_BYTES", 20)
    asyncio.run(_compare(tmp_path_factory.mktemp("logs"), script))


async def _compare(folder: Path, script: list[Any]) -> None:
    fake, files, now = FakeLogs(), LogFiles(folder), 0
    for step in script:
        now += 500
        match step:
            case ("append", id, back, data, last):
                offset = max(0, (await fake.ends([id]))[id] + back)
                one = chunk(id, offset, (Stream(1 + len(data) % 2), data), at=now, last=last)
                assert await fake.append([one]) == await files.append([one])
            case ("lines", id, lines):
                offset = (await fake.ends([id]))[id]
                one = chunk(id, offset, *((Stream(1 + at % 2), line + b"\n") for at, line in enumerate(lines)), at=now)
                assert await fake.append([one, one]) == await files.append([one, one])
            case ("close", id):
                await fake.close_output(id)
                await files.close_output(id)
            case ("drop", id):
                await fake.drop([id])
                await files.drop([id])
            case ("reopen",):
                await fake.close()
                await files.close()
                files = LogFiles(folder)
            case ("read", id, query):
                assert await read(fake, id, query) == await read(files, id, query)
    for id in (A, B):
        assert await read(fake, id) == await read(files, id)
        assert await fake.closed(id) == await files.closed(id)
    await files.close()


def names_in(folder: Path, pattern: str = "*") -> list[str]:
    return [path.name for path in folder.glob(pattern)]


async def test_no_id_becomes_a_path(tmp_path: Path) -> None:
    store = LogFiles(tmp_path / "logs")
    for id in ("../../evil", "/etc/passwd", "a/b", "\N{SNOWMAN}", "x" * 5000, "'; DROP TABLE outputs; --"):
        await store.append([chunk(AllocationId(id), 0, b"x" * (log_writer.SEGMENT_BYTES + 1), last=True)])
        assert (await store.ends([AllocationId(id)]))[AllocationId(id)] > 0
    await store.close()
    assert names_in(tmp_path) == ["logs"]
    assert all(name.removesuffix(".segments").isdigit() for name in names_in(tmp_path / "logs", "*/*"))


async def test_output_that_is_older_than_retention_is_deleted_and_says_so(tmp_path: Path) -> None:
    store = LogFiles(tmp_path / "logs")
    await store.append([chunk(A, 0, b"x" * (log_writer.SEGMENT_BYTES + 1), last=True), chunk(B, 0, b"open\n")])
    assert await store.expire(clock.now() + 1, 10) == 1
    assert await store.expire(clock.now() + 1, 10) == 0
    (line,) = await read(store, A, follow=True)
    assert line.stream is Stream.NOTICE
    assert b"deleted" in line.data
    assert await texts(store, B) == [b"open"]
    assert names_in(tmp_path / "logs", "*/*") == []
    await store.close()


async def test_an_agent_that_keeps_no_cap_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "CAP_SLACK_BYTES", 1000)
    store = LogFiles(tmp_path / "logs", cap_bytes=10_000)
    offset = 0
    for _ in range(100):
        one = chunk(A, offset, b"x" * 999 + b"\n")
        offset += payload_bytes(one.records)
        assert await store.append([one]) == {A: offset}
    assert sum(len(line.data) for line in await read(store, A)) < 12_000
    await store.close()


async def test_memory_does_not_grow_with_the_number_of_outputs(tmp_path: Path) -> None:
    store = LogFiles(tmp_path / "logs")
    piece = b"x" * 99_999 + b"\n"
    await store.append([chunk(A, 0, piece)])
    tracemalloc.start()
    try:
        for number in range(150):
            await store.append([chunk(AllocationId(f"j-{number}.9"), 0, piece)])
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 2_000_000
    await store.close()


async def test_a_search_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    store = LogFiles(tmp_path / "logs")
    await store.append([chunk(A, 0, LINES)])
    go_on = threading.Event()
    store._searching.submit(go_on.wait)
    searching = asyncio.create_task(read(store, A, Query(grep="7$")))
    try:
        assert len(await asyncio.wait_for(read(store, A), 10)) == 100
        assert not searching.done()
    finally:
        go_on.set()
    assert len(await searching) == 10
    await store.close()


async def test_a_mass_of_outputs_is_closed_in_one_transaction(tmp_path: Path) -> None:
    store = LogFiles(tmp_path / "logs")
    ids = [AllocationId(f"j-{number}.1") for number in range(200)]
    go_on = threading.Event()
    store._writing.submit(go_on.wait)
    closing = asyncio.gather(*map(store.close_output, ids))
    await asyncio.sleep(0)
    statements: list[str] = []
    store._writer._db.set_trace_callback(statements.append)
    go_on.set()
    await closing
    assert statements.count("COMMIT") == 1
    assert all([await store.closed(id) for id in ids])
    await store.close()


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, None], ids=["empty", "zeros", "gone"])
async def test_a_damaged_segment_is_told_and_the_rest_is_read(tmp_path: Path, damage: bytes | None) -> None:
    store = LogFiles(tmp_path / "logs")
    line = b"x" * 99_999 + b"\n"
    for number in range(12):
        await store.append([chunk(A, number * len(line), line, at=5000)])
    (file,) = (tmp_path / "logs").glob("*/*.segments")
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    lines = await read(store, A)
    assert [line.stream for line in lines].count(Stream.NOTICE) == 2
    assert lines[0].data == b"600000 bytes of this output are damaged on the controller's disk"
    assert await read(store, A, Query(tail=99)) == lines
    await store.append([chunk(A, 12 * len(line), b"next\n")])
    assert [(line.number, line.data) for line in await read(store, A, Query(after_line=24))] == [(25, b"next")]
    await store.close()


async def test_a_follower_that_keeps_up_reads_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LogFiles(tmp_path / "logs")
    steps, step = 0, store._reader.step

    def counted(*given: Any) -> Any:
        nonlocal steps
        steps += 1
        return step(*given)

    monkeypatch.setattr(store._reader, "step", counted)
    await store.append([chunk(A, 0, b"0\n")])
    following = store.read(A, ALL, follow=True)
    assert [line.data for line in await anext(following)] == [b"0"]
    for number in range(1, 10):
        await store.append([chunk(A, 2 * number, b"%d\n" % number)])
        assert [line.data for line in await anext(following)] == [b"%d" % number]
    assert steps == 1
    await store.append([chunk(A, 18, b"9\nend", last=True)])
    assert [(line.number, line.data) async for lines in following for line in lines] == [(11, b"end")]
    assert not store._tails
    await store.close()


async def test_a_follower_that_fell_behind_misses_and_doubles_nothing(tmp_path: Path) -> None:
    store = LogFiles(tmp_path / "logs")
    piece = b"".join(b"%09d\n" % number for number in range(30_000))
    await store.append([chunk(A, 0, piece)])
    following = store.read(A, ALL, follow=True)
    got = await anext(following)  # and then it is slow
    for number in range(1, 10):
        await store.append([chunk(A, number * len(piece), piece)])
    last = [chunk(A, 9 * len(piece), piece + piece[:10]), chunk(A, 10 * len(piece), piece, last=True)]
    await store.append(last)
    got += [line async for lines in following for line in lines]
    assert [line.number for line in got] == list(range(1, 330_001))
    assert b"".join(line.data + b"\n" for line in got) == piece * 11
    await store.close()
