"""The engine's own log file, read: the same bytes however it is cut into pieces, torn or damaged, and the same as through its API."""

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draas.agent.runtimes.docker.log_entries import DAMAGE_NOTICE, Entry, LogEntries, UnknownFormat, decode_entry
from draas.agent.runtimes.docker.log_frames import LogFrames
from draas.agent.runtimes.docker.log_items import MAX_ITEM_BYTES, LogItems
from draas.wire.records import Record, Stream, unpack

NOW_NS = 1_795_000_000_000_000_000
CAP = 100_000_000


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return varint(number << 3 | 2) + varint(len(value)) + value if value else b""


def framed(message: bytes) -> bytes:
    size = len(message).to_bytes(4, "big")
    return size + message + size


def message_of(entry: Entry, *, last: bool) -> bytes:
    """As the engine writes it; `last` says that a whole line is written as the last piece of a long one."""
    message = field(1, entry.stream.name.lower().encode()) + field(2, entry.time_ns) + field(3, entry.line)
    if not entry.whole:
        message += field(4, 1) + field(5, field(2, b"7" * 64) + field(3, 1))
    elif last:
        message += field(4, 1) + field(5, field(1, 1) + field(2, b"7" * 64) + field(3, 2))
    return message


def file_of(entries: Sequence[Entry]) -> bytes:
    before = itertools.chain([None], entries)
    return b"".join(
        framed(message_of(entry, last=former is not None and not former.whole))
        for former, entry in zip(before, entries, strict=False)
    )


def stream_of(entries: Sequence[Entry]) -> bytes:
    """The same through the engine's API."""
    frames = []
    for entry in entries:
        at = datetime.fromtimestamp(entry.time_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        payload = f"{at}.{entry.time_ns % 10**9:09}Z ".encode() + entry.line + (b"\n" if entry.whole else b"")
        frames.append(bytes([entry.stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload)
    return b"".join(frames)


def text_of(entries: Iterable[Entry]) -> bytes:
    return b"".join(entry.line + (b"\n" if entry.whole else b"") for entry in entries)


def read(pieces: Sequence[bytes], *, skip: int = 0, cap_bytes: int = CAP) -> list[Record]:
    reader = LogEntries(LogItems(skip=skip, cap_bytes=cap_bytes))
    items = [item for piece in pieces for item in reader.feed(piece)] + reader.finish()
    assert all(0 < len(item) <= MAX_ITEM_BYTES for item in items)
    return [record for item in items for record in unpack(item)]


def data_of(records: Iterable[Record]) -> bytes:
    return b"".join(record.data for record in records)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[low:high] for low, high in itertools.pairwise(edges)]


lines = st.one_of(
    st.binary(max_size=20),
    st.binary(min_size=125, max_size=131),
    st.integers(16380, 16390).map(lambda size: b"x" * size),
    # What looks like entries, and like pieces of them.
    st.sampled_from([b"\n\x06stdout\x10", b"\0\0\0\x20\n\x06stdout\x10", b"\0\0\0\x12"]),
)
entry = st.builds(
    Entry,
    st.sampled_from([Stream.STDOUT, Stream.STDERR]),
    st.one_of(st.integers(0, 5_000_000), st.integers(0, 10**12)).map(lambda after: NOW_NS + after),
    lines,
    st.sampled_from([True, True, True, False]),
)
entries_of = st.lists(entry, max_size=30)
places = st.lists(st.integers(0, 1 << 20), max_size=8)


@given(entries_of, places)
def test_cut_anywhere_it_is_exact(entries: list[Entry], cuts: list[int]) -> None:
    records = read(cut(file_of(entries), cuts))
    assert data_of(records) == text_of(entries)
    for stream in (Stream.STDOUT, Stream.STDERR):
        mine = [one for one in entries if one.stream is stream]
        assert data_of(record for record in records if record.stream == stream) == text_of(mine)


def test_byte_by_byte_it_is_exact() -> None:
    entries = [Entry(Stream.STDOUT, NOW_NS + n, b"%d" % n * (n % 60), n % 7 != 0) for n in range(100)]
    file = file_of(entries)
    assert data_of(read([file[at : at + 1] for at in range(len(file))])) == text_of(entries)


@given(entries_of, st.integers(0, 3000), st.integers(1, 3000))
def test_both_ways_give_the_same_bytes_from_any_offset_to_any_cap(entries: list[Entry], skip: int, cap: int) -> None:
    file, api = LogItems(skip=skip, cap_bytes=cap), LogItems(skip=skip, cap_bytes=cap)
    of_file = [record for item in LogEntries(file).feed(file_of(entries)) for record in unpack(item)]
    of_api = [record for item in LogFrames(api).feed(stream_of(entries)) for record in unpack(item)]
    assert data_of(of_file) == data_of(of_api) == text_of(entries)[skip:cap]
    assert (file.position, file.cut) == (api.position, api.cut)


@given(entries_of, entry, entries_of, st.integers(1, 1 << 20), places)
def test_a_torn_entry_is_told_and_nothing_else_lost(
    before: list[Entry], torn: Entry, after: list[Entry], at: int, cuts: list[int]
) -> None:
    """The engine was killed while it wrote, started again, and wrote on behind what was there."""
    torn = torn._replace(
        line=b"t" * len(torn.line)
    )  # a piece of one is an entry of its own otherwise, and rightly read
    first = Entry(Stream.STDOUT, NOW_NS, b"first", True)
    whole = file_of([torn])
    piece = whole[: 1 + at % (len(whole) - 1)]
    rest = b"".join(file_of([one]) for one in after)
    # The size of the next may look like the second one that is missing: then all of the line was there, and is read.
    seen = [torn] if (piece + rest).startswith(whole) else []
    records = read(cut(file_of([first, *before]) + piece + rest, cuts))
    assert data_of(records) == text_of([first, *before, *seen]) + DAMAGE_NOTICE + text_of(after)
    assert [record.data for record in records if record.stream == Stream.NOTICE] == [DAMAGE_NOTICE]


@given(entries_of, st.integers(0, 1 << 20), st.binary(min_size=1, max_size=40), places)
def test_damage_anywhere_reads_the_same_however_it_is_cut(
    entries: list[Entry], at: int, damage: bytes, cuts: list[int]
) -> None:
    first = file_of([Entry(Stream.STDOUT, NOW_NS, b"first", True)])
    rest = file_of(entries)
    at %= len(rest) + 1
    file = first + rest[:at] + damage + rest[at + len(damage) // 2 :]
    assert data_of(read(cut(file, cuts))) == data_of(read([file]))


@pytest.mark.parametrize(
    "file",
    [
        b'{"log":"hello\\n","stream":"stdout","time":"2026-11-24T19:35:03.079701112Z"}\n',
        b"\0" * 100,
        framed(field(1, b"stdin") + field(2, NOW_NS) + field(3, b"x")),
        framed(field(1, b"stdout") + field(2, 5) + field(3, b"x" * 40)),
        framed(b"\n\x06stdout\x10" + b"\xff" * 30),
    ],
)
def test_another_format_is_recognized(file: bytes) -> None:
    with pytest.raises(UnknownFormat):
        read([file])


def test_fields_of_a_later_version_are_passed_over() -> None:
    known = message_of(Entry(Stream.STDERR, NOW_NS, b"x", True), last=False)
    more = field(9, b"new") + field(10, 7) + varint(11 << 3 | 5) + bytes(4) + varint(12 << 3 | 1) + bytes(8)
    assert decode_entry(known + more) == Entry(Stream.STDERR, NOW_NS, b"x", True)
    entries = [Entry(Stream.STDERR, NOW_NS + n, b"x", True) for n in range(3)]
    file = b"".join(framed(message_of(one, last=False) + more) for one in entries)
    assert data_of(read([file])) == b"x\nx\nx\n"


def test_lines_keep_their_time() -> None:
    entries = [Entry(Stream.STDOUT, NOW_NS + n * 10_000_000, b"%d" % n, True) for n in range(5)]
    assert [record.at_ms for record in read([file_of(entries)])] == [one.time_ns // 1_000_000 for one in entries]


@pytest.mark.parametrize("old_engine", [False, True])
@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(0, 70_000), st.booleans())), places)
def test_long_lines_are_the_same_both_ways(
    old_engine: bool, written: list[tuple[int, int, bool]], cuts: list[int]
) -> None:
    """Old engines leave out the newline behind the last piece of a long line."""
    lines = [(Stream(stream), b"x" * (size if is_long else size % 100)) for stream, size, is_long in written]
    lines += [(Stream.STDOUT, b"end"), (Stream.STDERR, b"end")]
    entries, frames = [], b""
    for n, (stream, line) in enumerate(lines):
        pieces = [Entry(stream, NOW_NS + n, line[at : at + 16384], False) for at in range(0, len(line) + 1, 16384)]
        pieces[-1] = pieces[-1]._replace(whole=True)
        entries += pieces
        frames += stream_of([*pieces[:-1], pieces[-1]._replace(whole=len(pieces) == 1 or not old_engine)])
    engine = LogFrames(LogItems(skip=0, cap_bytes=CAP))
    of_engine = [record for piece in cut(frames, cuts) for item in engine.feed(piece) for record in unpack(item)]
    of_file = read([file_of(entries)])
    for wanted in (Stream.STDOUT, Stream.STDERR):
        expected = b"".join(line + b"\n" for stream, line in lines if stream is wanted)
        assert data_of(record for record in of_file if record.stream == wanted) == expected
        assert data_of(record for record in of_engine if record.stream == wanted) == expected
