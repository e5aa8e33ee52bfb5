"""The entries of a zip file, where its table and what stands before each entry say the same.

zipfile reads the content; what programs disagree about (APPNOTE 4.3: overlaps, gaps, names that differ) is refused before.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from draas.build.entries import Entry
from draas.build.gunzip import PIECE_BYTES
from draas.build.limits import Limits
from draas.build.refusal import refused, too_large

_ARCHIVE = "the archive"
_AGAIN = "pack the folder again and send it again"
_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x1, 0x8, 0x800
_MOST_DESCRIPTOR = 24  # signature, CRC, two sizes of 8 bytes
_UNIX = 3
MOST_TARGET = 4096


def zip_entries(file: BinaryIO, limits: Limits) -> Iterator[Entry]:
    """Each entry in turn. `file` can be sought. Raises Invalid and TooLarge."""
    _check_directory(file, limits)
    try:
        with zipfile.ZipFile(file) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
            _check_whole(infos, file, archive.start_dir, limits)
            for info in infos:
                yield _entry(archive, info)
    except (zipfile.BadZipFile, struct.error, NotImplementedError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise refused(_ARCHIVE, f"is damaged or cut off ({error})", _AGAIN) from None


def _check_directory(file: BinaryIO, limits: Limits) -> None:
    """That the table fits into memory, before zipfile reads all of it."""
    end_of_file = file.seek(0, 2)
    start = max(0, end_of_file - 65535 - 22)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise refused(_ARCHIVE, "ends before it is complete", "it was cut off on its way; send it again")
    count, size, comment = struct.unpack("<10xHL4xH", tail[at : at + 22])
    if len(tail) - at - 22 != comment:
        raise refused(_ARCHIVE, "goes on after its end", _AGAIN)
    if tail[at - 20 : at - 16] == _LOCATOR_64 and at >= 20:
        file.seek(struct.unpack("<8xQ4x", tail[at - 20 : at])[0])
        record = file.read(56)
        if len(record) < 56 or record[:4] != _END_64:
            raise refused(_ARCHIVE, "is damaged: its table is not where it says", _AGAIN)
        count, size = struct.unpack("<32xQQ8x", record)
    if count > limits.entries or size > limits.directory_bytes:
        raise too_large(
            _ARCHIVE, f"has {count} entries, more than {limits.entries}", "leave out what can be made again"
        )


def _check_whole(infos: list[zipfile.ZipInfo], file: BinaryIO, table_at: int, limits: Limits) -> None:
    """That the entries stand one after the other with nothing hidden between, and are no bomb."""
    end, room = 0, 0
    for info in infos:
        if not end <= info.header_offset <= end + room:
            raise refused(info.orig_filename, "overlaps another entry, or hides one before it", _AGAIN)
        end = _check_local(file, info)
        room = _MOST_DESCRIPTOR if info.flag_bits & _DESCRIPTOR else 0
    if not end <= table_at <= end + room:
        raise refused(_ARCHIVE, "holds bytes that its table does not list", _AGAIN)
    total = sum(info.file_size for info in infos)
    if total > limits.ratio_from_bytes and total > limits.ratio * max(1, table_at):
        told = f"unpacks to more than {limits.ratio} times its size"
        raise too_large(_ARCHIVE, told, "that is no source code; leave out what can be made again")


def _check_local(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """That what stands before the content says what the table says. Returns where the content ends."""
    file.seek(info.header_offset)
    raw = file.read(_LOCAL.size)
    if len(raw) < _LOCAL.size or raw[:4] != b"PK\x03\x04":
        raise refused(info.orig_filename, "is not where the archive's table says", _AGAIN)
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(raw)
    if (flags | info.flag_bits) & _ENCRYPTED:
        raise refused(info.orig_filename, "is encrypted", "pack without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refused(
            info.orig_filename, f"is packed by method {info.compress_type}", "pack with deflate, or as tar.gz"
        )
    name = file.read(name_length).decode("utf-8" if flags & _UTF8 else "cp437")
    sizes_told = not flags & _DESCRIPTOR and 0xFFFFFFFF not in (packed, size)
    same = (name, method, flags & _UTF8) == (info.orig_filename, info.compress_type, info.flag_bits & _UTF8)
    if not same or (sizes_told and (crc, packed, size) != (info.CRC, info.compress_size, info.file_size)):
        raise refused(
            info.orig_filename, "is described differently in the archive's table and before its content", _AGAIN
        )
    return int(info.header_offset + _LOCAL.size + name_length + extra_length + info.compress_size)


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    name = info.orig_filename
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    kind = stat.S_IFMT(mode)
    if name.endswith("/"):
        if info.file_size or kind not in (0, stat.S_IFDIR):
            raise refused(name, "is a folder and yet has content", _AGAIN)
        return Entry(name=name, kind="folder")
    if kind == stat.S_IFLNK:
        if info.file_size > MOST_TARGET:
            raise refused(name, f"is a link of more than {MOST_TARGET} bytes", "leave it out of the archive")
        try:
            return Entry(name=name, kind="symlink", target=archive.read(info).decode())
        except UnicodeDecodeError:
            raise refused(name, "leads to a name that is not UTF-8", "leave it out of the archive") from None
    if kind not in (0, stat.S_IFREG):
        raise refused(name, "is a device, a socket or a named pipe", "leave it out of the archive")
    content = _content(archive, info)
    return Entry(name=name, kind="file", size_bytes=info.file_size, executable=bool(mode & 0o100), content=content)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(info) as opened:
            while piece := opened.read(PIECE_BYTES):
                yield piece
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise refused(info.orig_filename, f"is damaged ({error})", _AGAIN) from None
