"""BlobFiles: blobs as files in the registry's folder; docs/internals/registry.md says which. Threads do the work on disk."""

import os
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

from draas.lib.durable import make_folder, sync_folder
from draas.model.image_name import Digest, Repository
from draas.model.stored_image import BlobContent, BlobLink, OpenUpload
from draas.store.blobs import PIECE_BYTES, Inflow, UploadId, UploadWriter
from draas.store.bucket_record import check_no_bucket
from draas.store.link_files import LinkFiles
from draas.store.registry_folder import RegistryFolder, size_of
from draas.store.repository_files import entries_in, touch_file
from draas.store.upload_files import UploadFiles, sync_file


class BlobFiles:
    """Implements draas.store.blobs.BlobStore in `folder`. Raises StoreFailure where the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = RegistryFolder(folder)
        self._links = LinkFiles(self._folder)
        self._uploads = UploadFiles(self._folder, self._keep)

    async def open(self) -> None:
        """See BlobStore.open."""
        await self._folder.run(lambda: check_no_bucket(self._folder.path))

    async def begin(self, repository: Repository) -> UploadId:
        """See BlobStore.begin."""
        return await self._uploads.begin(repository)

    async def upload_size(self, repository: Repository, id: UploadId) -> int:
        """See BlobStore.upload_size."""
        return await self._uploads.size(repository, id)

    async def take(self, repository: Repository, id: UploadId) -> UploadWriter:
        """See BlobStore.take."""
        return await self._uploads.take(repository, id)

    async def receive(self) -> Inflow:
        """See BlobStore.receive."""
        return await self._uploads.receive()

    async def cancel(self, repository: Repository, id: UploadId) -> None:
        """See BlobStore.cancel."""
        await self._uploads.cancel(repository, id)

    async def size(self, repository: Repository, digest: Digest) -> int | None:
        """See BlobStore.size."""
        return await self._folder.run(
            lambda: size_of(self._path(digest)) if self._links.has(repository, digest) else None
        )

    async def missing(self, repository: Repository, digests: Sequence[Digest]) -> list[Digest]:
        """See BlobStore.missing."""
        return await self._folder.run(lambda: [one for one in digests if self._refresh(repository, one) is None])

    async def refresh(self, repository: Repository, digest: Digest) -> int | None:
        """See BlobStore.refresh."""
        return await self._folder.run(lambda: self._refresh(repository, digest))

    async def read(self, digest: Digest, first: int, length: int) -> AsyncIterator[bytes]:
        """See BlobStore.read."""
        descriptor = await self._folder.run(lambda: os.open(self._path(digest), os.O_RDONLY))
        try:
            at, end = first, first + length
            while at < end:
                piece = await self._folder.run(partial(os.pread, descriptor, min(PIECE_BYTES, end - at), at))
                if not piece:
                    raise EOFError(f"{digest} is shorter than its size was")
                at += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    async def mount(self, digest: Digest, source: Repository, target: Repository) -> bool:
        """See BlobStore.mount."""

        def link() -> bool:
            if self._refresh(source, digest) is None:
                return False
            self._links.add(target, digest)
            return True

        return await self._folder.run(link)

    async def delete(self, repository: Repository, digest: Digest) -> bool:
        """See BlobStore.delete."""
        return await self._links.delete(repository, digest)

    def links(self) -> AsyncIterator[BlobLink]:
        """See BlobStore.links."""
        return self._links.listed()

    async def contents(self) -> AsyncIterator[BlobContent]:
        """See BlobStore.contents."""
        top = self._folder.path / "blobs" / "sha256"
        for folder in await self._folder.run(lambda: [name for name, _ in entries_in(top)]):
            async for entries in self._folder.entries(top / folder):
                for name, found in entries:
                    digest = Digest(f"sha256:{name}")
                    yield BlobContent(digest=digest, size_bytes=found.st_size, fresh_at=found.st_mtime)

    def uploads(self) -> AsyncIterator[OpenUpload]:
        """See BlobStore.uploads."""
        return self._uploads.listed()

    async def drop_link(self, link: BlobLink) -> bool:
        """See BlobStore.drop_link."""
        return await self._links.drop(link)

    async def drop_content(self, content: BlobContent) -> bool:
        """See BlobStore.drop_content."""
        return await self._folder.run(lambda: self._folder.drop(self._path(content.digest), content.fresh_at))

    async def drop_upload(self, upload: OpenUpload) -> bool:
        """See BlobStore.drop_upload."""
        return await self._uploads.drop(upload)

    async def close(self) -> None:
        """See BlobStore.close."""
        await self._folder.close()

    def _refresh(self, repository: Repository, digest: Digest) -> int | None:
        blob = self._path(digest)
        if self._links.refresh(repository, digest) and self._folder.touch(blob):
            return size_of(blob)
        return None

    async def _keep(self, repository: Repository, digest: Digest, path: Path) -> None:
        def keep() -> None:
            blob = self._path(digest)
            make_folder(blob.parent)
            if self._folder.touch(blob):
                self._links.add(repository, digest)
                path.unlink()
                return
            # Who lists contents and links at this moment must not take it for an old one that nobody has.
            touch_file(path)
            sync_file(path)
            self._links.add(repository, digest)
            os.rename(path, blob)
            sync_folder(blob.parent)

        await self._folder.run(keep)

    def _path(self, digest: Digest) -> Path:
        return self._folder.path / blob_path(digest)


def blob_path(digest: Digest) -> str:
    """Where a blob's bytes are, from the registry's folder or from a bucket's prefix on."""
    hexadecimal = digest.removeprefix("sha256:")
    return f"blobs/sha256/{hexadecimal[:2]}/{hexadecimal}"
