"""Manifests and tags (specification 1.1, "Pulling manifests", "Pushing Manifests", "Listing Tags", "Deleting Manifests")."""

import asyncio
import hashlib
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from draas.model.errors import Invalid
from draas.model.image_name import Digest, Tag, is_digest, tag_order
from draas.server.api.problems import TooSlow
from draas.server.registry.entry import Call
from draas.server.registry.errors import NO_STORE, Refused
from draas.server.registry.manifest import MAX_BYTES, Manifest, read_manifest
from draas.store.manifests import StoredManifest

BODY_S = 120.0  # a manifest that takes longer is given up
_COUNT_DIGITS = 9


async def get_manifest(call: Call) -> Response:
    """ "Pulling manifests" and "Checking if content exists": end-3, byte for byte and of the type as it was pushed."""
    found = await call.images.manifests.get(call.repository, call.reference)
    if found is None:
        raise _unknown(call)
    headers = {
        **NO_STORE,
        "Content-Type": found.media_type,
        "Docker-Content-Digest": found.digest,
        "ETag": f'"{found.digest}"',
    }
    return Response(found.content, headers=headers)


async def put_manifest(call: Call) -> Response:
    """ "Pushing Manifests": end-7. What it refers to must be in the repository already.

    A `subject` is kept but not listed: the referrers API is not served, so clients use the referrers tag schema
    ("Pushing Manifests with Subject").
    """
    reference, content = call.reference, await _read(call)
    try:
        manifest = await asyncio.to_thread(read_manifest, content, call.request.headers.get("content-type", ""))
    except Invalid as wrong:
        raise Refused(400, "MANIFEST_INVALID", wrong.detail) from None
    digest = Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")
    if is_digest(reference) and reference != digest:
        raise Refused(400, "DIGEST_INVALID", f"what was sent has the digest {digest}, not {reference}")
    await _check_there(call, manifest)
    stored = StoredManifest(digest=digest, media_type=manifest.media_type, content=content)
    await call.images.manifests.put(call.repository, stored, None if is_digest(reference) else Tag(reference))
    location = f"/v2/{call.repository}/manifests/{digest}"
    return Response(status_code=201, headers={"Location": location, "Docker-Content-Digest": digest})


async def delete_manifest(call: Call) -> Response:
    """ "Deleting tags" and "Deleting Manifests": end-9."""
    if not await call.images.manifests.delete(call.repository, call.reference):
        raise _unknown(call)
    return Response(status_code=202)


async def list_tags(call: Call) -> Response:
    """ "Listing Tags": end-8a and end-8b, whatever their case; Link names the next page where there is one."""
    query = call.request.query_params
    present = await call.images.manifests.tags(call.repository)
    if present is None:
        raise Refused(404, "NAME_UNKNOWN", f"nothing was ever pushed to {call.repository}")
    rest = [tag for tag in present if tag_order(tag) > tag_order(query.get("last", ""))]
    page = rest[: _count(query["n"])] if "n" in query else rest
    headers = dict(NO_STORE)
    if page and len(page) < len(rest):
        next_page = f"/v2/{call.repository}/tags/list?n={len(page)}&last={quote(page[-1])}"
        headers["Link"] = f'<{next_page}>; rel="next"'
    body = msgspec.json.encode({"name": call.repository, "tags": page})
    return Response(body, headers=headers, media_type="application/json")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _COUNT_DIGITS):
        raise Refused(400, "UNSUPPORTED", f"n must be a number of tags, not {text[:40]!r}")
    return int(text)


async def _read(call: Call) -> bytes:
    announced = call.request.headers.get("content-length", "0")
    parts: list[bytes] = []
    size = int(announced) if announced.isdigit() else 0
    try:
        async with asyncio.timeout(BODY_S):
            if size > MAX_BYTES:
                raise _too_large()
            size = 0
            async for part in call.request.stream():
                size += len(part)
                if size > MAX_BYTES:
                    raise _too_large()
                parts.append(part)
    except TimeoutError:
        raise TooSlow(f"the manifest did not arrive within {BODY_S:.0f} s: send it again") from None
    return b"".join(parts)


def _too_large() -> Refused:
    return Refused(413, "SIZE_INVALID", f"the manifest is larger than {MAX_BYTES // (1024 * 1024)} MiB")


async def _check_there(call: Call, manifest: Manifest) -> None:
    """Raises Refused with one detail for each that is missing."""
    missing = await call.images.blobs.missing(call.repository, manifest.blobs)
    missing += await call.images.manifests.missing(call.repository, manifest.manifests)
    if missing:
        told = f"{call.repository} lacks {len(missing)} of what the manifest refers to: push that before"
        raise Refused(404, "MANIFEST_BLOB_UNKNOWN", told, details=[{"digest": digest} for digest in missing])


def _unknown(call: Call) -> Refused:
    told = f"{call.repository} has no manifest {call.reference}"
    return Refused(404, "MANIFEST_UNKNOWN", told, details=[{"reference": call.reference}])
