"""Records: how output travels and is kept. `stream` (1 byte), time in ms (8), length (4), then the bytes; big-endian.

A position in an attempt's output ("offset") counts payload bytes only, so that it does not depend on how they were cut into records.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

HEADER = struct.Struct(">BQI")
MAX_AT_MS = 253_402_300_799_999  # the end of the year 9999: what lies beyond cannot be shown as a date


class Stream(IntEnum):
    NOTICE = 0  # what DRaaS has to say about the output: "output cut at 100 MB"
    STDOUT = 1
    STDERR = 2


class Record(NamedTuple):
    stream: int
    at_ms: int
    data: bytes


def pack(stream: int, at_ms: int, data: bytes) -> bytes:
    """One record."""
    return HEADER.pack(stream, at_ms, len(data)) + data


def unpack(records: bytes) -> Iterator[Record]:
    """The records of a chunk. Raises ValueError where it ends in the middle of one, or a stream or time cannot be."""
    for stream, at_ms, at, stop in spans(records):
        yield Record(stream, at_ms, records[at:stop])


def spans(records: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Stream, time, and where the payload begins and ends, of each record. Raises ValueError like unpack."""
    at, end, size = 0, len(records), HEADER.size
    while at < end:
        if at + size > end:
            raise ValueError("records end within a header")
        stream, at_ms, length = HEADER.unpack_from(records, at)
        at += size
        if stream > Stream.STDERR or at_ms > MAX_AT_MS or at + length > end:
            raise ValueError("records end within a record, or a stream or time is unknown")
        yield stream, at_ms, at, at + length
        at += length


def skip(records: bytes, count: int) -> bytes:
    """`records` without their first `count` payload bytes."""
    return cut(records, count, len(records))


def cut(records: bytes, start: int, stop: int) -> bytes:
    """`records` from payload byte `start` to `stop`, without empty records."""
    kept, before = [], 0
    for stream, at_ms, at, end in spans(records):
        low, high = max(start - before, 0), min(stop - before, end - at)
        before += end - at
        if low < high:
            kept.append(pack(stream, at_ms, records[at + low : at + high]))
    return b"".join(kept)


def payload_bytes(records: bytes) -> int:
    """How far these records move the offset. Raises ValueError like unpack."""
    return measure(records).payload_bytes


class Measure(NamedTuple):
    payload_bytes: int
    min_ms: int  # MAX_AT_MS where there are no bytes
    max_ms: int  # 0 where there are none


def measure(records: bytes) -> Measure:
    """How much these records hold, and of when. Raises ValueError like unpack."""
    total, low, high = 0, MAX_AT_MS, 0
    for _, at_ms, at, end in spans(records):
        if at < end:
            total += end - at
            low, high = min(low, at_ms), max(high, at_ms)
    return Measure(total, low, high)
