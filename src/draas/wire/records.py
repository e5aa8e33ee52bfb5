"""Records: how output travels and is kept. `stream` (1 byte), time in ms (8), length (4), then the bytes; big-endian.

A position in an attempt's output ("offset") counts payload bytes only, so that it does not depend on how they were cut into records.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

HEADER = struct.Struct(">BQI")


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
    """The records of a chunk. Raises ValueError where it ends in the middle of one or a stream is unknown."""
    at, end = 0, len(records)
    while at < end:
        if at + HEADER.size > end:
            raise ValueError("records end within a header")
        stream, at_ms, length = HEADER.unpack_from(records, at)
        at += HEADER.size
        if stream > Stream.STDERR or at + length > end:
            raise ValueError("records end within a record, or a stream is unknown")
        yield Record(stream, at_ms, records[at : at + length])
        at += length


def skip(records: bytes, count: int) -> bytes:
    """`records` without their first `count` payload bytes."""
    kept = []
    for record in unpack(records):
        if count >= len(record.data):
            count -= len(record.data)
            continue
        kept.append(pack(record.stream, record.at_ms, record.data[count:]))
        count = 0
    return b"".join(kept)


def payload_bytes(records: bytes) -> int:
    """How far these records move the offset."""
    return sum(len(record.data) for record in unpack(records))
