"""The supervisor's journal: what was started, what ended, what is forgotten, so that even its own death leaves an answer.

It is not synced to disk: it has to survive the supervisor, not the machine (after a power cut no process runs on either).
"""

import errno
import os
from collections.abc import Sequence

import msgspec

from draas.agent.runtimes.process.protocol import LENGTH, Ended, Held, take_frames

COMPACT_AFTER = 4096  # entries about forgotten allocations, some 100 bytes each, before the file is written anew


class Began(msgspec.Struct, frozen=True, kw_only=True, tag="began", array_like=True):
    id: str
    started_at: float
    exclusive: bool


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished", array_like=True):
    id: str
    ended: Ended


class Gone(msgspec.Struct, frozen=True, kw_only=True, tag="gone", array_like=True):
    id: str


Entry = Began | Finished | Gone
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def pack_entry(entry: Entry) -> bytes:
    """One entry as it stands in the file."""
    body = _encoder.encode(entry)
    return LENGTH.pack(len(body)) + body


def replay(content: bytes) -> dict[str, Held]:
    """What was held when the journal ended. An entry cut short or unreadable ends it: it was the last thing written."""
    held: dict[str, Held] = {}
    try:
        for body in take_frames(bytearray(content)):
            _apply(held, _decoder.decode(body))
    except (ValueError, msgspec.MsgspecError):
        return held
    return held


def _apply(held: dict[str, Held], entry: Entry) -> None:
    match entry:
        case Began():
            held[entry.id] = Held(id=entry.id, started_at=entry.started_at, exclusive=entry.exclusive)
        case Finished():
            if (began := held.get(entry.id)) is not None:
                held[entry.id] = msgspec.structs.replace(began, ended=entry.ended)
        case Gone():
            held.pop(entry.id, None)


def entries_of(held: Sequence[Held]) -> list[Entry]:
    """The shortest journal that says the same."""
    entries: list[Entry] = []
    for one in held:
        entries.append(Began(id=one.id, started_at=one.started_at, exclusive=one.exclusive))
        if one.ended is not None:
            entries.append(Finished(id=one.id, ended=one.ended))
    return entries


class Journal:
    """The file. Entries are written at once and one write each, so a killed supervisor loses none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._stale = 0

    def open(self) -> dict[str, Held]:
        """Read what a predecessor left, and start from a compact copy of it."""
        try:
            with open(self._path, "rb") as file:
                held = replay(file.read())
        except FileNotFoundError:
            held = {}
        self.rewrite(list(held.values()))
        return held

    def rewrite(self, held: Sequence[Held]) -> None:
        """Replace the file by one that holds just this."""
        fresh = self._path + ".new"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        os.write(fd, b"".join(map(pack_entry, entries_of(held))))
        os.replace(fresh, self._path)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._stale = fd, 0

    def write(self, entry: Entry) -> None:
        """Append. Raises OSError where the disk does not take it."""
        packed = pack_entry(entry)
        size = os.fstat(self._fd).st_size
        if os.write(self._fd, packed) < len(packed):
            os.ftruncate(self._fd, size)  # half an entry would make those after it unreadable
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if isinstance(entry, Gone):
            self._stale += 1

    @property
    def bloated(self) -> bool:
        return self._stale >= COMPACT_AFTER
