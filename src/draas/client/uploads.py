"""Uploads: a file into a repository of the controller, in chunks, going on after a cut where the controller's part ends.

Source: OCI distribution specification 1.1, "Pushing a blob in chunks".
"""

import asyncio
import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import msgspec

from draas.client.errors import CannotReach
from draas.client.transport import BASE_S, CAP_S, Answered, Transport, problem_of
from draas.lib import clock, ids
from draas.lib.backoff import full_jitter
from draas.model.errors import Conflict, DraasError, Invalid, Unavailable

CHUNK_BYTES = 8 * 1024 * 1024  # in memory at a time; on a line of 1 Mbit/s it takes a minute, which is waited for
Progress = Callable[[int, int], None]


async def upload_blob(transport: Transport, repository: str, file: Path, progress: Progress) -> str:
    """The digest of `file`, now a blob of `repository`. A controller that is away is waited for, from each byte on afresh.

    Raises DraasError, OSError where the file cannot be read.
    """
    digest, size = await asyncio.to_thread(_digest_of, file)
    return await _Upload(transport, repository, file, digest, size, progress).run()


def _digest_of(file: Path) -> tuple[str, int]:
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
        return f"sha256:{found}", opened.tell()


def _read(file: Path, offset: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(offset)
        return opened.read(CHUNK_BYTES)


class _Upload:
    """One upload. `location` is "" until the controller has given one, `offset` what it has."""

    def __init__(
        self, transport: Transport, repository: str, file: Path, digest: str, size: int, progress: Progress
    ) -> None:
        self._transport, self._file, self._progress = transport, file, progress
        self._blob = f"/v2/{repository}/blobs/{digest}"
        self._begin = f"/v2/{repository}/blobs/uploads/"
        self._digest, self._size = digest, size
        self._location, self._offset, self._unsure = "", 0, False
        self._chance = random.Random(ids.seed())

    async def run(self) -> str:
        until, attempt = clock.monotonic() + self._transport.patience_s, 0
        while True:
            before = self._offset
            try:
                if await self._step():
                    return self._digest
            except (CannotReach, Unavailable) as error:
                wait_s = full_jitter(attempt, base_s=BASE_S, cap_s=CAP_S, chance=self._chance.random())
                if not error.retryable or clock.monotonic() + wait_s >= until:
                    raise
                self._unsure, attempt = True, attempt + 1
                self._transport.on_away(error.detail)
                await asyncio.sleep(wait_s)
            if self._offset > before:
                until, attempt = clock.monotonic() + self._transport.patience_s, 0

    async def _step(self) -> bool:
        """One request's worth of progress; True at the end. Raises CannotReach, Unavailable where it may be tried again."""
        if not self._location:
            return await self._look_or_begin()
        if self._unsure:
            await self._ask_size()
            return False
        if self._offset < self._size:
            await self._send()
            return False
        return await self._finish()

    async def _look_or_begin(self) -> bool:
        if (await self._ask("HEAD", self._blob, 200, 404)).status == 200:
            self._progress(self._size, self._size)
            return True
        begun = await self._ask("POST", self._begin, 202)
        self._location, self._offset, self._unsure = begun.headers["Location"], 0, False
        self._progress(0, self._size)
        return False

    async def _ask_size(self) -> None:
        """Where the controller's part ends; from the beginning where it knows of none."""
        told = await self._ask("GET", self._location, 204, 404)
        if told.status == 404:
            self._location = ""
            return
        last = told.headers["Range"].partition("-")[2]
        # 0-0 is said of nothing and of one byte: taken for nothing, which is refused with 416 where it was the byte.
        self._offset, self._unsure = int(last) + 1 if int(last) > 0 else 0, False
        self._progress(self._offset, self._size)

    async def _send(self) -> None:
        chunk = await asyncio.to_thread(_read, self._file, self._offset)
        if not chunk:
            raise Invalid(f"{self._file} has become shorter while it was sent: try again")
        last = self._offset + len(chunk) - 1
        headers = {"Content-Range": f"{self._offset}-{last}", "Content-Type": "application/octet-stream"}
        told = await self._ask("PATCH", self._location, 202, 404, 409, 416, data=chunk, headers=headers)
        if told.status == 202:
            self._offset = last + 1
            self._progress(self._offset, self._size)
        elif told.status == 416 and (self._offset > 0 or told.headers.get("Range") != "0-0"):
            self._unsure = True  # what a cut left on its way has come in meanwhile
        else:
            await self._ask("DELETE", self._location, 204, 404)
            self._location = ""

    async def _finish(self) -> bool:
        told = await self._ask("PUT", f"{self._location}?digest={self._digest}", 201, 404, 400)
        if told.status == 201:
            return True
        if told.status == 400:
            raise Conflict(f"{self._file} has changed while it was sent: try again")
        self._location = ""  # finished before, the answer lost; or gone
        return False

    async def _ask(
        self, method: str, path: str, *good: int, data: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answered:
        told = await self._transport.ask(method, path, data, headers or {})
        if told.status not in good:
            raise _refusal(told)
        return told


def _refusal(told: Answered) -> DraasError:
    """The error in an answer of the distribution API."""
    try:
        document = msgspec.json.decode(told.body)
        detail = str(document["errors"][0]["message"])
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError):
        detail = f"the controller answered {told.status}"
    return problem_of(told.status, msgspec.json.encode({"detail": detail}))
