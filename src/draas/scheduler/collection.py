"""Collection: what of the controller's registry may go, each with its reason. Pure.

Every prefix of the plan leaves a sound registry: an index goes before the manifests that it lists, a manifest before its blobs,
a repository's hold on a blob before the bytes. Nothing goes that something in use refers to, nor what is fresher than GRACE_S.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from draas.model.image_name import Digest, Repository, Tag
from draas.model.policy import Policy
from draas.model.stored_image import BlobContent, BlobLink, OpenUpload, StoredImage

GRACE_S = 3600.0  # a push sends blobs before the manifest that refers to them
_BUILD_TAG = re.compile(r"[bj]-[0-9a-z]{20}")  # an id of draas.lib.ids: of the build that made the image
_Key = tuple[Repository, Digest]
_Aged = TypeVar("_Aged", StoredImage, BlobLink, BlobContent, OpenUpload)


class Kind(StrEnum):
    MANIFEST = "image"
    LINK = "blob"
    CONTENT = "content"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """All that the registry holds, in any order."""

    manifests: Sequence[StoredImage] = ()
    links: Sequence[BlobLink] = ()
    contents: Sequence[BlobContent] = ()
    uploads: Sequence[OpenUpload] = ()

    @property
    def size_bytes(self) -> int:
        """What all of it takes."""
        return sum(one.size_bytes for part in (self.manifests, self.contents, self.uploads) for one in part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What is in use, by whom in words."""

    images: Mapping[tuple[Repository, Tag | Digest], Sequence[str]] = field(default_factory=dict)
    sources: Mapping[_Key, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How long what nothing uses is kept. 0 of `keep_tags` and `quota_bytes`: no limit."""

    keep_builds: int = 10  # images per repository that only a build's id names
    keep_tags: int = 0  # images per repository that somebody named
    untagged_s: float = 86400.0
    loose_s: float = 7 * 86400.0  # blobs that no image refers to: sources of builds, or of a push that broke off
    uploads_s: float = 86400.0
    quota_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One thing to delete unless it has become fresher than `fresh_at`.

    `freed_bytes` is for people: an image's has the blobs that go with it, which then have none, and name it in `part_of`.
    """

    kind: Kind
    repository: Repository | None
    digest: Digest | None
    reason: str
    fresh_at: float
    size_bytes: int = 0  # of it alone
    freed_bytes: int = 0
    upload: str = ""
    tags: tuple[Tag, ...] = ()
    refers: tuple[Digest, ...] = ()
    part_of: Digest | None = None


def rules_of(policy: Policy) -> Rules:
    """What the controller's policy says of images."""
    return Rules(
        keep_builds=policy.images_keep_builds,
        keep_tags=policy.images_keep_tags,
        untagged_s=policy.images_untagged_s,
        loose_s=policy.sources_kept_s,
        uploads_s=policy.uploads_kept_s,
        quota_bytes=policy.images_quota_bytes,
    )


def urgent(rules: Rules) -> Rules:
    """The same, where room is needed: age protects nothing beyond the grace. What is in use, and the numbers, stay."""
    return replace(rules, untagged_s=GRACE_S, loose_s=GRACE_S, uploads_s=GRACE_S)


def is_build_tag(tag: Tag) -> bool:
    """Whether a build made the tag out of its own id, and not a person."""
    return _BUILD_TAG.fullmatch(tag) is not None


def plan_collection(held: Holdings, use: Use, rules: Rules, now: float) -> list[Removal]:
    """What to delete, in the order in which to do it."""
    planned = _Pass(held, use, rules, now).removals()
    if not rules.quota_bytes or held.size_bytes - _freed(planned) <= rules.quota_bytes:
        return planned
    pressed = _Pass(held, use, urgent(rules), now)
    candidates, fewest, most = pressed.unused(), 0, len(pressed.unused())
    while fewest < most:  # the more go the more is freed: find how few will do
        middle = (fewest + most) // 2
        if held.size_bytes - _freed(pressed.removals(candidates[:middle])) <= rules.quota_bytes:
            most = middle
        else:
            fewest = middle + 1
    return pressed.removals(candidates[:fewest])


def _freed(removals: Iterable[Removal]) -> int:
    return sum(one.size_bytes for one in removals)


class _Pass:
    """One look at `held` under `rules`."""

    def __init__(self, held: Holdings, use: Use, rules: Rules, now: float) -> None:
        self._held, self._use, self._rules, self._now = held, use, rules, now
        self._by_key = {(one.repository, one.digest): one for one in held.manifests}
        self._unread = {one.repository for one in held.manifests if one.unread}
        self._reasons = self._judge()

    def unused(self) -> list[StoredImage]:
        """Kept so far, though neither used nor fresh: oldest first."""
        kept = [one for key, one in self._by_key.items() if key not in self._reasons]
        return _oldest(one for one in kept if not self._is_fresh(one.fresh_at) and not self._users(one))

    def removals(self, dropped: Sequence[StoredImage] = ()) -> list[Removal]:
        """What goes when `dropped` are not kept for their own sake either."""
        over = {(one.repository, one.digest): "over the quota, and nothing uses it" for one in dropped}
        reasons = {**self._reasons, **over}
        kept = self._with_listed(key for key in self._by_key if key not in reasons)
        doomed = _listing_first([one for key, one in self._by_key.items() if key not in kept])
        loose = self._loose(kept, doomed)
        gone = {(one.repository, one.digest) for one, _ in loose}
        linked = {one.digest for one in self._held.links if (one.repository, one.digest) not in gone}
        orphans = [one for one in self._held.contents if one.digest not in linked and not self._is_fresh(one.fresh_at)]
        return list(self._told(doomed, reasons, loose, _oldest(orphans)))

    # --- which manifests stay ---

    def _judge(self) -> dict[_Key, str]:
        """Why each manifest that is not kept for its own sake is not."""
        of_builds, named = self._beyond(self._rules.keep_builds, named=False), frozenset[_Key]()
        if self._rules.keep_tags:
            named = self._beyond(self._rules.keep_tags, named=True)
        reasons = {}
        for key, one in self._by_key.items():
            if self._users(one) or self._is_fresh(one.fresh_at) or one.repository in self._unread:
                continue
            if not one.tags:
                if self._now - one.fresh_at >= self._rules.untagged_s:
                    reasons[key] = f"no tag names it since {_age(self._now - one.fresh_at)}, and nothing uses it"
            elif key in of_builds:
                reasons[key] = f"not one of the {self._rules.keep_builds} newest builds of {one.repository}"
            elif key in named:
                reasons[key] = f"not one of the {self._rules.keep_tags} newest tags of {one.repository}"
        return reasons

    def _beyond(self, count: int, *, named: bool) -> frozenset[_Key]:
        """The manifests of each repository that are older than the `count` newest, of those that people named or builds alone."""
        kinds: dict[Repository, list[StoredImage]] = {}
        for one in self._held.manifests:
            if one.tags and named != all(map(is_build_tag, one.tags)):
                kinds.setdefault(one.repository, []).append(one)
        return frozenset(
            (one.repository, one.digest)
            for some in kinds.values()
            for one in _oldest(some)[: max(0, len(some) - count)]
        )

    def _users(self, one: StoredImage) -> bool:
        return any((one.repository, name) in self._use.images for name in (one.digest, *one.tags))

    def _with_listed(self, keys: Iterable[_Key]) -> set[_Key]:
        """`keys` and what they list, however deep."""
        found: set[_Key] = set()
        todo = list(keys)
        while todo:
            key = todo.pop()
            if key not in found and key in self._by_key:
                found.add(key)
                todo += [(key[0], listed) for listed in self._by_key[key].manifests]
        return found

    # --- what goes with those that do not ---

    def _loose(self, kept: set[_Key], doomed: Sequence[StoredImage]) -> list[tuple[BlobLink, str]]:
        """The repositories' blobs to which no kept manifest refers, oldest first, each with its reason."""
        wanted = {(repository, blob) for repository, digest in kept for blob in self._by_key[repository, digest].blobs}
        layers = {(one.repository, blob) for one in doomed for blob in one.blobs}
        found = []
        for link in _oldest(self._held.links):
            key = (link.repository, link.digest)
            if key in wanted or key in self._use.sources or link.repository in self._unread:
                continue
            age_s = self._now - link.fresh_at
            if self._is_fresh(link.fresh_at):
                continue
            if key in layers:
                found.append((link, "only images that go refer to it"))
            elif age_s >= self._rules.loose_s:
                found.append((link, f"no image refers to it since {_age(age_s)}"))
        return found

    def _is_fresh(self, fresh_at: float) -> bool:
        return self._now - fresh_at < GRACE_S

    def _told(
        self,
        doomed: Sequence[StoredImage],
        reasons: Mapping[_Key, str],
        loose: Sequence[tuple[BlobLink, str]],
        orphans: Sequence[BlobContent],
    ) -> Iterator[Removal]:
        going = {one.digest: one.size_bytes for one in orphans}
        owners: dict[Digest, Digest] = {}  # of contents that go: the first image that goes and has it
        for image in doomed:
            for blob in image.blobs:
                owners.setdefault(blob, image.digest)
        uncounted = dict(going)
        for image in doomed:
            with_it = sum(uncounted.pop(blob, 0) for blob in image.blobs)
            yield Removal(
                kind=Kind.MANIFEST, repository=image.repository, digest=image.digest, tags=image.tags,
                reason=reasons[image.repository, image.digest], fresh_at=image.fresh_at,
                size_bytes=image.size_bytes, freed_bytes=image.size_bytes + with_it,
                refers=(*image.blobs, *image.manifests),
            )  # fmt: skip
        for link, reason in loose:
            yield Removal(
                kind=Kind.LINK, repository=link.repository, digest=link.digest, reason=reason, fresh_at=link.fresh_at,
                freed_bytes=uncounted.pop(link.digest, 0), part_of=owners.get(link.digest),
            )  # fmt: skip
        unlinked = {link.digest for link, _ in loose}
        for content in orphans:
            yield Removal(
                kind=Kind.CONTENT, repository=None, digest=content.digest, reason="no repository has it any more",
                fresh_at=content.fresh_at, size_bytes=content.size_bytes, freed_bytes=uncounted.pop(content.digest, 0),
                part_of=owners.get(content.digest) or (content.digest if content.digest in unlinked else None),
            )  # fmt: skip
        for upload in _oldest(self._held.uploads):
            if (age_s := self._now - upload.fresh_at) >= max(self._rules.uploads_s, GRACE_S):
                yield Removal(
                    kind=Kind.UPLOAD, repository=upload.repository, digest=None, upload=upload.id,
                    reason=f"nothing was sent for {_age(age_s)}", fresh_at=upload.fresh_at,
                    size_bytes=upload.size_bytes, freed_bytes=upload.size_bytes,
                )  # fmt: skip


def _listing_first(doomed: Sequence[StoredImage]) -> list[StoredImage]:
    """Oldest first, but each after those that list it: an index never lists what is gone."""
    listing: dict[_Key, list[StoredImage]] = {}
    for one in _oldest(doomed):
        for listed in one.manifests:
            listing.setdefault((one.repository, listed), []).append(one)
    ordered: dict[_Key, StoredImage] = {}
    for first in _oldest(doomed):
        todo = [first]
        while todo:
            one = todo[-1]
            before = [
                other
                for other in listing.get((one.repository, one.digest), ())
                if (other.repository, other.digest) not in ordered and other not in todo
            ]
            if before:
                todo.append(before[0])
            else:
                todo.pop()
                ordered.setdefault((one.repository, one.digest), one)
    return list(ordered.values())


def _oldest(items: Iterable[_Aged]) -> list[_Aged]:
    return sorted(items, key=_order)


def _order(item: StoredImage | BlobLink | BlobContent | OpenUpload) -> tuple[float, str, str]:
    repository = "" if isinstance(item, BlobContent) else item.repository
    return item.fresh_at, repository, item.id if isinstance(item, OpenUpload) else item.digest


def _age(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"
