"""The form of POST /api/builds: `spec` and `source`, in any order; the source goes to disk as it comes."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from draas.model.errors import Fault, Invalid, TooLarge, Unavailable
from draas.model.image_name import Digest
from draas.server.api.bodies import SINGLE_BYTES, parse
from draas.server.api.faults import unknown_field
from draas.server.api.form import Part, parts_of
from draas.store.blobs import PIECE_BYTES, BlobStore, Inflow
from draas.wire.build_body import BuildBody

MAX_SOURCE_BYTES = 2 * 1024**3
MAX_FORM_BYTES = MAX_SOURCE_BYTES + SINGLE_BYTES + 64 * 1024  # with what stands between
PARTS = ("spec", "source")
_REMEDY = "send it again, or push the source through /v2, where an upload can be resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildForm:
    """`raw` is the spec as it was sent; `source` is forgotten at the end of receive_form's block unless it is kept."""

    raw: bytes
    body: BuildBody
    source: Inflow
    digest: Digest


@contextlib.asynccontextmanager
async def receive_form(request: Request, blobs: BlobStore) -> AsyncIterator[BuildForm]:
    """The form, read to its end. Raises Invalid, TooLarge, TooSlow, Unavailable, StorageFull; nothing is left then."""
    announced = request.headers.get("content-length", "0")
    if not announced.isascii() or not announced.isdigit() or int(announced[:20]) > MAX_FORM_BYTES:
        raise _too_large()
    inflow = await blobs.receive()
    try:
        reading = _Reading(inflow)
        try:
            async for part in parts_of(request, _REMEDY):
                await reading.take(part)
        except ClientDisconnect:
            raise Unavailable("the connection was closed before the body was complete") from None
        yield await reading.finish()
    finally:
        await inflow.drop()


class _Reading:
    """What has come so far."""

    def __init__(self, source: Inflow) -> None:
        self._source = source
        self._seen: set[str] = set()
        self._raw = bytearray()
        self._body: BuildBody | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0

    async def take(self, part: Part) -> None:
        """One piece. Raises Invalid, TooLarge, StorageFull."""
        if part.begins:
            self._begin(part.name)
        if part.name == "spec":
            self._raw += part.data
            if len(self._raw) > SINGLE_BYTES:
                raise TooLarge(
                    f"the part spec is larger than {SINGLE_BYTES // 1024**2} MiB: the file is the part source"
                )
            if part.ends:
                self._body = _parse(bytes(self._raw))
            return
        if part.data:
            self._held.append(part.data)
            self._held_bytes += len(part.data)
        if self._held_bytes >= PIECE_BYTES or (part.ends and self._held):
            await self._write()

    def _begin(self, name: str) -> None:
        if name not in PARTS:
            told = unknown_field(name, PARTS) if name else "has a part without a name: name them spec and source"
            raise _wrong(name, told)
        if name in self._seen:
            raise _wrong(name, "is there twice: send it once")
        self._seen.add(name)

    async def _write(self) -> None:
        if self._source.size + self._held_bytes > MAX_SOURCE_BYTES:
            raise _too_large()
        await self._source.append(self._held)
        self._held, self._held_bytes = [], 0

    async def finish(self) -> BuildForm:
        """Raises Invalid where something is missing."""
        if self._body is None:
            raise _wrong("spec", 'is required: a part with JSON such as {"name": "shop"}')
        if "source" not in self._seen:
            raise _wrong("source", "is required: a part with a zip, tar or tar.gz; to build from git, send JSON alone")
        if self._source.size == 0:
            raise _wrong("source", "is empty: send a zip, tar or tar.gz")
        digest = await self._source.digest()
        return BuildForm(raw=bytes(self._raw), body=self._body, source=self._source, digest=digest)


def _parse(raw: bytes) -> BuildBody:
    body = parse(BuildBody, raw, "spec")
    for name in ("source", "upload", "git"):
        if getattr(body, name) is not None:
            raise _wrong(f"spec.{name}", "must be left out: the source is the part of that name")
    return body


def _wrong(path: str, told: str) -> Invalid:
    return Invalid("the request is not valid", (Fault(path, told),))


def _too_large() -> TooLarge:
    return TooLarge(
        f"the source is larger than {MAX_SOURCE_BYTES // 1024**3} GiB: leave out what the build does not need "
        "(.dockerignore), or let it fetch what is that large"
    )
