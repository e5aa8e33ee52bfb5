"""What the controller's registry holds, as plain values: manifests, which repository has which blob, contents, uploads."""

from dataclasses import dataclass

from draas.model.image_name import Digest, Repository, Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """A manifest: of an image, or of several (an index). `fresh_at` is when it was pushed last, or a tag of it moved to another."""

    repository: Repository
    digest: Digest
    media_type: str
    size_bytes: int  # of the manifest itself
    fresh_at: float
    tags: tuple[Tag, ...] = ()
    blobs: tuple[Digest, ...] = ()  # what it refers to, as the next
    manifests: tuple[Digest, ...] = ()
    content_bytes: int = 0  # of its blobs, as it says
    unread: str = ""  # why what it refers to is not known: it then keeps all of its repository


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobLink:
    """That a repository has a blob. `fresh_at` is when it was pushed, mounted or looked for by a push last."""

    repository: Repository
    digest: Digest
    fresh_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobContent:
    """A blob's bytes, once for all repositories. `fresh_at` is when a repository got it last."""

    digest: Digest
    size_bytes: int
    fresh_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUpload:
    """An upload that is not finished. `fresh_at` is when it was written last."""

    repository: Repository
    id: str
    size_bytes: int
    fresh_at: float
