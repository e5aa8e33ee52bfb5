"""The spool: one file of records (draas.wire.records) per allocation, written by the supervisor, read by the agent."""

import os
from collections.abc import Iterator
from pathlib import Path

from draas.lib import clock
from draas.wire.records import HEADER, Stream, pack

MAX_ITEM_BYTES = 256 * 1024  # the Runtime protocol's limit for one item of output
MAX_PAYLOAD_BYTES = 128 * 1024  # so that a record always fits an item


class SpoolWriter:
    """Appends output up to a cap. The file is made with the first byte; `spool_bytes` is its length."""

    def __init__(self, path: str, cap_bytes: int) -> None:
        self._path = path
        self._cap_bytes = cap_bytes
        self._room_bytes = cap_bytes
        self._fd: int | None = None
        self._cut = False
        self.spool_bytes = 0

    def append(self, stream: Stream, data: bytes) -> None:
        """Keep `data`, as far as the cap allows. Raises OSError where the disk does not take it; whole records stay whole."""
        kept = data if len(data) <= self._room_bytes else data[: self._room_bytes]
        records = b""
        at_ms = int(clock.now() * 1000)
        if kept:
            self._room_bytes -= len(kept)
            records = pack(stream, at_ms, kept)
        if len(kept) < len(data) and not self._cut:
            self._cut = True
            records += pack(Stream.NOTICE, at_ms, render_cut(self._cap_bytes))
        if records:
            self._write(records)

    def _write(self, records: bytes) -> None:
        if self._fd is None:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        written, size = 0, self.spool_bytes
        try:
            while written < len(records):
                written += os.write(self._fd, memoryview(records)[written:])
        except OSError:
            os.ftruncate(self._fd, size)
            raise
        self.spool_bytes = size + written

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def render_cut(cap_bytes: int) -> bytes:
    """What the log says where the cap was reached."""
    amount = f"{cap_bytes / 1e6:.0f} MB" if cap_bytes >= 1_000_000 else f"{cap_bytes} bytes"
    return f"output cut at {amount}: this is the limit of one attempt's log; write large results to a file\n".encode()


def whole_records_bytes(path: str) -> int:
    """Length of the whole records at the front of a spool that may end in the middle of one; 0 where there is none."""
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            at = 0
            while at + HEADER.size <= size:
                _, _, length = HEADER.unpack(os.pread(file.fileno(), HEADER.size, at))
                if at + HEADER.size + length > size:
                    break
                at += HEADER.size + length
            return at
    except FileNotFoundError:
        return 0


class SpoolReader:
    """Reads whole records from a payload offset on. `position` is where in the file the next one begins."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path = path
        self._skip = offset
        self._fd: int | None = None
        self.position = 0

    def read(self) -> bytes:
        """The next records, at most MAX_ITEM_BYTES, without what the offset skips; empty where there are none yet."""
        while True:
            block = self._read_block()
            if not block:
                return b""
            kept = b"".join(self._wanted(block))
            if kept:
                return kept

    def _read_block(self) -> bytes:
        if self._fd is None:
            try:
                self._fd = os.open(self._path, os.O_RDONLY)
            except FileNotFoundError:
                return b""
        block = os.pread(self._fd, MAX_ITEM_BYTES, self.position)
        whole = block[: _whole_bytes(block)]
        self.position += len(whole)
        return whole

    def _wanted(self, block: bytes) -> Iterator[bytes]:
        if self._skip == 0:
            yield block
            return
        at = 0
        while at < len(block):
            stream, at_ms, length = HEADER.unpack_from(block, at)
            at += HEADER.size
            skipped = min(self._skip, length)
            self._skip -= skipped
            if skipped < length:
                yield pack(stream, at_ms, block[at + skipped : at + length])
            at += length

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _whole_bytes(block: bytes) -> int:
    at = 0
    while at + HEADER.size <= len(block):
        length = HEADER.unpack_from(block, at)[2]
        if at + HEADER.size + length > len(block):
            break
        at += HEADER.size + length
    return at
