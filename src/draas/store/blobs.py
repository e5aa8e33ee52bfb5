"""The BlobStore protocol: content by digest, which repository may show it, and uploads that can be resumed.

Files implement it (draas.store.blob_files), and a bucket of an S3-compatible store (draas.store.blob_bucket). All of it raises StoreFailure where the medium fails, StorageFull where it is full.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NewType, Protocol

from draas.model.errors import DraasError
from draas.model.image_name import Digest, Repository
from draas.model.stored_image import BlobContent, BlobLink, OpenUpload
from draas.store.store import StoreFailure

UploadId = NewType("UploadId", str)
PIECE_BYTES = 1024 * 1024  # of content held in memory at a time by one request, each way


class StorageFull(StoreFailure):
    """No space left. What was being written is gone."""


class WrongDigest(DraasError):
    """What was uploaded is not what its digest says. The upload is gone."""


class UploadWriter(Protocol):
    """The right to write one upload, until somebody else takes it: everything but `size` then raises Conflict."""

    @property
    def size(self) -> int:
        """Bytes stored so far."""
        ...

    async def append(self, pieces: Sequence[bytes]) -> None:
        """Add `pieces` to the end. Where the disk is full the whole upload is dropped. Raises StorageFull."""
        ...

    async def sync(self) -> None:
        """Make what was appended durable."""
        ...

    async def truncate(self, size: int) -> None:
        """Forget what lies behind `size`."""
        ...

    async def digest(self) -> Digest:
        """Of what is stored so far: for who sends without knowing it."""
        ...

    async def finish(self, digest: Digest) -> None:
        """Durably make the upload the repository's blob `digest`, and end it. Raises WrongDigest.

        Where it fails otherwise the upload is as it was, and can be finished again.
        """
        ...


class Inflow(Protocol):
    """Content on its way in that nobody can resume: it is gone with its request or its controller. Where it goes is said at the end."""

    @property
    def size(self) -> int:
        """Bytes stored so far."""
        ...

    async def append(self, pieces: Sequence[bytes]) -> None:
        """Add `pieces` to the end. Raises StorageFull."""
        ...

    async def digest(self) -> Digest:
        """Of what is there."""
        ...

    async def keep(self, repository: Repository) -> None:
        """Durably make it a blob of `repository`."""
        ...

    async def drop(self) -> None:
        """Forget it, where it was not kept."""
        ...


class BlobStore(Protocol):
    """A blob is stored once, and seen through the repositories that it was pushed to or mounted in only."""

    async def open(self) -> None:
        """Before all else, once: see that the blobs are where they are looked for. Raises Invalid where they are elsewhere."""
        ...

    async def begin(self, repository: Repository) -> UploadId:
        """An empty upload."""
        ...

    async def upload_size(self, repository: Repository, id: UploadId) -> int:
        """Bytes stored so far. Raises NotFound, also where the upload is another repository's."""
        ...

    async def take(self, repository: Repository, id: UploadId) -> UploadWriter:
        """Go on with an upload; whoever wrote it until now no longer can. Raises NotFound."""
        ...

    async def receive(self) -> Inflow:
        """Room for content that comes in one request."""
        ...

    async def cancel(self, repository: Repository, id: UploadId) -> None:
        """Drop an upload. Raises NotFound."""
        ...

    async def size(self, repository: Repository, digest: Digest) -> int | None:
        """Bytes of a blob; None where the repository has none such."""
        ...

    async def refresh(self, repository: Repository, digest: Digest) -> int | None:
        """The same for a push, which counts on the blob if it is there: it is fresh from now on."""
        ...

    async def missing(self, repository: Repository, digests: Sequence[Digest]) -> list[Digest]:
        """Those of `digests` that the repository does not have. The others are fresh from now on: a push counts on them."""
        ...

    def read(self, digest: Digest, first: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `first` on, in pieces of PIECE_BYTES. Ask `size` before: this does not look at repositories."""
        ...

    async def mount(self, digest: Digest, source: Repository, target: Repository) -> bool:
        """Show `target` a blob of `source`; False where that has none such."""
        ...

    async def delete(self, repository: Repository, digest: Digest) -> bool:
        """Take a blob from a repository; False where it had none such. Others that have it keep it."""
        ...

    def links(self) -> AsyncIterator[BlobLink]:
        """Which repository has which blob, in no order; what changes meanwhile may be there or not. So are the next two."""
        ...

    def contents(self) -> AsyncIterator[BlobContent]: ...

    def uploads(self) -> AsyncIterator[OpenUpload]: ...

    async def drop_link(self, link: BlobLink) -> bool:
        """Take a blob from a repository, unless it is fresher than `link` says or gone. A power cut may undo it."""
        ...

    async def drop_content(self, content: BlobContent) -> bool:
        """Free a blob's bytes, unless a repository got it after `content` was seen. None may have it. A power cut may undo it."""
        ...

    async def drop_upload(self, upload: OpenUpload) -> bool:
        """Drop an upload, unless it was written since or ended. A power cut may undo it."""
        ...

    async def close(self) -> None:
        """Wait for what is under way."""
        ...
