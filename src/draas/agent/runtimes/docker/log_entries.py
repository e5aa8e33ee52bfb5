"""From the file of the engine's `local` log driver to items of records: pure, in big steps.

The file is entries: size (4 bytes, big-endian), a protobuf message of that size, the size again. The message is LogEntry: source (1), time in
ns (2), line without its end (3), whether it is a piece of a longer line (4), and of that piece (5): whether it is the last (1).
Source: moby api/types/plugins/logdriver/entry.proto and daemon/logger/local.
"""

import re
import struct
from typing import NamedTuple

from draas.agent.runtimes.docker.log_items import LogItems, Run
from draas.wire.records import Stream

MAX_ENTRY_BYTES = 1_000_000  # the engine itself reads no larger ones
DAMAGE_NOTICE = b"output is missing here: the engine was killed, or had no room on its disk, while it wrote it\n"
_SIZE, _SIZES = 4, 8  # one, and both: in front and behind
_LEAST_BYTES = 18  # source and time, of an empty line
_LEAST_NS = 1 << 56  # the year 1972: times have 9 bytes from then on, until 2262
_STREAMS = {b"stdout": Stream.STDOUT, b"stderr": Stream.STDERR}
_HEAD = re.compile(rb"\n\x06std(?:out|err)\x10")
_HEADS = (b"\n\x06stdout\x10", b"\n\x06stderr\x10")
_HEAD_BYTES = 9
# Size, source and the tag of the time, then the time's 9 bytes but for the three lowest (2 ms), the tag of the line, its size.
_FAST = struct.Struct(">I9s3x6sBB")
_LINE_TAG = 0x1A
_FAST_BYTES = 20  # of a message whose line has under 128 bytes, besides that line


class UnknownFormat(Exception):
    """The file is none of the `local` driver's, or of one that writes differently."""


class _BadEntry(Exception):
    """A message that is none."""


class Entry(NamedTuple):
    """One entry: `whole` says that a line ends with it."""

    stream: Stream
    time_ns: int
    line: bytes
    whole: bool


class LogEntries:
    """Turns pieces of a log file, read from its start, into items of records. The same file gives the same bytes, however it is cut into pieces.

    An entry that was never finished (the engine was killed meanwhile) is passed over, and DAMAGE_NOTICE stands in its place.
    """

    def __init__(self, items: LogItems) -> None:
        self._items = items
        self._rest = b""  # with the last of what was read, as far as _SIZE bytes: see _read
        self._at = 0
        self._any = False
        self._damaged = False
        self._at_ms = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The items that `data` completes. Raises UnknownFormat where the file does not begin with an entry."""
        return self._read(self._rest + data if self._rest else data, final=False)

    def finish(self) -> list[bytes]:
        """What is left, now that nothing more is written."""
        return self._read(self._rest, final=True)

    def _read(self, buffer: bytes, *, final: bool) -> list[bytes]:
        runs: list[Run] = []
        at = self._at
        while True:
            at = self._run_on(buffer, at, runs)
            if at == len(buffer) or not (final or _is_damaged(buffer, at)):
                break
            if not self._any:
                raise UnknownFormat
            # An entry without its second size may have been taken for whole, by the first size of the next one: that one begins further in front.
            at = _next_head(buffer, at + 1, final=final) if self._damaged else at - _SIZE
            self._damaged = True
        self._at = min(at, _SIZE)
        self._rest = buffer[at - self._at :]
        if final and self._damaged:
            self._tell_damage(runs)
        return self._items.pack(runs)

    def _run_on(self, buffer: bytes, at: int, runs: list[Run]) -> int:
        """Add runs for all entries from `at` up to the first that is not whole or not good; returns where that begins."""
        unpack, end = _FAST.unpack_from, len(buffer)
        lines: list[bytes] = []
        add = lines.append
        head_now = time_now = b""
        while end - at >= _FAST.size:
            size, head, time, tag, low = unpack(buffer, at)
            stop = at + _SIZES + size
            if stop > end or buffer[at : at + 4] != buffer[stop - 4 : stop]:
                break
            if head == head_now and time == time_now and tag == _LINE_TAG:
                # Nearly all entries: a line of the same stream and time, and nothing behind it.
                if low < 0x80:
                    if low + _FAST_BYTES == size:
                        add(buffer[at + 24 : stop - 4])
                        at = stop
                        continue
                elif (high := buffer[at + 24]) < 0x80 and (high << 7) + (low & 0x7F) + _FAST_BYTES + 1 == size:
                    add(buffer[at + 25 : stop - 4])
                    at = stop
                    continue
            if head not in _HEADS or size > MAX_ENTRY_BYTES:
                break
            try:
                entry = decode_entry(buffer[at + 4 : stop - 4])
            except _BadEntry:
                break
            self._any = True
            self._at_ms = entry.time_ns // 1_000_000
            if self._damaged:
                self._tell_damage(runs)
            run = Run(entry.stream, self._at_ms, [entry.line], b"\n" if entry.whole else b"")
            runs.append(run)
            # Lines may join a run of lines; a piece of a line stands alone.
            lines, head_now, time_now = (run.parts, head, time) if entry.whole else ([], b"", b"")
            add = lines.append
            at = stop
        return at

    def _tell_damage(self, runs: list[Run]) -> None:
        runs.append(Run(Stream.NOTICE, self._at_ms, [DAMAGE_NOTICE]))
        self._damaged = False


def _is_damaged(buffer: bytes, at: int) -> bool:
    """Whether what begins at `at`, which is no good entry as far as it can be seen, never becomes one."""
    if len(buffer) - at < 4:
        return False
    size = int.from_bytes(buffer[at : at + 4], "big")
    if not _LEAST_BYTES <= size <= MAX_ENTRY_BYTES:
        return True
    head = buffer[at + 4 : at + 4 + _HEAD_BYTES]
    if not any(known.startswith(head) for known in _HEADS):
        return True
    return at + _SIZES + size <= len(buffer)


def _next_head(buffer: bytes, at: int, *, final: bool) -> int:
    """Where the next entry may begin; where none is in sight, the first place where more bytes could show one."""
    found = _HEAD.search(buffer, at + 4)
    if found is not None:
        return found.start() - 4
    return len(buffer) if final else max(at, len(buffer) - 4 - _HEAD_BYTES + 1)


def decode_entry(message: bytes) -> Entry:
    """One LogEntry. Raises _BadEntry where it is none."""
    source, time_ns, line, partial, last = b"", 0, b"", False, False
    for field, value in _fields(message):
        match field, value:
            case 1, bytes():
                source = value
            case 2, int():
                time_ns = value
            case 3, bytes():
                line = value
            case 4, int():
                partial = bool(value)
            case 5, bytes():
                last = any(inner == 1 and bool(given) for inner, given in _fields(value))
    if source not in _STREAMS or not _LEAST_NS <= time_ns < 1 << 63:
        raise _BadEntry
    return Entry(_STREAMS[source], time_ns, line, whole=not partial or last)


def _fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """Number and value of a protobuf message's fields. Source: Protocol Buffers, "Encoding"."""
    found: list[tuple[int, int | bytes]] = []
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            found.append((key >> 3, value))
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise _BadEntry
        if at + size > end:
            raise _BadEntry
        found.append((key >> 3, message[at : at + size]))
        at += size
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise _BadEntry
