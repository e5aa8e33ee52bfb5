"""The entries of a tar stream, read without seeking.

Not the standard library's tarfile: that one reads extended headers and sparse maps of any size into memory and takes a cut archive for
its end. Formats: POSIX.1-2017 pax (ustar with extended headers), and GNU's long names and base-256 numbers.
"""

import struct
from collections.abc import Iterator

from draas.build.entries import Entry, Kind
from draas.build.gunzip import PIECE_BYTES, Source
from draas.build.limits import Limits
from draas.build.refusal import refused, too_large

BLOCK = 512
_AGAIN = "pack the folder again and send it again"
_ARCHIVE = "the archive"
_SPECIAL = {b"3": "a character device", b"4": "a block device", b"6": "a named pipe", b"7": "a contiguous file"}
_KINDS: dict[bytes, Kind] = {b"0": "file", b"\0": "file", b"1": "hardlink", b"2": "symlink", b"5": "folder"}
_NAME_FIELDS = {b"L": "path", b"K": "linkpath"}


def tar_entries(stream: Source, limits: Limits) -> Iterator[Entry]:
    """Each entry in turn. Raises Invalid (also where the end is missing) and TooLarge."""
    told: dict[str, str] = {}
    while (block := _exactly(stream, BLOCK)) != bytes(BLOCK):
        check_sum(block)
        kind = block[156:157]
        if kind in (b"x", b"g", *_NAME_FIELDS):
            size = number(block[124:136], _ARCHIVE)
            if size > limits.header_bytes:
                raise too_large(_ARCHIVE, f"has a header of {size} bytes", "shorten the names in it")
            body = _exactly(stream, _padded(size))[:size]
            told |= _told_by(kind, body)
            continue
        yield from _entry(stream, block, told)
        told = {}
    _check_end(stream)


def _entry(stream: Source, block: bytes, told: dict[str, str]) -> Iterator[Entry]:
    name = told.get("path") or _name_of(block)
    kind = block[156:157]
    if kind in _SPECIAL:
        raise refused(name, f"is {_SPECIAL[kind]}", "leave it out of the archive")
    if kind == b"S" or any(key.startswith("GNU.sparse") for key in told):
        raise refused(name, "is a sparse file", "pack without --sparse")
    if kind not in _KINDS:
        raise refused(name, f"is of the unknown kind {kind!r}", "pack with an ordinary tar, as regular files")
    what = _KINDS[kind]
    if kind == b"\0" and name.endswith("/"):
        what = "folder"
    size = _size(told.get("size"), block, name)
    if what != "file":
        if size and what != "hardlink":  # pax allows a hard link to bring its content along
            raise refused(name, "is no file and yet has content", _AGAIN)
        content: Iterator[bytes] = _content(stream, size, name)
        target = told.get("linkpath") or text(block[157:257])
        yield Entry(name=name, kind=what, target=target)
    else:
        content = _content(stream, size, name)
        executable = bool(number(block[100:108], name) & 0o100)
        yield Entry(name=name, kind="file", size_bytes=size, executable=executable, content=content)
    for _ in content:
        pass


def _content(stream: Source, size: int, name: str) -> Iterator[bytes]:
    left = _padded(size)
    while left:
        piece = stream.read(min(left, PIECE_BYTES))
        if not piece:
            raise refused(name, "is cut off", "the archive was damaged on its way; send it again")
        left -= len(piece)
        padding = _padded(size) - size
        yield piece[: len(piece) - (padding - left)] if left < padding else piece


def _told_by(kind: bytes, body: bytes) -> dict[str, str]:
    if kind in _NAME_FIELDS:
        return {_NAME_FIELDS[kind]: text(body)}
    told = pax_records(body)
    if kind == b"g":
        if told.keys() & {"path", "linkpath", "size"} or any(key.startswith("GNU.sparse") for key in told):
            raise refused(_ARCHIVE, "names all its files at once in a global header", _AGAIN)
        return {}
    return told


def pax_records(body: bytes) -> dict[str, str]:
    """`LENGTH KEY=VALUE\\n`, one after the other. Values of other keys than names and size are left out where they are not UTF-8."""
    told: dict[str, str] = {}
    while body:
        digits, blank, _ = body.partition(b" ")
        if not blank or not digits.isdigit() or len(digits) > 8:
            raise refused(_ARCHIVE, "has a malformed header", _AGAIN)
        length = int(digits)
        key, equals, value = body[len(digits) + 1 : length - 1].partition(b"=")
        if length > len(body) or body[length - 1 : length] != b"\n" or not equals or not key:
            raise refused(_ARCHIVE, "has a malformed header", _AGAIN)
        if key in (b"path", b"linkpath", b"size"):
            told[key.decode()] = decoded(value)
        elif key.startswith(b"GNU.sparse"):
            told["GNU.sparse"] = ""
        body = body[length:]
    return told


def _size(told: str | None, block: bytes, name: str) -> int:
    if told is None:
        return number(block[124:136], name)
    if not told.isascii() or not told.isdigit() or len(told) > 18:
        raise refused(name, f"has {told[:30]!r} for a size", _AGAIN)
    return int(told)


def _name_of(block: bytes) -> str:
    name = text(block[:100])
    prefix = text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def number(field: bytes, name: str) -> int:
    """Octal digits, or GNU's base-256. Raises Invalid for anything else, and below zero."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise refused(name, "has a malformed number in its header", _AGAIN)
    return int(digits or b"0", 8)


def text(field: bytes) -> str:
    """Up to the first NUL, which ends a field of fixed width."""
    return decoded(field.partition(b"\0")[0])


def decoded(raw: bytes) -> str:
    """UTF-8. Raises Invalid."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        name = raw.decode(errors="backslashreplace")
        raise refused(name, "has a name that is not UTF-8", "rename it and pack again") from None


def check_sum(block: bytes) -> None:
    """Raise Invalid where a header's sum is not what it says, signed or not."""
    said = number(block[148:156], _ARCHIVE)
    counted = block[:148] + b" " * 8 + block[156:]
    if said != sum(counted) and said != sum(struct.unpack("512b", counted)):
        raise refused(_ARCHIVE, "is damaged: a header's sum is wrong", _AGAIN)


def _check_end(stream: Source) -> None:
    """What follows is zeros: anything else would be read by one program and not by another. To the end, where gzip has its sum."""
    while piece := stream.read(PIECE_BYTES):
        if piece.strip(b"\0"):
            raise refused(_ARCHIVE, "goes on after its end", _AGAIN)


def _exactly(stream: Source, size: int) -> bytes:
    read = stream.read(size)
    if len(read) < size:
        raise refused(_ARCHIVE, "ends before it is complete", "it was cut off on its way; send it again")
    return read


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
