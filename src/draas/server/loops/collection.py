"""The collection loop: looks at what the registry holds, has draas.scheduler.collection decide what goes, and deletes that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from draas.lib import clock, log
from draas.lib.disk import Disk, disk_of
from draas.model.cluster import Cluster
from draas.model.errors import DraasError
from draas.model.event import Event
from draas.model.image_name import Digest, Repository, Tag
from draas.model.job import Job
from draas.model.node import Image
from draas.model.policy import Policy
from draas.model.stored_image import BlobContent, BlobLink, OpenUpload, StoredImage
from draas.scheduler.collection import Kind, Removal, Use, plan_collection, rules_of, urgent
from draas.scheduler.image_use import Reference, User, images_in_use, kept_on, names_in_use, sources_in_use, words
from draas.server.registry.images import Images
from draas.server.services.images import Collected, read_holdings, remove_images, stored_images
from draas.store.store import StoreFailure

EVERY_S = 600.0
LOOK_S = 10.0  # how often the disk is looked at
URGENT_SHARE = 0.8  # of the disk: from then on age protects nothing beyond the grace
USED_AGAIN = 50  # deletions between two looks at what is in use


class Collection:
    """One collection at a time; requests go on meanwhile.

    `builds` gives the newest ones that are over, newest first; `note` keeps an event; `disk` measures the one of `folder`.
    """

    def __init__(
        self,
        images: Images,
        folder: Path,
        policy: Policy,
        cluster: Callable[[], Cluster],
        builds: Callable[[], Awaitable[Sequence[Job]]],
        note: Callable[[Event], Awaitable[None]],
        disk: Callable[[Path], Disk] = disk_of,
    ) -> None:
        self._images = images
        self._policy = policy
        self._cluster = cluster
        self._builds = builds
        self._note = note
        self._folder = folder
        self._disk = disk
        self._alone = asyncio.Lock()

    async def run(self) -> None:
        """Collect for ever: every EVERY_S, and at once when the disk has become fuller than URGENT_SHARE."""
        last, was_full = clock.monotonic(), False
        while True:
            await asyncio.sleep(LOOK_S)
            is_full = self._disk(self._folder).share >= URGENT_SHARE
            if (is_full and not was_full) or clock.monotonic() - last >= EVERY_S:
                last = clock.monotonic()
                try:
                    await self.collect(is_urgent=is_full)
                except (DraasError, StoreFailure) as error:
                    log.error("images cannot be collected now; trying again", reason=error.detail)
            was_full = is_full

    async def plan(self, *, is_urgent: bool) -> list[Removal]:
        """What a collection would delete now. Raises StoreFailure."""
        rules = rules_of(self._policy)
        held = await read_holdings(self._images)
        use = self._use(await self._builds())
        # Thousands of images take a second, which nobody else should wait.
        return await asyncio.to_thread(plan_collection, held, use, urgent(rules) if is_urgent else rules, clock.now())

    async def collect(self, *, is_urgent: bool) -> Collected:
        """Delete what may go. Raises StoreFailure; what is done by then is done, and the rest is found again."""
        async with self._alone:
            done = Collected()
            try:
                await self._perform(await self.plan(is_urgent=is_urgent), await self._builds(), done)
            finally:
                await self._tell(done)
            return done

    async def remove(self, repository: Repository, reference: Tag | Digest | None) -> list[StoredImage]:
        """See draas.server.services.images.remove_images."""
        async with self._alone:
            use = self._use(await self._builds())
            return await remove_images(self._images, use, repository, reference, clock.now())

    def listed(self, repository: Repository | None = None) -> AsyncIterator[StoredImage]:
        """All images, or one repository's."""
        return stored_images(self._images, repository)

    def users(self) -> dict[Reference, list[User]]:
        """Who uses which image."""
        return images_in_use(self._cluster(), self._policy)

    def unkept(self) -> list[tuple[str, Image]]:
        """See ImageCare.unkept."""
        cluster = self._cluster()
        names = names_in_use(cluster, self._policy)
        nodes = sorted(cluster.nodes.values(), key=lambda node: node.name)
        kept = {node.id: set(kept_on(node, names)) for node in nodes}
        return [
            (node.name, image)
            for node in nodes
            for image in node.facts.images
            if image.ours and image.id not in kept[node.id]
        ]

    def _use(self, ended: Sequence[Job]) -> Use:
        return use_of(self._cluster(), self._policy, ended)

    async def _perform(self, removals: Sequence[Removal], ended: Sequence[Job], done: Collected) -> None:
        """Delete in order, but nothing to which something refers that turns out to stay."""
        stays: set[tuple[Repository | None, Digest | None]] = set()
        use = self._use(ended)
        for count, removal in enumerate(removals):
            if count % USED_AGAIN == USED_AGAIN - 1:
                use = self._use(ended)
            if _is_needed(removal, use, stays) or not await self._drop(removal):
                done.kept.append(removal)
                stays |= {(removal.repository, digest) for digest in removal.refers}
                stays.add((None, removal.digest))
            else:
                done.removed.append(removal)

    async def _drop(self, one: Removal) -> bool:
        blobs, digest, at = self._images.blobs, one.digest or Digest(""), one.fresh_at
        repository = one.repository or Repository("")
        match one.kind:
            case Kind.MANIFEST:
                return await self._images.manifests.drop(repository, digest, at, one.tags)
            case Kind.LINK:
                return await blobs.drop_link(BlobLink(repository=repository, digest=digest, fresh_at=at))
            case Kind.CONTENT:
                return await blobs.drop_content(BlobContent(digest=digest, size_bytes=one.size_bytes, fresh_at=at))
            case Kind.UPLOAD:
                upload = OpenUpload(repository=repository, id=one.upload, size_bytes=one.size_bytes, fresh_at=at)
                return await blobs.drop_upload(upload)

    async def _tell(self, done: Collected) -> None:
        if not done.removed:
            return
        images = sum(one.kind is Kind.MANIFEST for one in done.removed)
        log.info("images collected", images=images, freed_bytes=done.freed_bytes)
        detail: dict[str, str | int | float | bool | None] = {"images": images, "freed_bytes": done.freed_bytes}
        event = Event(at=clock.now(), kind="images.collected", subject="registry", detail=detail)
        with contextlib.suppress(DraasError):  # it is in the log
            await self._note(event)


def use_of(cluster: Cluster, policy: Policy, ended: Sequence[Job]) -> Use:
    """What `cluster` uses. `ended` are the newest builds that are over, newest first."""
    sources = {key: [user.told for user in some] for key, some in sources_in_use(cluster, ended).items()}
    return Use(images=words(images_in_use(cluster, policy)), sources=sources)


def _is_needed(one: Removal, use: Use, stays: set[tuple[Repository | None, Digest | None]]) -> bool:
    if (one.repository, one.digest) in stays or (one.kind is Kind.CONTENT and (None, one.digest) in stays):
        return one.digest is not None
    if one.repository is None or one.digest is None:
        return False
    if one.kind is Kind.LINK:
        return (one.repository, one.digest) in use.sources
    return any((one.repository, name) in use.images for name in (one.digest, *one.tags))
