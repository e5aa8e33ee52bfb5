"""BlobFiles: blobs and uploads as files in one folder; docs/internals/registry.md says which. Threads do the work on disk."""

import asyncio
import hashlib
import os
import re
import shutil
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

from draas.lib import ids
from draas.lib.durable import make_folder, remove_file, sync_folder
from draas.model.errors import Conflict, NotFound
from draas.model.image_name import Digest, Repository
from draas.model.stored_image import BlobContent, BlobLink, OpenUpload
from draas.store.blob_failures import told_failures
from draas.store.blobs import PIECE_BYTES, Inflow, StorageFull, UploadId, UploadWriter, WrongDigest
from draas.store.repository_files import ENTRIES_AT_ONCE, entries_in, repositories_in, touch_file

T = TypeVar("T")
_Entry = tuple[str, os.stat_result]
THREADS = 8  # hashing and the disk both work outside the interpreter's lock
KNOWN_UPLOADS = 1_000  # whose running hash is kept in memory; others are hashed again when they are finished
SCRATCH = "incoming"
_UPLOAD_ID = re.compile(r"u_[0-9a-z]{32}")


class BlobFiles:
    """Implements draas.store.blobs.BlobStore in `folder`. Raises StoreFailure where the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with told_failures(folder):
            shutil.rmtree(folder / SCRATCH, ignore_errors=True)  # of writes that a crash cut off
            make_folder(folder / SCRATCH)
        self._threads = ThreadPoolExecutor(THREADS, "blobs")
        self._lock = threading.Lock()  # between seeing how fresh something is and removing it
        self._uploads: WeakValueDictionary[UploadId, _Upload] = WeakValueDictionary()
        self._kept: deque[_Upload] = deque(maxlen=KNOWN_UPLOADS)

    async def begin(self, repository: Repository) -> UploadId:
        """See BlobStore.begin."""
        id = UploadId(ids.secret("u"))
        path = self._upload_path(repository, id)

        def create() -> None:
            make_folder(path.parent)
            path.touch(0o600, exist_ok=False)

        await self._run(create)
        self._keep(id, _Upload(path, 0, hashlib.sha256()))
        return id

    async def upload_size(self, repository: Repository, id: UploadId) -> int:
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
        path = self._folder / SCRATCH / ids.secret("u")
        await self._run(lambda: path.touch(0o600, exist_ok=False))
        return _Inflow(self, _Upload(path, 0, hashlib.sha256()))

    async def cancel(self, repository: Repository, id: UploadId) -> None:
        """See BlobStore.cancel."""
        upload = await self._find(repository, id)
        async with upload.lock:
            upload.turn += 1
            await self._run(lambda: upload.path.unlink(missing_ok=True))

    async def size(self, repository: Repository, digest: Digest) -> int | None:
        """See BlobStore.size."""
        return await self._run(lambda: self._size(repository, digest))

    async def missing(self, repository: Repository, digests: Sequence[Digest]) -> list[Digest]:
        """See BlobStore.missing."""
        return await self._run(lambda: [one for one in digests if self._refresh(repository, one) is None])

    async def refresh(self, repository: Repository, digest: Digest) -> int | None:
        """See BlobStore.refresh."""
        return await self._run(lambda: self._refresh(repository, digest))

    async def read(self, digest: Digest, first: int, length: int) -> AsyncIterator[bytes]:
        """See BlobStore.read."""
        descriptor = await self._run(lambda: os.open(self._blob_path(digest), os.O_RDONLY))
        try:
            at, end = first, first + length
            while at < end:
                piece = await self._run(partial(os.pread, descriptor, min(PIECE_BYTES, end - at), at))
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
            self._link(target, digest)
            return True

        return await self._run(link)

    async def delete(self, repository: Repository, digest: Digest) -> bool:
        """See BlobStore.delete."""
        return await self._run(lambda: remove_file(self._link_path(repository, digest)))

    async def links(self) -> AsyncIterator[BlobLink]:
        """See BlobStore.links."""
        async for repository, entries in self._in_repositories("_blobs"):
            for name, found in entries:
                digest = Digest(f"sha256:{name}")
                yield BlobLink(repository=repository, digest=digest, fresh_at=found.st_mtime)

    async def contents(self) -> AsyncIterator[BlobContent]:
        """See BlobStore.contents."""
        top = self._folder / "blobs" / "sha256"
        for folder in await self._run(lambda: [name for name, _ in entries_in(top)]):
            async for entries in self._entries(top / folder):
                for name, found in entries:
                    digest = Digest(f"sha256:{name}")
                    yield BlobContent(digest=digest, size_bytes=found.st_size, fresh_at=found.st_mtime)

    async def uploads(self) -> AsyncIterator[OpenUpload]:
        """See BlobStore.uploads."""
        async for repository, entries in self._in_repositories("_uploads"):
            for name, found in entries:
                yield OpenUpload(repository=repository, id=name, size_bytes=found.st_size, fresh_at=found.st_mtime)

    async def drop_link(self, link: BlobLink) -> bool:
        """See BlobStore.drop_link."""
        return await self._run(lambda: self._drop(self._link_path(link.repository, link.digest), link.fresh_at))

    async def drop_content(self, content: BlobContent) -> bool:
        """See BlobStore.drop_content."""
        return await self._run(lambda: self._drop(self._blob_path(content.digest), content.fresh_at))

    async def drop_upload(self, upload: OpenUpload) -> bool:
        """See BlobStore.drop_upload."""
        try:
            known = await self._find(upload.repository, UploadId(upload.id))
        except NotFound:
            return False
        async with known.lock:  # what a request has begun to write is written first
            dropped = await self._run(lambda: self._drop(known.path, upload.fresh_at))
            known.turn += dropped
        return dropped

    async def close(self) -> None:
        """See BlobStore.close."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    # --- uploads ---

    def _keep(self, id: UploadId, upload: "_Upload") -> None:
        self._uploads[id] = upload
        self._kept.append(upload)

    async def _find(self, repository: Repository, id: UploadId) -> "_Upload":
        """One object an upload, however many requests concern it: its lock and its turn are theirs together."""
        path = self._upload_path(repository, id)
        size = await self._run(lambda: _size_of(path)) if _UPLOAD_ID.fullmatch(id) else None
        if size is None:
            raise NotFound("there is no such upload: begin a new one")
        known = self._uploads.get(id)
        if known is None:
            known = _Upload(path, size, None)
            self._keep(id, known)
        return known

    def _append(self, upload: "_Upload", pieces: Sequence[bytes]) -> None:
        content = b"".join(pieces)
        descriptor = os.open(upload.path, os.O_WRONLY)
        try:
            _write_all(descriptor, content, upload.size)
        finally:
            os.close(descriptor)
        if upload.hash is not None:
            upload.hash.update(content)
        upload.size += len(content)

    def _truncate(self, upload: "_Upload", size: int) -> None:
        os.truncate(upload.path, size)
        upload.size, upload.hash = size, None

    def _sync(self, upload: "_Upload") -> None:
        _sync_file(upload.path)
        sync_folder(upload.path.parent)

    def _finish(self, repository: Repository, upload: "_Upload", digest: Digest) -> None:
        found = (upload.hash or _hash_of(upload.path)).hexdigest()
        if digest != f"sha256:{found}":
            upload.path.unlink()
            upload.turn += 1
            raise WrongDigest(f"what was sent has the digest sha256:{found}, not {digest}: send it again")
        blob = self._blob_path(digest)
        make_folder(blob.parent)
        upload.turn += 1
        if self._touch(blob):
            self._link(repository, digest)
            upload.path.unlink()
            return
        touch_file(
            upload.path
        )  # who lists contents and links at this moment must not take it for an old one that nobody has
        _sync_file(upload.path)
        self._link(repository, digest)
        os.rename(upload.path, blob)
        sync_folder(blob.parent)

    # --- on disk ---

    def _size(self, repository: Repository, digest: Digest) -> int | None:
        return _size_of(self._blob_path(digest)) if self._link_path(repository, digest).exists() else None

    def _refresh(self, repository: Repository, digest: Digest) -> int | None:
        blob = self._blob_path(digest)
        with self._lock:
            if touch_file(self._link_path(repository, digest)) and touch_file(blob):
                return blob.stat().st_size
        return None

    def _touch(self, path: Path) -> bool:
        with self._lock:
            return touch_file(path)

    def _drop(self, path: Path, fresh_at: float) -> bool:
        """Remove `path` unless it is fresher; not durably: what a power cut brings back is found again."""
        with self._lock:
            found = _stat(path)
            if found is None or found.st_mtime > fresh_at:
                return False
            path.unlink()
        return True

    def _link(self, repository: Repository, digest: Digest) -> None:
        path = self._link_path(repository, digest)
        make_folder(path.parent)
        with self._lock:
            path.touch(0o600)
        sync_folder(path.parent)

    async def _in_repositories(self, kind: str) -> AsyncIterator[tuple[Repository, list[_Entry]]]:
        for repository in await self._run(lambda: repositories_in(self._folder)):
            async for entries in self._entries(self._folder / "repositories" / repository / kind):
                yield repository, entries

    async def _entries(self, folder: Path) -> AsyncIterator[list[_Entry]]:
        entries = entries_in(folder)
        while some := await self._run(partial(_next, entries)):
            yield some

    def _blob_path(self, digest: Digest) -> Path:
        hexadecimal = digest.removeprefix("sha256:")
        return self._folder / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal

    def _link_path(self, repository: Repository, digest: Digest) -> Path:
        return self._folder / "repositories" / repository / "_blobs" / digest.removeprefix("sha256:")

    def _upload_path(self, repository: Repository, id: UploadId) -> Path:
        return self._folder / "repositories" / repository / "_uploads" / id

    async def _run(self, work: Callable[[], T]) -> T:
        def told() -> T:
            with told_failures(self._folder):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._threads, told)


class _Upload:
    """What is known of an upload: `turn` counts its writers, `hash` is None where what is on disk was not hashed on its way."""

    __slots__ = ("__weakref__", "hash", "lock", "path", "size", "turn")

    def __init__(self, path: Path, size: int, hash: "hashlib._Hash | None") -> None:
        self.path, self.size, self.hash = path, size, hash
        self.turn = 0
        self.lock = asyncio.Lock()


class _Writer:
    """Implements UploadWriter."""

    def __init__(self, files: BlobFiles, repository: Repository, upload: _Upload) -> None:
        self._files, self._repository, self._upload = files, repository, upload
        self._turn = upload.turn

    @property
    def size(self) -> int:
        return self._upload.size

    async def append(self, pieces: Sequence[bytes]) -> None:
        await self._work(lambda: self._files._append(self._upload, pieces))

    async def sync(self) -> None:
        await self._work(lambda: self._files._sync(self._upload))

    async def truncate(self, size: int) -> None:
        await self._work(lambda: self._files._truncate(self._upload, size))

    async def finish(self, digest: Digest) -> None:
        await self._work(lambda: self._files._finish(self._repository, self._upload, digest))

    async def _work(self, work: Callable[[], None]) -> None:
        # Shielded: a request that is cancelled must not let go of the lock while its thread still writes.
        await asyncio.shield(asyncio.ensure_future(self._alone(work)))

    async def _alone(self, work: Callable[[], None]) -> None:
        upload = self._upload
        async with upload.lock:
            if upload.turn != self._turn:
                raise Conflict("another request goes on with this upload")
            try:
                await self._files._run(work)
            except StorageFull:
                upload.turn += 1
                upload.path.unlink(missing_ok=True)
                raise


class _Inflow:
    """Implements Inflow. One request has it, so that it needs no turns."""

    def __init__(self, files: BlobFiles, upload: _Upload) -> None:
        self._files, self._upload = files, upload
        self._hash = upload.hash or hashlib.sha256()

    @property
    def size(self) -> int:
        return self._upload.size

    async def append(self, pieces: Sequence[bytes]) -> None:
        await self._alone(lambda: self._files._append(self._upload, pieces))

    async def digest(self) -> Digest:
        return Digest(f"sha256:{self._hash.hexdigest()}")

    async def keep(self, repository: Repository) -> None:
        digest = await self.digest()
        await self._alone(lambda: self._files._finish(repository, self._upload, digest))

    async def drop(self) -> None:
        await self._alone(lambda: self._upload.path.unlink(missing_ok=True))

    async def _alone(self, work: Callable[[], None]) -> None:
        async def locked() -> None:
            async with self._upload.lock:
                await self._files._run(work)

        # Shielded: a request that is cancelled must not drop the file while its thread still writes.
        await asyncio.shield(asyncio.ensure_future(locked()))


def _write_all(descriptor: int, content: bytes, at: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _next(entries: Iterator[_Entry]) -> list[_Entry]:
    return list(islice(entries, ENTRIES_AT_ONCE))


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _size_of(path: Path) -> int | None:
    found = _stat(path)
    return found.st_size if found is not None else None


def _hash_of(path: Path) -> "hashlib._Hash":
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")
