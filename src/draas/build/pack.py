"""A folder as a tar.gz stream that is the same for the same files, whoever packs them and when (the tar on any machine, byte by byte)."""

import os
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from draas.build.context import Found, find_context
from draas.build.links import where_leads
from draas.build.refusal import refused
from draas.build.tar_entries import BLOCK

PIECE_BYTES = 256 * 1024
# 1980-01-02, UTC: what zip (and so a Python wheel built inside) can still say, in any time zone.
FIXED_TIME = 315_619_200
_LEAVE_OUT = "leave it out in .dockerignore"
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, no system
_SPECIAL = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


def pack(
    folder: Path, found: Iterable[Found] | None = None, *, more: Mapping[str, bytes] | None = None
) -> Iterator[bytes]:
    """The stream, piece by piece; `found` is what find_context found there, which is asked where it is not given.

    `more` are files beside those of the folder, by path: the Dockerfile that was made for it.

    Raises Invalid, before the first piece, for a link that leads out and for what is neither file nor folder nor link; while it is read, for a
    file that cannot be read or changes.
    """
    things = list(find_context(folder) if found is None else found)
    links = _checked_links(folder, things)
    return _gzipped(_tar(folder, things, links, more or {}))


def _checked_links(folder: Path, things: list[Found]) -> dict[str, str]:
    links: dict[str, str] = {}
    for thing in things:
        if told := _SPECIAL.get(stat.S_IFMT(thing.mode)):
            raise refused(thing.path, f"is {told}", _LEAVE_OUT)
        if stat.S_ISLNK(thing.mode):
            links[thing.path] = os.readlink(folder / thing.path)
    for path, target in links.items():
        if where_leads(path, links) is None:
            told = f"is a link out of the folder (to {target[:80]!r}), or in a circle"
            raise refused(path, told, f"replace it by the file, or {_LEAVE_OUT}")
    return links


def _tar(folder: Path, things: list[Found], links: dict[str, str], more: Mapping[str, bytes]) -> Iterator[bytes]:
    for thing in things:
        if stat.S_ISDIR(thing.mode):
            yield from _header(f"{thing.path}/", b"5", 0o755, 0, "")
        elif thing.path in links:
            yield from _header(thing.path, b"2", 0o777, 0, links[thing.path])
        else:
            mode = 0o755 if thing.mode & stat.S_IXUSR else 0o644
            yield from _header(thing.path, b"0", mode, thing.size_bytes, "")
            yield from _content(folder, thing)
    for path, content in sorted(more.items()):
        yield from _header(path, b"0", 0o644, len(content), "")
        yield content + bytes(-len(content) % BLOCK)
    yield bytes(2 * BLOCK)


def _content(folder: Path, thing: Found) -> Iterator[bytes]:
    left = thing.size_bytes
    try:
        descriptor = os.open(folder / thing.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise refused(thing.path, f"cannot be read ({error.strerror})", f"make it readable, or {_LEAVE_OUT}") from None
    with os.fdopen(descriptor, "rb") as opened:
        while left and (piece := opened.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            yield piece
        if left or opened.read(1):
            raise refused(
                thing.path, "changed while it was read", "try again when nothing writes there, or leave it out"
            )
    yield bytes(-thing.size_bytes % BLOCK)


def _header(name: str, kind: bytes, mode: int, size: int, target: str) -> Iterator[bytes]:
    """One header; before it a pax header for what does not fit (POSIX.1-2017, pax, "Extended Header")."""
    raw_name, raw_target = name.encode(), target.encode()
    records = {}
    if len(raw_name) > 100:
        records["path"] = name
    if len(raw_target) > 100:
        records["linkpath"] = target
    if size >= 8**11:
        records["size"] = str(size)
    if records:
        body = b"".join(_record(key, value) for key, value in records.items())
        yield _block(b"pax", b"x", 0o644, len(body), b"") + body + bytes(-len(body) % BLOCK)
    yield _block(raw_name[:100], kind, mode, size if size < 8**11 else 0, raw_target[:100])


def _block(name: bytes, kind: bytes, mode: int, size: int, target: bytes) -> bytes:
    head = struct.pack(
        "100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x",
        name,
        b"%07o\0" % mode,
        b"%07o\0" % 0,
        b"%07o\0" % 0,
        b"%011o\0" % size,
        b"%011o\0" % FIXED_TIME,
        b" " * 8,
        kind,
        target,
        b"ustar\x0000",
        b"root",
        b"root",
        b"%07o\0" % 0,
        b"%07o\0" % 0,
        b"",
    )
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


def _record(key: str, value: str) -> bytes:
    """`LENGTH KEY=VALUE\\n`, where the length counts its own digits."""
    rest = f" {key}={value}\n".encode()
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def _gzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """RFC 1952 by hand: zlib's own header differs between its versions."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    crc = size = 0
    yield _GZIP_HEAD
    for piece in pieces:
        crc, size = zlib.crc32(piece, crc), size + len(piece)
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush() + struct.pack("<LL", crc, size % 2**32)
