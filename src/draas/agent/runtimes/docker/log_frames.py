"""From the engine's log stream to records: pure, in big steps.

The stream is frames of stream (1 byte), 3 zero bytes, length (4, big-endian), payload; with `timestamps=1` each payload starts
with a time of 30 characters and a space. Source: Docker Engine API 1.41, "Attach to a container" (stream format); RFC 3339.
"""

import struct

from draas.agent.runtimes.docker.log_items import MAX_ITEM_BYTES, LogItems, Run
from draas.lib.clock import parse_rfc3339
from draas.wire.records import Stream

_FRAME = struct.Struct(">BxxxI")
_STAMP_BYTES = len("2026-01-01T00:00:00.000000000Z ")
_SAME_BYTES = len("2026-01-01T00:00:00.0")  # frames of one stream within a tenth of a second share a record
_PIECE_BYTES = 16 * 1024  # of all pieces of a long line but the last
_MINUTE_BYTES = len("2026-01-01T00:00:")


class BrokenFrames(Exception):
    """What came is no log stream."""


class LogFrames:
    """Turns pieces of a log stream, read from its start, into items of records.

    `last_frame` is the last whole frame, and `ambiguous` says that an earlier frame may look just like it (pieces of one long line share a time).
    """

    def __init__(self, items: LogItems) -> None:
        self.last_frame = b""
        self.ambiguous = False
        self._items = items
        self._long: set[int] = set()  # streams that are within a long line
        self._owed: set[int] = set()  # streams that lack a newline before what comes next
        self._rest = b""
        self._minute = b""
        self._minute_ms = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The items that `data` completes, each at most MAX_ITEM_BYTES."""
        buffer = self._rest + data if self._rest else data
        runs, at = self._run_on(buffer)
        self._rest = buffer[at:]
        return self._items.pack(runs)

    def _run_on(self, buffer: bytes) -> tuple[list[Run], int]:
        """The runs of the whole frames; and where the first unfinished frame starts."""
        runs: list[Run] = []
        unpack, end, at, last = _FRAME.unpack_from, len(buffer), 0, -1
        stream_now, key_now, room, payloads = -1, b"", 0, [b""]
        while end - at >= 8:
            stream, size = unpack(buffer, at)
            stop = at + 8 + size
            if stop > end:
                break
            key = buffer[at + 8 : at + 8 + _SAME_BYTES]
            if stream != stream_now or key != key_now or room < size:
                stream_now, key_now, room, payloads = stream, key, MAX_ITEM_BYTES // 2, []
                if stream not in (Stream.STDOUT, Stream.STDERR):
                    raise BrokenFrames(f"unknown stream {stream}")
                runs.append(Run(stream, self._ms(buffer[at + 8 : at + 8 + _STAMP_BYTES]), payloads))
            payload = buffer[at + 8 + _STAMP_BYTES : stop]
            if stream in self._owed:
                self._owed.discard(stream)
                payloads.append(b"\n")
            if payload.endswith(b"\n"):
                self._long.discard(stream)
            elif len(payload) == _PIECE_BYTES:
                self._long.add(stream)
            elif stream in self._long:
                self._long.discard(stream)
                self._owed.add(stream)
            payloads.append(payload)
            room -= size
            last, at = at, stop
        if last >= 0:
            self._remember(buffer[last:at])
        return runs, at

    def _remember(self, frame: bytes) -> None:
        # Whole lines have a time of their own; only pieces of a line without its end can be mistaken for one another.
        self.last_frame = frame
        self.ambiguous = not frame.endswith(b"\n")

    def _ms(self, stamp: bytes) -> int:
        minute = stamp[:_MINUTE_BYTES]
        if minute != self._minute:
            try:
                self._minute_ms = round(parse_rfc3339(minute.decode() + "00Z") * 1000)
            except ValueError as error:
                raise BrokenFrames(f"no time at the start of a frame: {stamp!r}") from error
            self._minute = minute
        return self._minute_ms + int(stamp[17:19]) * 1000 + int(stamp[20:23])
