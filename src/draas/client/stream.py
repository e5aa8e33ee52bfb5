"""Stream: server-sent events taken apart, from bytes as they come. Source: WHATWG HTML, "Server-sent events"."""

from collections.abc import Iterator
from typing import NamedTuple

MAX_FRAME_BYTES = 16 * 1024 * 1024


class Frame(NamedTuple):
    """One event of a stream. `id` is "" where it has none; `data` is empty where only the id is set."""

    kind: str
    id: str
    data: bytes


class Frames:
    """`feed` bytes, get whole frames. Comments are dropped."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """Raises ValueError where a frame grows beyond MAX_FRAME_BYTES."""
        *whole, self._rest = (self._rest + piece).split(b"\n\n")
        if len(self._rest) > MAX_FRAME_BYTES:
            raise ValueError(f"an event is larger than {MAX_FRAME_BYTES} bytes")
        for block in whole:
            if (found := _frame(block)) is not None:
                yield found


def _frame(block: bytes) -> Frame | None:
    kind, id, data = "message", "", []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value.decode(errors="replace")
        elif name == b"id":
            id = value.decode(errors="replace")
    return Frame(kind, id, b"\n".join(data)) if data or id else None
