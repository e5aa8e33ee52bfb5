"""UploadFiles: uploads as files, hashed on their way; what becomes of a whole one is its store's to say."""

import asyncio
import hashlib
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from weakref import WeakValueDictionary

from draas.lib import ids
from draas.lib.durable import make_folder, sync_folder
from draas.model.errors import Conflict, NotFound
from draas.model.image_name import Digest, Repository
from draas.model.stored_image import OpenUpload
from draas.store.blobs import Inflow, StorageFull, UploadId, UploadWriter, WrongDigest
from draas.store.registry_folder import RegistryFolder, size_of

Keep = Callable[[Repository, Digest, Path], Awaitable[None]]
KNOWN_UPLOADS = 1_000  # whose running hash is kept in memory; others are hashed again when they are finished
_UPLOAD_ID = re.compile(r"u_[0-9a-z]{32}")


class UploadFiles:
    """The part of BlobStore that is about uploads.

    `keep` durably makes the file of a whole upload the blob of this digest in the repository; the file is gone then. Where it
    fails the upload is as it was.
    """

    def __init__(self, folder: RegistryFolder, keep: Keep) -> None:
        self._folder, self._keep_blob = folder, keep
        self._uploads: WeakValueDictionary[UploadId, _Upload] = WeakValueDictionary()
        self._kept: deque[_Upload] = deque(maxlen=KNOWN_UPLOADS)

    async def begin(self, repository: Repository) -> UploadId:
        """See BlobStore.begin."""
        id = UploadId(ids.secret("u"))
        path = self._path(repository, id)

        def create() -> None:
            make_folder(path.parent)
            path.touch(0o600, exist_ok=False)

        await self._folder.run(create)
        self._keep(id, _Upload(path, 0, hashlib.sha256()))
        return id

    async def size(self, repository: Repository, id: UploadId) -> int:
        """See BlobStore.upload_size."""
        return (await self._find(repository, id)).size

    async def take(self, repository: Repository, id: UploadId) -> UploadWriter:
        """See BlobStore.take."""
        upload = await self._find(repository, id)
        async with upload.lock:  # what the former writer has begun is written first
            upload.turn += 1
        return _Writer(self, repository, upload)

    async def receive(self) -> Inflow:
        """See BlobStore.receive."""
        path = self._folder.scratch / ids.secret("u")
        await self._folder.run(lambda: path.touch(0o600, exist_ok=False))
        return _Inflow(self, _Upload(path, 0, hashlib.sha256()))

    async def cancel(self, repository: Repository, id: UploadId) -> None:
        """See BlobStore.cancel."""
        upload = await self._find(repository, id)
        async with upload.lock:
            upload.turn += 1
            await self._folder.run(lambda: upload.path.unlink(missing_ok=True))

    async def listed(self) -> AsyncIterator[OpenUpload]:
        """See BlobStore.uploads."""
        async for repository, entries in self._folder.in_repositories("_uploads"):
            for name, found in entries:
                yield OpenUpload(repository=repository, id=name, size_bytes=found.st_size, fresh_at=found.st_mtime)

    async def drop(self, upload: OpenUpload) -> bool:
        """See BlobStore.drop_upload."""
        try:
            known = await self._find(upload.repository, UploadId(upload.id))
        except NotFound:
            return False
        async with known.lock:  # what a request has begun to write is written first
            dropped = await self._folder.run(lambda: self._folder.drop(known.path, upload.fresh_at))
            known.turn += dropped
        return dropped

    def _keep(self, id: UploadId, upload: "_Upload") -> None:
        self._uploads[id] = upload
        self._kept.append(upload)

    async def _find(self, repository: Repository, id: UploadId) -> "_Upload":
        """One object an upload, however many requests concern it: its lock and its turn are theirs together."""
        path = self._path(repository, id)
        size = await self._folder.run(lambda: size_of(path)) if _UPLOAD_ID.fullmatch(id) else None
        if size is None:
            raise NotFound("there is no such upload: begin a new one")
        known = self._uploads.get(id)
        if known is None:
            known = _Upload(path, size, None)
            self._keep(id, known)
        return known

    async def append(self, upload: "_Upload", pieces: Sequence[bytes]) -> None:
        await self._folder.run(lambda: _append(upload, pieces))

    async def truncate(self, upload: "_Upload", size: int) -> None:
        def cut() -> None:
            os.truncate(upload.path, size)
            upload.size, upload.hash = size, None

        await self._folder.run(cut)

    async def sync(self, upload: "_Upload") -> None:
        def sync() -> None:
            sync_file(upload.path)
            sync_folder(upload.path.parent)

        await self._folder.run(sync)

    async def hash(self, upload: "_Upload") -> None:
        def hash() -> None:
            upload.hash = upload.hash or _hash_of(upload.path)

        await self._folder.run(hash)

    async def finish(self, repository: Repository, upload: "_Upload", digest: Digest) -> None:
        def check() -> None:
            found = (upload.hash or _hash_of(upload.path)).hexdigest()
            if digest != f"sha256:{found}":
                upload.path.unlink()
                upload.turn += 1
                raise WrongDigest(f"what was sent has the digest sha256:{found}, not {digest}: send it again")

        await self._folder.run(check)
        await self._keep_blob(repository, digest, upload.path)
        upload.turn += 1

    async def unlink(self, upload: "_Upload") -> None:
        await self._folder.run(lambda: upload.path.unlink(missing_ok=True))

    def _path(self, repository: Repository, id: UploadId) -> Path:
        return self._folder.path / "repositories" / repository / "_uploads" / id


class _Upload:
    """What is known of an upload: `turn` counts its writers, `hash` is None where what is on disk was not hashed on its way."""

    __slots__ = ("__weakref__", "hash", "lock", "path", "size", "turn")

    def __init__(self, path: Path, size: int, hash: "hashlib._Hash | None") -> None:
        self.path, self.size, self.hash = path, size, hash
        self.turn = 0
        self.lock = asyncio.Lock()


class _Writer:
    """Implements UploadWriter."""

    def __init__(self, files: UploadFiles, repository: Repository, upload: _Upload) -> None:
        self._files, self._repository, self._upload = files, repository, upload
        self._turn = upload.turn

    @property
    def size(self) -> int:
        return self._upload.size

    async def append(self, pieces: Sequence[bytes]) -> None:
        await self._work(lambda: self._files.append(self._upload, pieces))

    async def sync(self) -> None:
        await self._work(lambda: self._files.sync(self._upload))

    async def truncate(self, size: int) -> None:
        await self._work(lambda: self._files.truncate(self._upload, size))

    async def digest(self) -> Digest:
        await self._work(lambda: self._files.hash(self._upload))
        assert self._upload.hash is not None
        return Digest(f"sha256:{self._upload.hash.hexdigest()}")

    async def finish(self, digest: Digest) -> None:
        await self._work(lambda: self._files.finish(self._repository, self._upload, digest))

    async def _work(self, work: Callable[[], Awaitable[None]]) -> None:
        # Shielded: a request that is cancelled must not let go of the lock while its thread still writes.
        await asyncio.shield(asyncio.ensure_future(self._alone(work)))

    async def _alone(self, work: Callable[[], Awaitable[None]]) -> None:
        upload = self._upload
        async with upload.lock:
            if upload.turn != self._turn:
                raise Conflict("another request goes on with this upload")
            try:
                await work()
            except StorageFull:
                upload.turn += 1
                upload.path.unlink(missing_ok=True)
                raise


class _Inflow:
    """Implements Inflow. One request has it, so that it needs no turns."""

    def __init__(self, files: UploadFiles, upload: _Upload) -> None:
        self._files, self._upload = files, upload
        self._hash = upload.hash or hashlib.sha256()

    @property
    def size(self) -> int:
        return self._upload.size

    async def append(self, pieces: Sequence[bytes]) -> None:
        await self._alone(lambda: self._files.append(self._upload, pieces))

    async def digest(self) -> Digest:
        return Digest(f"sha256:{self._hash.hexdigest()}")

    async def keep(self, repository: Repository) -> None:
        digest = await self.digest()
        await self._alone(lambda: self._files.finish(repository, self._upload, digest))

    async def drop(self) -> None:
        await self._alone(lambda: self._files.unlink(self._upload))

    async def _alone(self, work: Callable[[], Awaitable[None]]) -> None:
        async def locked() -> None:
            async with self._upload.lock:
                await work()

        # Shielded: a request that is cancelled must not drop the file while its thread still writes.
        await asyncio.shield(asyncio.ensure_future(locked()))


def sync_file(path: Path) -> None:
    """What was written to `path` is durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _append(upload: _Upload, pieces: Sequence[bytes]) -> None:
    content = b"".join(pieces)
    descriptor = os.open(upload.path, os.O_WRONLY)
    try:
        _write_all(descriptor, content, upload.size)
    finally:
        os.close(descriptor)
    if upload.hash is not None:
        upload.hash.update(content)
    upload.size += len(content)


def _write_all(descriptor: int, content: bytes, at: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def _hash_of(path: Path) -> "hashlib._Hash":
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")
