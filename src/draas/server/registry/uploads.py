"""Uploads: whole, in chunks, as a stream, or mounted from another repository (specification 1.1, "Pushing blobs")."""

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from draas.model.errors import Forbidden, Invalid, NotFound
from draas.server.api.guard import check_room
from draas.server.api.pieces import pieces_of
from draas.server.api.problems import TooSlow
from draas.server.registry.entry import Call, digest_of, repository_of
from draas.server.registry.errors import NO_STORE, Refused
from draas.server.registry.ranges import ByteRange, parse_content_range
from draas.store.blobs import PIECE_BYTES, UploadId, UploadWriter

RESUME = "go on from where GET of the upload says"  # what has come until a silence is kept
UPLOADS = "uploads"


async def post_upload(call: Call) -> Response:
    """ "POST then PUT" (end-4a), "Single POST" (end-4b), "Mounting a blob from another repository" (end-11)."""
    query, blobs = call.request.query_params, call.images.blobs
    if "mount" in query and await _mount(call):
        return _created(call, query["mount"])
    digest = digest_of(query["digest"]) if "digest" in query else None
    check_room(call.request, UPLOADS)
    id = await blobs.begin(call.repository)
    if digest is None:
        return _session(call, 202, id, 0)
    try:
        writer = await blobs.take(call.repository, id)
        await _receive(call, writer, None)
        await writer.finish(digest)
    except BaseException:
        await _drop(call, id)  # nobody knows its name
        raise
    return _created(call, digest)


async def get_upload(call: Call) -> Response:
    """ "Pushing a blob in chunks": end-13, how much has arrived."""
    try:
        size = await call.images.blobs.upload_size(call.repository, call.session)
    except NotFound as gone:
        raise _unknown(gone) from None
    return _session(call, 204, call.session, size)


async def patch_upload(call: Call) -> Response:
    """ "Pushing a blob in chunks" (end-5); without Content-Range a stream that goes on where the last one ended."""
    check_room(call.request, UPLOADS)
    writer = await _take(call)
    await _receive(call, writer, _place(call, writer))
    await writer.sync()
    return _session(call, 202, call.session, writer.size)


async def put_upload(call: Call) -> Response:
    """ "Pushing a blob monolithically" and the end of "Pushing a blob in chunks": end-6, with or without a last chunk."""
    if "digest" not in call.request.query_params:
        raise Refused(400, "DIGEST_INVALID", "the digest is missing: PUT …?digest=sha256:…")
    digest = digest_of(call.request.query_params["digest"])
    if call.request.headers.get("content-length") != "0":  # the end of one whose bytes are here takes no room
        check_room(call.request, UPLOADS)
    writer = await _take(call)
    await _receive(call, writer, _place(call, writer))
    await writer.finish(digest)
    return _created(call, digest)


async def delete_upload(call: Call) -> Response:
    """Cancel. Not in 1.1's table of endpoints, but clients have always been able to."""
    try:
        await call.images.blobs.cancel(call.repository, call.session)
    except NotFound as gone:
        raise _unknown(gone) from None
    return Response(status_code=204)


async def _mount(call: Call) -> bool:
    """Whether the blob is there now. Whatever speaks against it, the client is told to upload, as the specification wants it."""
    query = call.request.query_params
    try:
        source = repository_of(query.get("from", ""))
        call.check_may_read(source)
        return await call.images.blobs.mount(digest_of(query["mount"]), source, call.repository)
    except (Refused, Forbidden):
        return False


async def _take(call: Call) -> UploadWriter:
    try:
        return await call.images.blobs.take(call.repository, call.session)
    except NotFound as gone:
        raise _unknown(gone) from None


def _place(call: Call, writer: UploadWriter) -> ByteRange | None:
    """Where the chunk belongs, which is at the end. Raises Refused."""
    headers = call.request.headers
    if "content-range" not in headers:
        return None
    try:
        place = parse_content_range(headers["content-range"])
    except Invalid as wrong:
        raise _out_of_order(call, writer, wrong.detail) from None
    if place.first != writer.size:
        told = f"the upload has {writer.size} bytes: the next chunk must begin there and not at {place.first}"
        raise _out_of_order(call, writer, told)
    announced = headers.get("content-length", str(place.length))
    if announced != str(place.length):
        raise Refused(
            400, "SIZE_INVALID", f"Content-Range has {place.length} bytes and Content-Length {announced[:20]}"
        )
    return place


async def _receive(call: Call, writer: UploadWriter, place: ByteRange | None) -> None:
    """Store the body as it comes. What came before a cut is kept; a body that is not as long as `place` says is not.

    Raises Refused, ClientDisconnect, TooSlow, StorageFull, Conflict.
    """
    began, received = writer.size, 0
    held: list[bytes] = []
    held_bytes = 0
    try:
        async for piece in pieces_of(call.request, RESUME):
            received += len(piece)
            if place is not None and received > place.length:
                break
            held.append(piece)
            held_bytes += len(piece)
            if held_bytes >= PIECE_BYTES:
                await writer.append(held)
                held, held_bytes = [], 0
    except (ClientDisconnect, TooSlow):
        if held:
            await writer.append(held)
        raise
    if place is not None and received != place.length:
        await writer.truncate(began)
        raise Refused(400, "SIZE_INVALID", f"Content-Range has {place.length} bytes and the body another number")
    if held:
        await writer.append(held)


async def _drop(call: Call, id: UploadId) -> None:
    try:
        await call.images.blobs.cancel(call.repository, id)
    except NotFound:
        return  # ended already


def _session(call: Call, status: int, id: UploadId, size: int) -> Response:
    return Response(status_code=status, headers=_session_headers(call, id, size))


def _session_headers(call: Call, id: UploadId, size: int) -> dict[str, str]:
    # An empty range cannot be said: 0-0 also stands for nothing, as everywhere in this API.
    return {
        **NO_STORE,
        "Location": f"/v2/{call.repository}/blobs/uploads/{id}",
        "Range": f"0-{max(size - 1, 0)}",
        "Docker-Upload-UUID": id,
    }


def _created(call: Call, digest: str) -> Response:
    location = f"/v2/{call.repository}/blobs/{digest}"
    return Response(status_code=201, headers={"Location": location, "Docker-Content-Digest": digest})


def _out_of_order(call: Call, writer: UploadWriter, told: str) -> Refused:
    headers = _session_headers(call, call.session, writer.size)
    return Refused(416, "BLOB_UPLOAD_INVALID", told, headers=headers)


def _unknown(gone: NotFound) -> Refused:
    return Refused(404, "BLOB_UPLOAD_UNKNOWN", gone.detail)
