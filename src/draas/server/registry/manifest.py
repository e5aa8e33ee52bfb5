"""Reading manifests: what one refers to, and that it is what its media type says."""

from dataclasses import dataclass
from typing import Any

import msgspec

from draas.model.errors import Invalid
from draas.model.image_name import Digest, parse_digest

IMAGES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MAX_BYTES = 4 * 1024 * 1024  # what the specification asks registries to take at least ("Pushing Manifests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`blobs` and `manifests` are what must be in the repository before it."""

    media_type: str
    blobs: tuple[Digest, ...] = ()
    manifests: tuple[Digest, ...] = ()
    content_bytes: int = 0  # of `blobs`, as the manifest says


def read_manifest(content: bytes, content_type: str) -> Manifest:
    """`content` as a manifest of `content_type`, or (where that is empty) of the type that it names itself. Raises Invalid."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"the manifest is no JSON: {error}") from None
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        raise Invalid("the manifest has not schemaVersion 2: push it with a client that is not older than 2017")
    media_type = _media_type(document, content_type)
    if media_type in INDEXES:
        return Manifest(media_type=media_type, manifests=_digests(document, "manifests"))
    config = _digest(document.get("config"), "config")
    blobs = (config, *_digests(document, "layers"))
    size = sum(map(_size, (document["config"], *document["layers"])))
    return Manifest(media_type=media_type, blobs=blobs, content_bytes=size)


def _media_type(document: dict[str, Any], content_type: str) -> str:
    given, own = content_type.partition(";")[0].strip().lower(), document.get("mediaType")
    if own is not None and given and own != given:
        raise Invalid(f"Content-Type is {given[:120]!r} and the manifest's mediaType {str(own)[:120]!r}: send the same")
    media_type = given or own
    if media_type not in IMAGES + INDEXES:
        known = ", ".join(IMAGES + INDEXES)
        raise Invalid(f"manifests of the type {str(media_type)[:120]!r} are not kept here, only {known}")
    return str(media_type)


def _digests(document: dict[str, Any], field: str) -> tuple[Digest, ...]:
    listed = document.get(field)
    if not isinstance(listed, list):
        raise Invalid(f"the manifest's {field} must be a list of descriptors")
    # A layer with URLs is somebody else's to serve (image specification, "Non-distributable layers").
    return tuple(
        _digest(one, f"{field}[{at}]")
        for at, one in enumerate(listed)
        if not (field == "layers" and isinstance(one, dict) and one.get("urls"))
    )


def _size(descriptor: dict[str, Any]) -> int:
    found = descriptor.get("size")
    return found if isinstance(found, int) and found > 0 and not descriptor.get("urls") else 0


def _digest(descriptor: object, field: str) -> Digest:
    found = descriptor.get("digest") if isinstance(descriptor, dict) else None
    if not isinstance(found, str):
        raise Invalid(f"the manifest's {field} must be a descriptor with a digest")
    try:
        return parse_digest(found)
    except Invalid as wrong:
        raise Invalid(f"the manifest's {field}: {wrong.detail}") from None
