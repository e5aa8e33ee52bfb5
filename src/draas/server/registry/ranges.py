"""Ranges: of a blob that is read (RFC 9110 section 14) and of a chunk that is uploaded (specification 1.1, "Pushing a blob in chunks")."""

import re
from typing import NamedTuple

from draas.model.errors import Invalid

_NUMBER = r"[0-9]{1,18}"
_READ = re.compile(rf"bytes=({_NUMBER})?-({_NUMBER})?", re.IGNORECASE)
_CHUNK = re.compile(rf"({_NUMBER})-({_NUMBER})")


class ByteRange(NamedTuple):
    """Both inclusive."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


class Unsatisfiable(Exception):
    """No byte of the range is there."""


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The part of `size` bytes that a Range header asks for; None: all of it, as for several ranges or another unit.

    Raises Unsatisfiable.
    """
    asked = _READ.fullmatch(header.strip()) if header is not None else None
    if asked is None or asked.groups() == (None, None):
        return None
    if asked.group(1) is None:
        first, last = max(size - int(asked.group(2)), 0), size - 1
        wrong = int(asked.group(2)) == 0
    else:
        first = int(asked.group(1))
        last = min(int(asked.group(2)), size - 1) if asked.group(2) is not None else size - 1
        if asked.group(2) is not None and int(asked.group(2)) < first:
            return None  # no range at all, RFC 9110 section 14.1.1
        wrong = False
    if wrong or first >= size:
        raise Unsatisfiable
    return ByteRange(first, last)


def parse_content_range(header: str) -> ByteRange:
    """A chunk's place: FIRST-LAST without a unit, as the specification has it. Raises Invalid."""
    told = _CHUNK.fullmatch(header.strip())
    if told is None or int(told.group(2)) < int(told.group(1)):
        raise Invalid(f"Content-Range {header[:60]!r} is no range: FIRST-LAST, both counted from 0 and included")
    return ByteRange(int(told.group(1)), int(told.group(2)))
