"""BlobBucket: blobs as objects in a bucket; uploads and which repository has which blob stay files in the registry's folder.

How fresh a blob is, an object cannot tell: nobody can set its time. It is the time of an empty file, `fresh/HEX`. A blob without one is as
fresh as its object. The object comes before the link to it, so that a crash in between leaves an object that nobody has.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import obstore

from draas.lib import clock, ids, log
from draas.lib.durable import make_folder
from draas.model.errors import Invalid
from draas.model.image_name import Digest, Repository
from draas.model.stored_image import BlobContent, BlobLink, OpenUpload
from draas.store.blob_files import blob_path
from draas.store.blobs import PIECE_BYTES, Inflow, UploadId, UploadWriter
from draas.store.bucket_failures import NO_BUCKET, told_bucket_failures
from draas.store.bucket_record import BucketRecord, read_record, write_record
from draas.store.link_files import LinkFiles
from draas.store.registry_folder import RegistryFolder, size_of, stat_of
from draas.store.repository_files import ENTRIES_AT_ONCE, entries_in
from draas.store.upload_files import UploadFiles

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PART_BYTES = 5 * 1024 * 1024  # of a multipart upload; S3 takes no smaller ones, and at most MAX_PARTS
MAX_PARTS = 10_000
PUTS = 3  # blobs on their way into the bucket at once, each with PARTS in memory
PARTS = 2
HEADS = 32  # looked for at once for one manifest
WINDOW_BYTES = (
    32 * 1024 * 1024
)  # asked for at once: a request must not last as long as a slow reader takes for a whole layer
OWNER = "draas-owner"
_HEX = re.compile(r"[0-9a-f]{64}")


class BlobBucket:
    """Implements draas.store.blobs.BlobStore in `folder` and `bucket`, which is called `url`."""

    def __init__(self, folder: Path, bucket: "ObjectStore", url: str) -> None:
        self._folder = RegistryFolder(folder)
        self._bucket, self._url = bucket, url
        self._links = LinkFiles(self._folder)
        self._uploads = UploadFiles(self._folder, self._keep)
        self._locks: WeakValueDictionary[Digest, asyncio.Lock] = WeakValueDictionary()
        self._puts = asyncio.Semaphore(PUTS)

    async def open(self) -> None:
        """See BlobStore.open. Blobs that are files in the folder are moved into the bucket.

        Raises Invalid where the bucket is another registry's, or this one's blobs are elsewhere.
        """
        with told_bucket_failures(self._url):
            await self._own()
        await self._move_in()

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
        if not await self._folder.run(lambda: self._links.has(repository, digest)):
            return None
        return await self._size(digest)

    async def refresh(self, repository: Repository, digest: Digest) -> int | None:
        """See BlobStore.refresh."""
        if not await self._folder.run(lambda: self._links.refresh(repository, digest)):
            return None
        async with self._lock(digest):
            size = await self._size(digest)
            if size is not None:
                await self._freshen(digest)
        return size

    async def missing(self, repository: Repository, digests: Sequence[Digest]) -> list[Digest]:
        """See BlobStore.missing."""
        sizes: list[int | None] = []
        for at in range(0, len(digests), HEADS):
            sizes += await asyncio.gather(*(self.refresh(repository, one) for one in digests[at : at + HEADS]))
        return [one for one, size in zip(digests, sizes, strict=True) if size is None]

    async def read(self, digest: Digest, first: int, length: int) -> AsyncIterator[bytes]:
        """See BlobStore.read."""
        at, end = first, first + length
        while at < end:
            upto, began = min(at + WINDOW_BYTES, end), at
            with told_bucket_failures(self._url):
                got = await obstore.get_async(self._bucket, blob_path(digest), options={"range": (at, upto)})
                async for piece in got.stream(min_chunk_size=PIECE_BYTES):
                    at += len(piece)
                    yield bytes(piece)
            if at != upto:
                raise EOFError(f"{digest} has {at - began} of {upto - began} bytes from {began} on")

    async def mount(self, digest: Digest, source: Repository, target: Repository) -> bool:
        """See BlobStore.mount."""
        if await self.refresh(source, digest) is None:
            return False
        await self._folder.run(lambda: self._links.add(target, digest))
        return True

    async def delete(self, repository: Repository, digest: Digest) -> bool:
        """See BlobStore.delete."""
        return await self._links.delete(repository, digest)

    def links(self) -> AsyncIterator[BlobLink]:
        """See BlobStore.links."""
        return self._links.listed()

    async def contents(self) -> AsyncIterator[BlobContent]:
        """See BlobStore.contents. What a deletion that broke off left of a blob here is told as one of no bytes."""
        left = await self._folder.run(
            lambda: {name for name, _ in entries_in(self._folder.path / "fresh") if _HEX.fullmatch(name)}
        )
        listing = obstore.list(self._bucket, "blobs/", chunk_size=ENTRIES_AT_ONCE)
        while True:
            with told_bucket_failures(self._url):
                objects = await anext(listing, None)
            if objects is None:
                break
            named = {name: one for one in objects if _HEX.fullmatch(name := one["path"].rpartition("/")[2])}
            left -= named.keys()
            found = {Digest(f"sha256:{name}"): one for name, one in named.items()}
            times = await self._folder.run(partial(self._times, list(found)))
            now = clock.now()
            for digest, one in found.items():
                fresh_at = times[digest] or min(now, one["last_modified"].timestamp())
                yield BlobContent(digest=digest, size_bytes=one["size"], fresh_at=fresh_at)
        for name in left:
            digest = Digest(f"sha256:{name}")
            time = (await self._folder.run(partial(self._times, [digest])))[digest]
            if time is not None:
                yield BlobContent(digest=digest, size_bytes=0, fresh_at=time)

    def uploads(self) -> AsyncIterator[OpenUpload]:
        """See BlobStore.uploads."""
        return self._uploads.listed()

    async def drop_link(self, link: BlobLink) -> bool:
        """See BlobStore.drop_link."""
        return await self._links.drop(link)

    async def drop_content(self, content: BlobContent) -> bool:
        """See BlobStore.drop_content."""
        digest = content.digest
        async with self._lock(digest):
            fresh_at = (await self._folder.run(lambda: self._times([digest])))[digest]
            if fresh_at is not None and fresh_at > content.fresh_at:
                return False
            with told_bucket_failures(self._url):
                await obstore.delete_async(self._bucket, blob_path(digest))
            await self._folder.run(lambda: self._fresh_path(digest).unlink(missing_ok=True))
        return True

    async def drop_upload(self, upload: OpenUpload) -> bool:
        """See BlobStore.drop_upload."""
        return await self._uploads.drop(upload)

    async def close(self) -> None:
        """See BlobStore.close."""
        await self._folder.close()

    # --- objects ---

    async def _keep(self, repository: Repository, digest: Digest, path: Path) -> None:
        async with self._lock(digest):
            await self._freshen(digest)
            await self._put(digest, path)

            def link() -> None:
                self._links.add(repository, digest)
                path.unlink()

            await self._folder.run(link)

    async def _put(self, digest: Digest, path: Path) -> None:
        """The file's content is the object of `digest`, unless it was there already."""
        size = await self._folder.run(lambda: size_of(path)) or 0
        if await self._size(digest) == size:
            return
        async with self._puts:
            part = max(PART_BYTES, -(-size // MAX_PARTS))
            with told_bucket_failures(self._url):
                await obstore.put_async(self._bucket, blob_path(digest), path, chunk_size=part, max_concurrency=PARTS)

    async def _size(self, digest: Digest) -> int | None:
        with told_bucket_failures(self._url):
            try:
                return (await obstore.head_async(self._bucket, blob_path(digest)))["size"]
            except FileNotFoundError:
                return None

    def _lock(self, digest: Digest) -> asyncio.Lock:
        """Between seeing that a blob is there, or how fresh it is, and counting on that."""
        lock = self._locks.get(digest)
        if lock is None:
            lock = self._locks[digest] = asyncio.Lock()
        return lock

    async def _freshen(self, digest: Digest) -> None:
        path = self._fresh_path(digest)

        def freshen() -> None:
            make_folder(path.parent)
            self._folder.make(path)

        await self._folder.run(freshen)

    def _times(self, digests: Sequence[Digest]) -> dict[Digest, float | None]:
        found = {digest: stat_of(self._fresh_path(digest)) for digest in digests}
        return {digest: told.st_mtime if told is not None else None for digest, told in found.items()}

    def _fresh_path(self, digest: Digest) -> Path:
        return self._folder.path / "fresh" / digest.removeprefix("sha256:")

    # --- the bucket as a whole ---

    async def _own(self) -> None:
        """Make sure that the bucket is this registry's alone: another one would collect what it does not know."""
        record = await self._folder.run(lambda: read_record(self._folder.path))
        owner = await self._owner()
        if owner is not None and (record is None or owner != record.owner):
            raise Invalid(
                f"{self._url} has the blobs of another controller: give each its own prefix (DRAAS_BLOBS=s3://BUCKET/PREFIX)"
            )
        if owner is None and record is not None and record.url != self._url:
            raise Invalid(
                f"the images in {self._folder.path} have their blobs in {record.url}: copy all of it to {self._url} first, "
                f"or set DRAAS_BLOBS={record.url}"
            )
        named = BucketRecord(owner=record.owner if record is not None else ids.secret("o"), url=self._url)
        if named != record:
            await self._folder.run(lambda: write_record(self._folder.path, named))
        if owner is None:
            await obstore.put_async(self._bucket, OWNER, named.owner.encode())

    async def _owner(self) -> str | None:
        try:
            got = await obstore.get_async(self._bucket, OWNER)
        except FileNotFoundError as error:
            if NO_BUCKET in str(error):
                raise
            return None
        return bytes(await got.bytes_async()).decode(errors="replace")

    async def _move_in(self) -> None:
        """Put what was kept in files before into the bucket. What was moved when it broke off need not be moved again."""
        top = self._folder.path / "blobs" / "sha256"
        count = 0
        for part in await self._folder.run(lambda: _names(top)):
            for name in await self._folder.run(partial(_names, top / part)):
                await self._put(Digest(f"sha256:{name}"), top / part / name)
                await self._folder.run((top / part / name).unlink)
                count += 1
        if count:
            log.info("blobs moved from the data folder into the bucket", blobs=count, bucket=self._url)


def _names(folder: Path) -> list[str]:
    return [name for name, _ in entries_in(folder)]
