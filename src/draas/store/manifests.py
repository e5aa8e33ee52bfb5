"""The ManifestStore protocol: the manifests of each repository, and the tags that name them.

Files implement it (draas.store.manifest_files). All of it raises StoreFailure where the medium fails, StorageFull where it is full.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from draas.model.image_name import Digest, Repository, Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredManifest:
    """Byte for byte as it was pushed, with the media type under which it was."""

    digest: Digest
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedManifest:
    """A manifest where it is, with the tags that name it. `fresh_at` is when it was pushed last, or a tag of it moved to another."""

    repository: Repository
    manifest: StoredManifest
    tags: tuple[Tag, ...]
    fresh_at: float


class ManifestStore(Protocol):
    async def put(self, repository: Repository, manifest: StoredManifest, tag: Tag | None) -> None:
        """Durably keep `manifest`; `tag` names it from now on. Both it and what `tag` named before are fresh."""
        ...

    async def get(self, repository: Repository, reference: Tag | Digest) -> StoredManifest | None: ...

    async def missing(self, repository: Repository, digests: Sequence[Digest]) -> list[Digest]:
        """Those of `digests` that the repository does not have. The others are fresh from now on: a push counts on them."""
        ...

    async def delete(self, repository: Repository, reference: Tag | Digest) -> bool:
        """A tag: that alone. A digest: the manifest and the tags that name it. False where there is none."""
        ...

    async def tags(self, repository: Repository) -> list[Tag] | None:
        """In tag_order; None where nothing was ever pushed there."""
        ...

    def listed(self, repository: Repository | None = None) -> AsyncIterator[ListedManifest]:
        """All manifests, or one repository's, in no order; what changes meanwhile may be there or not."""
        ...

    async def drop(self, repository: Repository, digest: Digest, fresh_at: float, tags: Sequence[Tag]) -> bool:
        """Durably delete a manifest with its `tags`, unless it is fresher, has another tag, or is gone."""
        ...

    async def close(self) -> None:
        """Wait for what is under way."""
        ...
