"""A follower's tail gives what was stored in order and once, and says when only the store knows what is next."""

import asyncio

from draas.store.log_tail import TAIL_BYTES, LogTail
from draas.wire.records import Stream, pack


def records(data: bytes) -> bytes:
    return pack(Stream.STDOUT, 0, data)


async def test_pieces_come_in_order_and_what_the_follower_has_does_not_come_again() -> None:
    tail = LogTail()
    tail.add(0, records(b"known"))
    tail.add(5, records(b"half, new"))
    tail.add(14, records(b"new"))
    assert await tail.after(11) == (records(b"new"), 14)
    assert await tail.after(14) == (records(b"new"), 17)
    waiting = asyncio.ensure_future(tail.after(17))
    await asyncio.sleep(0)
    tail.add(17, records(b"later"))
    assert await waiting == (records(b"later"), 22)


async def test_a_gap_is_read_from_the_store() -> None:
    tail = LogTail()
    tail.add(10, records(b"behind a gap"))
    assert await tail.after(5) is None
    tail.add(22, records(b"next"))
    assert await tail.after(22) == (records(b"next"), 26)


async def test_an_end_is_read_from_the_store_even_where_nothing_was_added() -> None:
    tail = LogTail()
    waiting = asyncio.ensure_future(tail.after(0))
    await asyncio.sleep(0)
    tail.end()
    assert await waiting is None


async def test_a_follower_that_is_far_behind_reads_the_store() -> None:
    tail = LogTail()
    piece = records(bytes(TAIL_BYTES // 4))
    for number in range(5):
        tail.add(number * len(piece), piece)
    assert await tail.after(0) is None
    tail.add(9, records(b"next"))
    assert await tail.after(9) == (records(b"next"), 13)
