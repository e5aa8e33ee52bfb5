"""A gzip stream read piece by piece, with no more memory than a piece, refused where it grows too much."""

import zlib
from typing import Protocol

from draas.build.limits import Limits
from draas.build.refusal import refused, too_large

PIECE_BYTES = 256 * 1024
MOST_MEMBERS = 1000  # each costs a copy of what follows it
_GZIP = 16 + zlib.MAX_WBITS
_AGAIN = "it was cut off or damaged on its way; send it again"


class Source(Protocol):
    """What can be read: fewer bytes than asked for only at the end."""

    def read(self, size: int, /) -> bytes: ...


class Gunzip:
    """The unpacked bytes of `packed`. Several members in a row are one stream, as gzip itself has it."""

    def __init__(self, packed: Source, limits: Limits) -> None:
        self._packed = packed
        self._limits = limits
        self._in_bytes = self._out_bytes = 0
        self._member = zlib.decompressobj(_GZIP)
        self._waiting = self._ready = b""
        self._members = 1
        self._at = 0  # in what is ready

    def read(self, size: int, /) -> bytes:
        """`size` bytes, fewer at the end. Raises Invalid where it is damaged or cut off, TooLarge for a bomb."""
        pieces: list[bytes] = []
        lacking = size
        while lacking:
            if self._at == len(self._ready):
                self._ready, self._at = self._piece(), 0
                if not self._ready:
                    break
            taken = self._ready[self._at : self._at + lacking]
            self._at += len(taken)
            lacking -= len(taken)
            pieces.append(taken)
        return b"".join(pieces)

    def _piece(self) -> bytes:
        """What comes next, unpacked; a whole piece where there is as much, as each call copies what is still packed."""
        while True:
            if self._member.eof and not self._next_member():
                return b""
            fed = self._waiting or self._more()
            if not fed and not self._member.eof:
                raise refused("the archive", "ends before it is complete", _AGAIN)
            try:
                piece = self._member.decompress(fed, PIECE_BYTES)
            except zlib.error as error:
                raise refused("the archive", f"is not valid gzip ({error})", _AGAIN) from None
            self._waiting = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                self._count(len(piece))
                return piece

    def _more(self) -> bytes:
        fed = self._packed.read(PIECE_BYTES)
        self._in_bytes += len(fed)
        return fed

    def _next_member(self) -> bool:
        """Begin the member that follows, if one does; zeros in between are padding."""
        self._waiting = self._waiting.lstrip(b"\0")
        while not self._waiting and (fed := self._more()):
            self._waiting = fed.lstrip(b"\0")
        if not self._waiting:
            return False
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise too_large("the archive", f"is of more than {MOST_MEMBERS} gzip streams in a row", "pack it as one")
        self._member = zlib.decompressobj(_GZIP)
        return True

    def _count(self, more_bytes: int) -> None:
        self._out_bytes += more_bytes
        if self._out_bytes > 2 * self._limits.total_bytes:  # all content, and as much again for headers and padding
            raise too_large("the archive", "unpacks to too much", "leave out what can be made again")
        ratio = self._out_bytes / max(1, self._in_bytes)
        if self._out_bytes > self._limits.ratio_from_bytes and ratio > self._limits.ratio:
            told = f"unpacks to more than {self._limits.ratio} times its size"
            raise too_large("the archive", told, "that is no source code; leave out what can be made again")
