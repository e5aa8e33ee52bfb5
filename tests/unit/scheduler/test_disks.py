"""When a disk is told of: once at each level, however it wavers."""

from hypothesis import given
from hypothesis import strategies as st

from draas.lib.disk import Disk
from draas.model.node import Load, NodeState
from draas.scheduler.disks import BACK_SHARE, WARN_SHARE, DiskLevel, disks_of, judge_disks, level_of, warnings_of
from draas.scheduler.filters import DISK_FULL_SHARE
from draas.testing.builders import a_node


def disk(percent: float) -> Disk:
    return Disk(used_bytes=round(percent * 1000), total_bytes=100_000)


def kinds(percents: list[float]) -> list[str]:
    levels: dict[str, DiskLevel] = {}
    told = []
    for at, percent in enumerate(percents):
        levels, events = judge_disks({"n-a": ("alpha", disk(percent))}, levels, float(at))
        told += [event.kind for event in events]
    return told


def test_one_event_a_level_up_and_down() -> None:
    assert kinds([10, 79.9, 80, 85, 94, 95, 99, 93, 91, 80, 78, 76, 10]) == [
        "disk.filling",
        "disk.full",
        "disk.filling",
        "disk.freed",
    ]
    assert kinds([10, 99, 10]) == ["disk.full", "disk.freed"]


@given(st.sampled_from([WARN_SHARE, DISK_FULL_SHARE]), st.lists(st.floats(-BACK_SHARE * 0.9, 0.01)))
def test_what_wavers_about_a_level_is_told_once(share: float, wavering: list[float]) -> None:
    percents = [share * 100 + 0.5, *((share + one) * 100 for one in wavering)]
    assert len(kinds(percents)) == 1


@given(st.floats(0, 1), st.sampled_from(DiskLevel))
def test_a_level_is_never_lower_than_the_share_says(share: float, before: DiskLevel) -> None:
    assert level_of(share, before) >= level_of(share)
    assert level_of(share, before) <= max(before, level_of(share))


def test_the_event_names_the_disk() -> None:
    _, (event,) = judge_disks({"n-a": ("alpha", disk(85))}, {}, 5.0)
    assert (event.subject, event.detail, event.at) == ("n-a", {"name": "alpha", "percent": 85}, 5.0)


def test_who_is_away_or_not_measured_is_not_judged() -> None:
    full = Load(disk_used_bytes=90, disk_total_bytes=100)
    nodes = [a_node("a", load=full), a_node("b", load=full, state=NodeState.DOWN), a_node("c")]
    assert list(disks_of(nodes)) == ["n-a"]
    assert judge_disks({}, {"n-b": DiskLevel.FULL}, 0.0) == ({"n-b": DiskLevel.FULL}, [])


def test_warnings_say_what_to_do() -> None:
    assert warnings_of(disk(79)) == []
    (told,) = warnings_of(disk(81), is_controller=True)
    assert told == "its disk is 81 % full (from 95 % on nothing is uploaded): draas images prune, or free some"
    assert "no new work" in warnings_of(disk(97))[0]
