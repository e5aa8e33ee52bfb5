"""ManifestFiles: manifests and tags as small files beside the links to blobs, each replaced whole; docs/adr/0007 says why."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from draas.lib.durable import make_folder, remove_file, replace_file
from draas.model.image_name import Digest, Repository, Tag, is_digest, tag_order
from draas.store.blob_failures import told_failures
from draas.store.manifests import ListedManifest, StoredManifest
from draas.store.registry_folder import SCRATCH
from draas.store.repository_files import entries_in, repositories_in, touch_file

T = TypeVar("T")
_Entry = tuple[str, os.stat_result]
LISTED_AT_ONCE = 50  # manifests held in memory at a time, of up to 4 MiB each


class ManifestFiles:
    """Implements draas.store.manifests.ManifestStore in `folder`, after the store of blobs there.

    One thread changes, so that deleting a manifest and naming it do not cross; another one reads meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with told_failures(folder):
            make_folder(folder / SCRATCH)
        self._writing = ThreadPoolExecutor(1, "manifests-write")
        self._reading = ThreadPoolExecutor(1, "manifests-read")

    async def put(self, repository: Repository, manifest: StoredManifest, tag: Tag | None) -> None:
        """See ManifestStore.put."""

        def write() -> None:
            content = manifest.media_type.encode() + b"\n" + manifest.content
            replace_file(self._path(repository, manifest.digest), content, self._folder / SCRATCH)
            if tag is not None:
                before = self._digest_of(repository, tag)
                replace_file(self._path(repository, tag), manifest.digest.encode(), self._folder / SCRATCH)
                if before is not None:
                    touch_file(self._path(repository, before))

        await self._run(self._writing, write)

    async def get(self, repository: Repository, reference: Tag | Digest) -> StoredManifest | None:
        """See ManifestStore.get."""
        return await self._run(self._reading, lambda: self._get(repository, reference))

    async def missing(self, repository: Repository, digests: Sequence[Digest]) -> list[Digest]:
        """See ManifestStore.missing."""
        return await self._run(
            self._writing, lambda: [one for one in digests if not touch_file(self._path(repository, one))]
        )

    async def delete(self, repository: Repository, reference: Tag | Digest) -> bool:
        """See ManifestStore.delete."""

        def remove() -> bool:
            if is_digest(reference):
                for tag in self._tags(repository) or ():
                    if self._digest_of(repository, tag) == reference:
                        remove_file(self._path(repository, tag))
            return remove_file(self._path(repository, reference))

        return await self._run(self._writing, remove)

    async def tags(self, repository: Repository) -> list[Tag] | None:
        """See ManifestStore.tags."""
        return await self._run(self._reading, lambda: self._tags(repository))

    async def listed(self, repository: Repository | None = None) -> AsyncIterator[ListedManifest]:
        """See ManifestStore.listed."""
        wanted = [repository] if repository is not None else []
        for one in wanted or await self._run(self._reading, lambda: repositories_in(self._folder)):
            entries, tags = await self._run(self._reading, partial(self._open, one))
            while some := await self._run(self._reading, partial(_next, entries)):
                for listed in await self._run(self._reading, partial(self._list, one, some, tags)):
                    yield listed

    async def drop(self, repository: Repository, digest: Digest, fresh_at: float, tags: Sequence[Tag]) -> bool:
        """See ManifestStore.drop."""
        path = self._path(repository, digest)

        def remove() -> bool:
            try:
                fresher = path.stat().st_mtime > fresh_at
            except FileNotFoundError:
                return False
            naming = [tag for tag in self._tags(repository) or () if self._digest_of(repository, tag) == digest]
            if fresher or not set(naming) <= set(tags):
                return False
            for tag in naming:
                remove_file(self._path(repository, tag))
            return remove_file(path)

        return await self._run(self._writing, remove)

    async def close(self) -> None:
        """See ManifestStore.close."""
        for threads in (self._writing, self._reading):
            await asyncio.get_running_loop().run_in_executor(None, threads.shutdown)

    def _open(self, repository: Repository) -> tuple[Iterator[_Entry], dict[Digest, list[Tag]]]:
        """The entries of its manifests, and the tags that name them."""
        naming: dict[Digest, list[Tag]] = {}
        for tag in self._tags(repository) or ():
            if (digest := self._digest_of(repository, tag)) is not None:
                naming.setdefault(digest, []).append(tag)
        return entries_in(self._folder / "repositories" / repository / "_manifests"), naming

    def _list(
        self, repository: Repository, entries: Sequence[_Entry], tags: Mapping[Digest, Sequence[Tag]]
    ) -> list[ListedManifest]:
        found = []
        for name, told in entries:
            manifest = self._get(repository, Digest(f"sha256:{name}"))
            if manifest is not None:
                named = tuple(tags.get(manifest.digest, ()))
                found.append(
                    ListedManifest(repository=repository, manifest=manifest, tags=named, fresh_at=told.st_mtime)
                )
        return found

    def _get(self, repository: Repository, reference: Tag | Digest) -> StoredManifest | None:
        digest = Digest(reference) if is_digest(reference) else self._digest_of(repository, reference)
        try:
            stored = self._path(repository, digest).read_bytes() if digest is not None else None
        except FileNotFoundError:
            return None
        if digest is None or stored is None:
            return None
        media_type, _, content = stored.partition(b"\n")
        return StoredManifest(digest=digest, media_type=media_type.decode(), content=content)

    def _digest_of(self, repository: Repository, tag: str) -> Digest | None:
        try:
            return Digest(self._path(repository, tag).read_text())
        except FileNotFoundError:
            return None

    def _tags(self, repository: Repository) -> list[Tag] | None:
        of_repository = self._folder / "repositories" / repository
        try:
            return sorted((Tag(path.name) for path in (of_repository / "_tags").iterdir()), key=tag_order)
        except FileNotFoundError:
            return [] if (of_repository / "_manifests").is_dir() else None

    def _path(self, repository: Repository, reference: str) -> Path:
        kind, name = ("_manifests", reference.partition(":")[2]) if is_digest(reference) else ("_tags", reference)
        return self._folder / "repositories" / repository / kind / name

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        def told() -> T:
            with told_failures(self._folder):
                return work()

        return await asyncio.get_running_loop().run_in_executor(threads, told)


def _next(entries: Iterator[_Entry]) -> list[_Entry]:
    return list(islice(entries, LISTED_AT_ONCE))
