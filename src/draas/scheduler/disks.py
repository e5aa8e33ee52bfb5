"""Disks: from when a full one is told of, and from when nothing new goes there. Pure."""

from collections.abc import Iterable, Mapping
from enum import IntEnum

from draas.lib.disk import Disk
from draas.model.event import Event
from draas.model.node import Node, NodeState
from draas.scheduler.filters import DISK_FULL_SHARE

WARN_SHARE = 0.8  # images can go, and people can act, before anything is refused
BACK_SHARE = 0.03  # below the share at which a level was reached: a disk that wavers is told of once
CONTROLLER = "controller"  # the subject of events of the controller's own disk


class DiskLevel(IntEnum):
    ROOMY = 0
    FILLING = 1
    FULL = 2


_KINDS = {DiskLevel.ROOMY: "disk.freed", DiskLevel.FILLING: "disk.filling", DiskLevel.FULL: "disk.full"}
_SHARES = {DiskLevel.FILLING: WARN_SHARE, DiskLevel.FULL: DISK_FULL_SHARE}


def level_of(share: float, before: DiskLevel = DiskLevel.ROOMY) -> DiskLevel:
    """The level of a disk so full (0..1) that was on the level `before`."""
    reached = [level for level, at in _SHARES.items() if share >= at or (before >= level and share >= at - BACK_SHARE)]
    return max(reached, default=DiskLevel.ROOMY)


def disks_of(nodes: Iterable[Node]) -> dict[str, tuple[str, Disk]]:
    """By node id: its name, and its disk as it was measured last. Those that are away say nothing."""
    return {
        node.id: (node.name, Disk(used_bytes=node.load.disk_used_bytes, total_bytes=node.load.disk_total_bytes))
        for node in nodes
        if node.state in (NodeState.READY, NodeState.DRAINING) and node.load.disk_total_bytes > 0
    }


def judge_disks(
    disks: Mapping[str, tuple[str, Disk]], before: Mapping[str, DiskLevel], now: float
) -> tuple[dict[str, DiskLevel], list[Event]]:
    """The levels now, and an event for each that has changed. What is not measured now stays as it was."""
    levels, events = dict(before), []
    for subject, (name, disk) in sorted(disks.items()):
        was = before.get(subject, DiskLevel.ROOMY)
        levels[subject] = level = level_of(disk.share, was)
        if level is not was:
            percent = round(disk.share * 100)
            events.append(Event(at=now, kind=_KINDS[level], subject=subject, detail={"name": name, "percent": percent}))
    return levels, events


def warnings_of(disk: Disk, *, is_controller: bool = False) -> list[str]:
    """What people are told of a disk, each with its remedy; nothing where there is room."""
    level = level_of(disk.share)
    if level is DiskLevel.ROOMY:
        return []
    percent = f"{disk.share * 100:.0f} %"
    effect, remedy = effect_of(is_controller=is_controller)
    return [f"its disk is {percent} full ({effect}): {remedy}"]


def effect_of(*, is_controller: bool) -> tuple[str, str]:
    """What a full disk keeps from being done, and what to do about it."""
    share = f"from {DISK_FULL_SHARE * 100:.0f} % on"
    if is_controller:
        return f"{share} nothing is uploaded", "draas images prune, or free some"
    return f"{share} it gets no new work", "unneeded images go by themselves; remove other files there"
