"""LinkFiles: which repository has which blob, as empty files whose times are how fresh each is."""

from collections.abc import AsyncIterator
from pathlib import Path

from draas.lib.durable import make_folder, remove_file, sync_folder
from draas.model.image_name import Digest, Repository
from draas.model.stored_image import BlobLink
from draas.store.registry_folder import RegistryFolder


class LinkFiles:
    """For stores of blobs, whose threads call what is no coroutine. That raises OSError."""

    def __init__(self, folder: RegistryFolder) -> None:
        self._folder = folder

    def has(self, repository: Repository, digest: Digest) -> bool:
        return self._path(repository, digest).exists()

    def refresh(self, repository: Repository, digest: Digest) -> bool:
        """Whether there is one; it is fresh from now on."""
        return self._folder.touch(self._path(repository, digest))

    def add(self, repository: Repository, digest: Digest) -> None:
        """Durably."""
        path = self._path(repository, digest)
        make_folder(path.parent)
        self._folder.make(path)
        sync_folder(path.parent)

    async def delete(self, repository: Repository, digest: Digest) -> bool:
        """See BlobStore.delete."""
        return await self._folder.run(lambda: remove_file(self._path(repository, digest)))

    async def drop(self, link: BlobLink) -> bool:
        """See BlobStore.drop_link."""
        path = self._path(link.repository, link.digest)
        return await self._folder.run(lambda: self._folder.drop(path, link.fresh_at))

    async def listed(self) -> AsyncIterator[BlobLink]:
        """See BlobStore.links."""
        async for repository, entries in self._folder.in_repositories("_blobs"):
            for name, found in entries:
                digest = Digest(f"sha256:{name}")
                yield BlobLink(repository=repository, digest=digest, fresh_at=found.st_mtime)

    def _path(self, repository: Repository, digest: Digest) -> Path:
        return self._folder.path / "repositories" / repository / "_blobs" / digest.removeprefix("sha256:")
