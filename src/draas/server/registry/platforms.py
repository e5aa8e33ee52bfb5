"""Platforms: that an image of the controller's registry is there, and which architectures it is built for."""

import asyncio
from collections import OrderedDict
from typing import Any

import msgspec

from draas.model.errors import Fault, Invalid
from draas.model.image_name import (
    CLUSTER_HOST,
    Digest,
    Repository,
    Tag,
    is_digest,
    parse_cluster_image,
    project_of_repository,
)
from draas.server.registry.images import Images
from draas.server.registry.manifest import INDEXES
from draas.store.manifests import StoredManifest

TAGS_NAMED = 5  # more are no help in one sentence
CONFIG_BYTES = 4 * 1024 * 1024  # larger ones are not read: the agent finds out after the pull
KNOWN_MOST = 4096  # digests; what a digest names never changes
Architectures = tuple[str, ...]


class Platforms:
    """Looks into the registry for whoever submits jobs and apps. All of it raises StoreFailure where the medium fails."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._known: OrderedDict[tuple[Repository, Digest], Architectures] = OrderedDict()

    async def find(self, image: str, project: str | None) -> Architectures:
        """What `image`, which is of the controller's registry, is built for; none where it does not say.

        `project` is the one that the asking key is for, if any. Raises Invalid, with the fault at `image`.
        """
        try:
            named = parse_cluster_image(image)
        except Invalid as wrong:
            raise _wrong(wrong.detail) from None
        if named is None:
            raise ValueError(f"{image} is not of the controller's registry")
        repository, reference = named
        if project is not None and project != project_of_repository(repository):
            raise _wrong(f"the key is for project {project} only: its images are {CLUSTER_HOST}/{project}/NAME")
        found = await self._images.manifests.get(repository, reference)
        if found is None:
            raise _wrong(await self._what_is_there(repository, reference))
        known = self._known.get((repository, found.digest))
        if known is None:
            known = self._known[repository, found.digest] = await self._built_for(repository, found)
            if len(self._known) > KNOWN_MOST:
                self._known.popitem(last=False)
        return known

    async def _what_is_there(self, repository: Repository, reference: Tag | Digest) -> str:
        tags = await self._images.manifests.tags(repository)
        if tags is None:
            return f"nothing was ever pushed to {repository} in the controller's registry: see `draas images list`"
        named = ", ".join(tags[:TAGS_NAMED]) + (f" and {len(tags) - TAGS_NAMED} more" if len(tags) > TAGS_NAMED else "")
        what = reference if is_digest(reference) else f"tag {reference}"
        return f"{repository} in the controller's registry has no {what}: its tags are {named or 'none'}"

    async def _built_for(self, repository: Repository, manifest: StoredManifest) -> Architectures:
        document = await asyncio.to_thread(_read, manifest.content)
        if manifest.media_type not in INDEXES:
            return _sorted({await self._of_config(repository, document)})
        found: set[str] = set()
        for entry in _list(document, "manifests"):
            platform = entry.get("platform")
            if isinstance(platform, dict):
                if platform.get("os") in ("linux", None):
                    found.add(str(platform.get("architecture", "")))
            elif (inner := await self._images.manifests.get(repository, Digest(str(entry["digest"])))) is not None:
                found.add(await self._of_config(repository, await asyncio.to_thread(_read, inner.content)))
        return _sorted(found)

    async def _of_config(self, repository: Repository, manifest: dict[str, Any]) -> str:
        config = manifest.get("config")
        digest = Digest(str(config.get("digest"))) if isinstance(config, dict) else None
        size = await self._images.blobs.size(repository, digest) if digest is not None else None
        if digest is None or size is None or size > CONFIG_BYTES:
            return ""
        content = b"".join([piece async for piece in self._images.blobs.read(digest, 0, size)])
        architecture = (await asyncio.to_thread(_read, content)).get("architecture")
        return architecture if isinstance(architecture, str) else ""


def _sorted(found: set[str]) -> Architectures:
    """None at all where one of them is not known. `unknown` is what attestations in an index are for."""
    return () if "" in found else tuple(sorted(found - {"unknown"}))


def _read(content: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _list(document: dict[str, Any], field: str) -> list[dict[str, Any]]:
    listed = document.get(field)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _wrong(told: str) -> Invalid:
    return Invalid("the request is not valid", (Fault("image", told),))
