"""From runs of output to items of records: what is left out in front, and the cap. Pure; for all ways to read a container's log."""

from collections.abc import Iterable
from typing import NamedTuple

from draas.wire.records import HEADER, pack

MAX_ITEM_BYTES = 256 * 1024
_PIECE_BYTES = MAX_ITEM_BYTES // 2


class Run(NamedTuple):
    """Consecutive output of one stream that shares a time. `end` follows each of `parts`: a line's end, or nothing."""

    stream: int
    at_ms: int
    parts: list[bytes]
    end: bytes = b""


class LogItems:
    """Packs what is read from a log's start into items of records, leaving out the first `skip` payload bytes.

    `position` counts the payload bytes taken, at most `cap_bytes`; `cut` says that there were more.
    """

    def __init__(self, *, skip: int, cap_bytes: int) -> None:
        self.position = 0
        self.cut = False
        self._skip = skip
        self._cap = cap_bytes

    def pack(self, runs: Iterable[Run]) -> list[bytes]:
        """The items of these runs, each at most MAX_ITEM_BYTES."""
        items: list[bytes] = []
        item = bytearray()
        for stream, at_ms, parts, end in runs:
            payload = self._take(end.join(parts) + end)
            for start in range(0, len(payload), _PIECE_BYTES):
                piece = payload[start : start + _PIECE_BYTES]
                if len(item) + HEADER.size + len(piece) > MAX_ITEM_BYTES:
                    items.append(bytes(item))
                    item.clear()
                item += pack(stream, at_ms, piece)
        if item:
            items.append(bytes(item))
        return items

    def _take(self, payload: bytes) -> bytes:
        """What of `payload` lies between what is left out and the cap."""
        room = self._cap - self.position
        self.cut = self.cut or len(payload) > room
        left_out = max(self._skip - self.position, 0)
        taken = payload[left_out:room]
        self.position += min(len(payload), room)
        return taken
