"""Which images leave this node: of those that its agent made or pulled, what nothing here and no word of the controller needs. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from draas.lib.disk import Disk

GRACE_S = 600.0  # the controller learns of a new image within a minute, and says whether it stays
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """An image that was not here before this agent pulled it. `names` are those under which it did, as the engine has them."""

    names: tuple[str, ...]
    used_at: float  # pulled, or seen in use, last


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """An image that is here, with all the names that the engine has for it; and those that the cluster has."""

    id: str
    names: tuple[str, ...]
    known_as: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When an image goes that is not kept. `quota_bytes` 0: none."""

    unused_s: float = 7 * 86400.0
    full_share: float = 0.8  # of the disk: from here on whatever is not kept goes, the longest unused first,
    room_share: float = 0.75  # until here
    quota_bytes: int = 0  # for all that this agent pulled


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRemoval:
    """An image to remove, by each of its names; by its id where it has none."""

    image: Present
    reason: str


def plan_removals(
    present: Sequence[Present],
    ledger: Mapping[str, Owned],
    keep: Collection[str] | None,
    in_use: Collection[str],
    now: float,
    disk: Disk,
    rules: Rules,
) -> list[ImageRemoval]:
    """What to remove, the longest unused first. Without word from the controller (`keep` None) nothing.

    `keep` and `in_use` are ids, and names as the cluster has them.
    """
    if keep is None:
        return []
    ours = {one.id: one for one in present if one.id in ledger and _is_ours(one, ledger[one.id])}
    stays = {*keep, *in_use}
    free = [one for one in ours.values() if one.id not in stays and not stays & set(one.known_as)]
    old_enough = [one for one in free if now - ledger[one.id].used_at >= GRACE_S]
    kept_bytes, used_bytes = sum(one.size_bytes for one in ours.values()), disk.used_bytes
    is_full = disk.share >= rules.full_share
    removals = []
    for one in sorted(old_enough, key=lambda one: (ledger[one.id].used_at, one.id)):
        unused_s = now - ledger[one.id].used_at
        reason = ""
        if unused_s >= rules.unused_s:
            reason = f"not used for {unused_s / 86400:.0f} days"
        elif is_full and disk.total_bytes and used_bytes / disk.total_bytes >= rules.room_share:
            reason = f"the disk is {disk.share * 100:.0f} % full, and nothing needs it"
        elif rules.quota_bytes and kept_bytes > rules.quota_bytes:
            reason = f"images take more than {rules.quota_bytes // MIB} MiB, and nothing needs it"
        if reason:
            removals.append(ImageRemoval(image=one, reason=reason))
            kept_bytes -= one.size_bytes
            used_bytes -= one.size_bytes
    return removals


def _is_ours(image: Present, owned: Owned) -> bool:
    """Whether every name that it has is one under which this agent pulled it: another one is somebody's who wants it."""
    repositories = {_repository(name) for name in owned.names}
    return all(name in owned.names or ("@" in name and _repository(name) in repositories) for name in image.names)


def _repository(name: str) -> str:
    name = name.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name
