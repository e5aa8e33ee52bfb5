"""Fetch: a blob of the controller's registry into a file, resumed after every cut, and what it is proven by its digest."""

import asyncio
import errno
import hashlib
import os
from pathlib import Path

import aiohttp

from draas.agent.images.upstream import Away, Upstream
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.lib import clock
from draas.model.allocation import Cause
from draas.model.image_name import Digest, Repository

PATIENCE_S = 60.0  # without a byte; a build has waited in the queue for longer
PIECE_BYTES = 1024 * 1024
PAUSE_S = 0.25
_SHOWN = 300  # characters of what the controller says of a failure
_CUT = (aiohttp.ClientError, OSError, asyncio.TimeoutError)


async def fetch_blob(upstream: Upstream, repository: Repository, digest: Digest, to: Path) -> None:
    """The blob `digest` as the file `to`, which must not be there yet; a failure leaves none.

    Raises RuntimeFailure with cause and remedy, FileExistsError.
    """
    writing = _Writing(to)
    try:
        await _fill(writing, upstream, repository, digest)
        if writing.digest != digest:
            raise RuntimeFailure(
                Cause.RUNTIME, f"what came for {digest} of {repository} is something else ({writing.digest}): try again"
            )
        await writing.sync()
    except BaseException:
        writing.remove()
        raise
    finally:
        writing.close()


async def _fill(writing: "_Writing", upstream: Upstream, repository: Repository, digest: Digest) -> None:
    target, heard_at, total = f"/v2/{repository}/blobs/{digest}", clock.monotonic(), None
    while total is None or writing.size < total:
        before = writing.size
        try:
            headers = {"Range": f"bytes={before}-"} if before else {}
            left_s = PATIENCE_S - (clock.monotonic() - heard_at)
            async with await upstream.ask("GET", target, headers, patience_s=left_s) as answer:
                total = await _begin(answer, writing, repository, digest)
                async for piece in answer.content.iter_chunked(PIECE_BYTES):
                    await writing.write(piece)
        except Away as away:
            raise RuntimeFailure(
                Cause.RUNTIME, f"{digest} of {repository} cannot be fetched: {away}; it is tried again when it is back"
            ) from away
        except _CUT as cut:
            if clock.monotonic() - heard_at > PATIENCE_S:
                raise RuntimeFailure(Cause.RUNTIME, f"fetching {digest} of {repository} was cut off: {cut}") from cut
            await asyncio.sleep(PAUSE_S)
        if writing.size > before:
            heard_at = clock.monotonic()


async def _begin(answer: aiohttp.ClientResponse, writing: "_Writing", repository: Repository, digest: Digest) -> int:
    """How large the blob is. Raises RuntimeFailure where the controller does not give it, ClientError where it cannot now."""
    if answer.status == 206:
        return int(answer.headers["Content-Range"].rpartition("/")[2])
    if answer.status == 200:
        writing.restart()
        return int(answer.headers["Content-Length"])
    said = (await answer.content.read(4096)).decode(errors="replace")[:_SHOWN]
    if answer.status == 404:
        raise RuntimeFailure(Cause.IMAGE, f"the controller has no {digest} in {repository}: send it again")
    if answer.status in (401, 403):
        raise RuntimeFailure(Cause.REFUSED, f"this node may not read {repository}: the controller said {said}")
    raise aiohttp.ClientError(f"the controller said {said}")


class _Writing:
    """A file that grows, and the digest of what is in it. Raises RuntimeFailure(DISK) where it cannot."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("xb", buffering=0)
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def restart(self) -> None:
        """From its beginning again."""
        self._file.seek(0)
        self._file.truncate()
        self._hash, self.size = hashlib.sha256(), 0

    async def write(self, piece: bytes) -> None:
        await asyncio.to_thread(self._write, piece)

    async def sync(self) -> None:
        await asyncio.to_thread(os.fsync, self._file.fileno())

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        self._file.close()

    def _write(self, piece: bytes) -> None:
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError as error:
            what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"{error.strerror}"
            raise RuntimeFailure(
                Cause.DISK, f"{self._path} cannot be written: {what}; free some space on this node"
            ) from None
        self._hash.update(piece)
        self.size += len(piece)
