"""Images: reading what the registry holds, and removing what somebody names."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from draas.model.errors import Conflict, Invalid, NotFound
from draas.model.image_name import Digest, Repository, Tag, is_digest
from draas.model.node import Image
from draas.model.stored_image import BlobLink, StoredImage
from draas.scheduler.collection import GRACE_S, Holdings, Removal, Use
from draas.scheduler.image_use import Reference, User
from draas.server.registry.images import Images
from draas.server.registry.manifest import Manifest, read_manifest
from draas.store.manifests import ListedManifest

USERS_TOLD = 5


@dataclass(slots=True)
class Collected:
    """What came of a collection. `kept` could not go: it was used, pushed or named meanwhile."""

    removed: list[Removal] = field(default_factory=list)
    kept: list[Removal] = field(default_factory=list)

    @property
    def freed_bytes(self) -> int:
        return sum(one.size_bytes for one in self.removed)


class ImageCare(Protocol):
    """What the API asks about images. draas.server.loops.collection implements it. All of it raises StoreFailure."""

    def listed(self, repository: Repository | None = None) -> AsyncIterator[StoredImage]:
        """All images, or one repository's, in no order."""
        ...

    def users(self) -> Mapping[Reference, Sequence[User]]:
        """Who uses which image."""
        ...

    def unkept(self) -> Sequence[tuple[str, Image]]:
        """Images that nodes' agents pulled and nothing needs, each with its node's name: the agents remove them in time."""
        ...

    async def plan(self, *, is_urgent: bool) -> Sequence[Removal]:
        """What a collection would delete now, in order. Urgent: age protects nothing beyond the grace."""
        ...

    async def collect(self, *, is_urgent: bool) -> Collected:
        """Delete what may go. Where it fails in the middle, what is done is done, and the rest is found again."""
        ...

    async def remove(self, repository: Repository, reference: Tag | Digest | None) -> Sequence[StoredImage]:
        """See remove_images."""
        ...


async def read_holdings(images: Images) -> Holdings:
    """All that the registry holds. In this order: what is pushed meanwhile is fresh. Raises StoreFailure."""
    contents = [one async for one in images.blobs.contents()]
    known = {one.digest: one.digest for one in contents}  # a digest is a hundred bytes: each once
    links = [
        BlobLink(repository=one.repository, digest=known.get(one.digest, one.digest), fresh_at=one.fresh_at)
        async for one in images.blobs.links()
    ]
    uploads = [one async for one in images.blobs.uploads()]
    manifests = [read_image(one) async for one in images.manifests.listed()]
    return Holdings(manifests=manifests, links=links, contents=contents, uploads=uploads)


async def stored_images(images: Images, repository: Repository | None) -> AsyncIterator[StoredImage]:
    """All images, or one repository's."""
    async for listed in images.manifests.listed(repository):
        yield read_image(listed)


def read_image(listed: ListedManifest) -> StoredImage:
    """The manifest with what it refers to."""
    manifest, unread = listed.manifest, ""
    read = Manifest(media_type=manifest.media_type)
    try:
        read = read_manifest(manifest.content, manifest.media_type)
    except Invalid as wrong:
        unread = wrong.detail
    return StoredImage(
        repository=listed.repository, digest=manifest.digest, media_type=manifest.media_type, tags=listed.tags,
        size_bytes=len(manifest.media_type) + 1 + len(manifest.content), fresh_at=listed.fresh_at, blobs=read.blobs,
        manifests=read.manifests, content_bytes=read.content_bytes, unread=unread,
    )  # fmt: skip


async def remove_images(
    images: Images, use: Use, repository: Repository, reference: Tag | Digest | None, now: float
) -> list[StoredImage]:
    """Delete a tag (and with its last one the image), an image by its digest, or all of a repository's.

    The next collection frees the bytes. Raises NotFound, and Conflict where any of it is in use.
    """
    held = [read_image(one) async for one in images.manifests.listed(repository)]
    found = [one for one in held if reference is None or reference in (one.digest, *one.tags)]
    if not found:
        told = "" if reference is None else f"{'@' if is_digest(reference) else ':'}{reference}"
        raise NotFound(f"there is no image {repository}{told}")
    if reference is not None and not is_digest(reference):
        (one,) = found
        _check_unused(repository, [reference], use)
        if one.tags != (reference,) or (repository, one.digest) in use.images or _listing(found, held):
            await images.manifests.delete(repository, reference)
            return found
    names: list[Tag | Digest] = [*(one.digest for one in found), *(tag for one in found for tag in one.tags)]
    _check_unused(repository, names, use)
    for other in _listing(found, held):
        raise Conflict(f"{repository}@{other.digest} lists it for one platform: remove that instead")
    for one in sorted(found, key=lambda one: not one.manifests):  # what lists others first
        await images.manifests.delete(repository, one.digest)
    await _let_go(images, use, found, held, now)
    return found


async def _let_go(
    images: Images, use: Use, gone: Sequence[StoredImage], held: Sequence[StoredImage], now: float
) -> None:
    """Take the blobs of `gone` out of their repository, but for those that others of it have, that are fresh, or sources."""
    kept = {blob for one in held if one not in gone for blob in one.blobs}
    if any(one.unread for one in held):
        return
    for repository, blob in {(one.repository, blob): None for one in gone for blob in one.blobs}:
        if blob not in kept and (repository, blob) not in use.sources:
            await images.blobs.drop_link(BlobLink(repository=repository, digest=blob, fresh_at=now - GRACE_S))


def _listing(found: Sequence[StoredImage], held: Sequence[StoredImage]) -> list[StoredImage]:
    """Those of `held` that stay and list one of `found`."""
    gone = {one.digest for one in found}
    return [one for one in held if one.digest not in gone and gone & set(one.manifests)]


def _check_unused(repository: Repository, names: Sequence[Tag | Digest], use: Use) -> None:
    """Raises Conflict."""
    told = sorted({user for name in names for user in use.images.get((repository, name), ())})
    if told:
        more = f" and {len(told) - USERS_TOLD} more" if len(told) > USERS_TOLD else ""
        raise Conflict(f"{repository} is in use by {'; '.join(told[:USERS_TOLD])}{more}: remove or replace that before")
