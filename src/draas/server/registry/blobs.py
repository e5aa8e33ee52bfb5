"""Blobs: look, read, delete (specification 1.1, "Pulling blobs", "Checking if content exists", "Deleting Blobs")."""

from starlette.responses import Response, StreamingResponse

from draas.server.api.guard import api_of
from draas.server.registry.entry import Call
from draas.server.registry.errors import Refused
from draas.server.registry.ranges import Unsatisfiable, parse_range

# What a digest names never changes; whether this key may see it can, so that only its own cache may keep it.
_CACHED = "private, max-age=31536000, immutable"


async def head_blob(call: Call) -> Response:
    """ "Checking if content exists in the registry": end-2 with HEAD."""
    size = await call.images.blobs.refresh(call.repository, call.digest)  # who pushes sends no blob that it finds here
    if size is None:
        raise _unknown(call)
    return Response(status_code=200, headers={**_headers(call), "Content-Length": str(size)})


async def get_blob(call: Call) -> Response:
    """ "Pulling blobs": end-2. One range is served (RFC 9110 section 14), so that a pull can be resumed."""
    size, headers = await _size(call), call.request.headers
    unconditional = headers.get("if-range", _etag(call)) == _etag(call)
    try:
        part = parse_range(headers.get("range"), size) if unconditional else None
    except Unsatisfiable:
        told = f"the blob has {size} bytes, none of them in the range {headers['range'][:60]!r}"
        raise Refused(416, "SIZE_INVALID", told, headers={"Content-Range": f"bytes */{size}"}) from None
    first, length = (part.first, part.length) if part is not None else (0, size)
    answer = StreamingResponse(
        call.images.blobs.read(call.digest, first, length), 200 if part is None else 206, _headers(call)
    )
    answer.headers["Content-Length"] = str(length)
    if part is not None:
        answer.headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    return answer


async def delete_blob(call: Call) -> Response:
    """ "Deleting Blobs": end-10. Other repositories that have the blob keep it."""
    if (call.repository, call.digest) in api_of(call.request).controller.sources_in_use():
        told = f"{call.digest} is the source of a build that has not ended: cancel that first (GET /api/builds)"
        raise Refused(409, "DENIED", told)
    if not await call.images.blobs.delete(call.repository, call.digest):
        raise _unknown(call)
    return Response(status_code=202)


async def _size(call: Call) -> int:
    size = await call.images.blobs.size(call.repository, call.digest)
    if size is None:
        raise _unknown(call)
    return size


def _unknown(call: Call) -> Refused:
    told = f"{call.repository} has no blob {call.digest}"
    return Refused(404, "BLOB_UNKNOWN", told, details=[{"digest": call.digest}])


def _etag(call: Call) -> str:
    return f'"{call.digest}"'


def _headers(call: Call) -> dict[str, str]:
    return {
        "Content-Type": "application/octet-stream",
        "Docker-Content-Digest": call.digest,
        "ETag": _etag(call),
        "Accept-Ranges": "bytes",
        "Cache-Control": _CACHED,
    }
