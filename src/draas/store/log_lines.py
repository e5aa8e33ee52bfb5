"""Lines out of records: the one rule by which output is cut into numbered lines. Pure.

The lines of all streams are numbered in the order in which they become whole. A line of MAX_LINE_BYTES or more is cut into
pieces of that size, each with a number of its own and `partial`, so that memory stays bounded whatever a program writes;
joined (and a newline put after each that is not partial), lines give the output back byte for byte.
"""

from collections.abc import Sequence
from functools import partial
from itertools import repeat

from draas.store.grep import compile_grep
from draas.store.logs import Line, Query
from draas.wire.records import Stream, pack, spans, unpack

MAX_LINE_BYTES = 64 * 1024
_STREAMS = {int(stream): stream for stream in Stream}
_line_of = partial(tuple.__new__, Line)


class LineCutter:
    """Cuts one attempt's output. `carry` is what of a cutter's memory has to be kept to go on later."""

    def __init__(self, number: int = 1, carry: bytes = b"") -> None:
        self.number = number  # of the next line
        self._rests: dict[int, tuple[int, bytes]] = {}  # each stream's unfinished line, and when it began
        for record in unpack(carry):
            self._rests[record.stream] = (record.at_ms, record.data)

    @property
    def carry(self) -> bytes:
        """The unfinished lines, as records."""
        return b"".join(pack(stream, at_ms, data) for stream, (at_ms, data) in self._rests.items())

    def feed(self, records: bytes) -> list[Line]:
        """The lines that `records` make whole. Raises ValueError where they are no records."""
        lines: list[Line] = []
        for kind, record_ms, start, stop in spans(records):
            at_ms, before = self._rests.pop(kind, (record_ms, b""))
            data = before + records[start:stop] if before else records[start:stop]
            whole = data.split(b"\n")
            rest = whole.pop()
            stream, number, is_long = _STREAMS[kind], self.number, len(data) >= MAX_LINE_BYTES
            if is_long or at_ms != record_ms:
                for line in whole:
                    if len(line) >= MAX_LINE_BYTES:
                        line, number = _cut_pieces(lines, number, at_ms, stream, line)
                    lines.append(Line(number, at_ms, stream, line))
                    number += 1
                    at_ms = record_ms
            else:
                # Without a loop of our own, for the million lines of one job: a third of the time.
                end = number + len(whole)
                lines += map(_line_of, zip(range(number, end), repeat(at_ms), repeat(stream), whole, repeat(False)))
                number = end
            if is_long and len(rest) >= MAX_LINE_BYTES:
                rest, number = _cut_pieces(lines, number, at_ms, stream, rest)
            self.number = number
            if rest:
                self._rests[kind] = (at_ms, rest)
        return lines

    def skim(self, records: bytes) -> tuple[int, int]:
        """As `feed`, for whom only the count matters; returns the first and last time (ms) among the lines.

        (0, 0) where no line became whole.
        """
        first_ms = last_ms = 0
        for kind, record_ms, start, stop in spans(records):
            at_ms, before = self._rests.pop(kind, (record_ms, b""))
            data = before + records[start:stop] if before else records[start:stop]
            end = data.rfind(b"\n") + 1
            if len(data) < MAX_LINE_BYTES:
                count = data.count(b"\n") if end else 0
                rest = data[end:] if end else data
            else:
                whole = data[:end].split(b"\n")[:-1] if end else []
                count = len(whole) + sum(len(line) // MAX_LINE_BYTES for line in whole)
                count += (len(data) - end) // MAX_LINE_BYTES
                rest = data[end + (len(data) - end) // MAX_LINE_BYTES * MAX_LINE_BYTES :]
            if count:
                self.number += count
                first_ms = min(first_ms or at_ms, at_ms)
                last_ms = max(last_ms, at_ms, record_ms)
            if rest:
                self._rests[kind] = (record_ms if end else at_ms, rest)
        return first_ms, last_ms

    def finish(self) -> list[Line]:
        """The unfinished lines, numbered as what comes next; the cutter does not change."""
        return [
            Line(number, at_ms, Stream(stream), data, partial=True)
            for number, (stream, (at_ms, data)) in enumerate(self._rests.items(), self.number)
        ]


def _cut_pieces(lines: list[Line], number: int, at_ms: int, stream: Stream, data: bytes) -> tuple[bytes, int]:
    """Cut what fills whole pieces off `data`: what remains of it, and the next number."""
    at = 0
    while len(data) - at >= MAX_LINE_BYTES:
        lines.append(Line(number, at_ms, stream, data[at : at + MAX_LINE_BYTES], True))
        number, at = number + 1, at + MAX_LINE_BYTES
    return data[at:], number


class Filter:
    """Which lines a query wants, but for `tail`, `after_line` and `limit`."""

    def __init__(self, query: Query) -> None:
        self._stream = query.stream
        self._since_ms = query.since * 1000 if query.since is not None else None
        self._until_ms = query.until * 1000 if query.until is not None else None
        self._grep = compile_grep(query.grep) if query.grep is not None else None
        self.takes_all = self._stream is None and query.since is None and query.until is None and query.grep is None

    def may_match(self, first_ms: int, last_ms: int) -> bool:
        """Whether a stretch of lines of these times can hold one that is wanted."""
        if self._since_ms is not None and last_ms < self._since_ms:
            return False
        return self._until_ms is None or first_ms < self._until_ms

    def select(self, lines: Sequence[Line]) -> list[Line]:
        """Those of `lines` that are wanted."""
        found = [
            line
            for line in lines
            if (self._stream is None or line.stream is self._stream)
            and (self._since_ms is None or line.at_ms >= self._since_ms)
            and (self._until_ms is None or line.at_ms < self._until_ms)
        ]
        return self._grep.select(found) if self._grep is not None and found else found
