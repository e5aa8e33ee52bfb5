"""Which images leave a node: never one that was here before, is used, is kept, or has a name that is not ours."""

from hypothesis import given
from hypothesis import strategies as st

from draas.agent.core.images import GRACE_S, Owned, Present, Rules, plan_removals
from draas.lib.disk import Disk

NOW = 1_000_000_000.0
DAY = 86400.0
ROOMY, FULL = Disk(used_bytes=100, total_bytes=1000), Disk(used_bytes=900, total_bytes=1000)


def image(name: str, *more: str, size: int = 50) -> Present:
    names = (f"{name}:1", *more)
    return Present(id=f"sha256:{name}", names=names, known_as=names, size_bytes=size)


def owned(name: str, age_s: float = 30 * DAY) -> Owned:
    return Owned(names=(f"{name}:1",), used_at=NOW - age_s)


IMAGES = [image(name) for name in "abcdef"]


@given(
    ledger=st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 30 * DAY)),
    keep=st.sets(st.sampled_from([*(one.id for one in IMAGES), "a:1", "b:1"])),
    in_use=st.sets(st.sampled_from([*(one.id for one in IMAGES), "c:1"])),
    disk=st.sampled_from([ROOMY, FULL, Disk()]),
    quota=st.sampled_from([0, 100]),
)
def test_only_what_is_ours_and_nobody_needs(
    ledger: dict[str, float], keep: set[str], in_use: set[str], disk: Disk, quota: int
) -> None:
    owners = {f"sha256:{name}": owned(name, age) for name, age in ledger.items()}
    gone = plan_removals(IMAGES, owners, keep, in_use, NOW, disk, Rules(quota_bytes=quota))
    for one in gone:
        assert one.image.id in owners
        assert not {one.image.id, *one.image.known_as} & {*keep, *in_use}
        assert NOW - owners[one.image.id].used_at >= GRACE_S
        assert one.reason
    ages = [owners[one.image.id].used_at for one in gone]
    assert ages == sorted(ages)
    assert plan_removals(IMAGES, owners, None, in_use, NOW, disk, Rules(quota_bytes=quota)) == []


def test_age_alone() -> None:
    owners = {"sha256:a": owned("a", 8 * DAY), "sha256:b": owned("b", 6 * DAY)}
    (gone,) = plan_removals(IMAGES, owners, set(), set(), NOW, ROOMY, Rules())
    assert (gone.image.id, gone.reason) == ("sha256:a", "not used for 8 days")


def test_a_full_disk_takes_the_longest_unused_first_and_stops_when_there_is_room() -> None:
    owners = {f"sha256:{name}": owned(name, age) for name, age in zip("abcdef", range(1000, 7000, 1000), strict=True)}
    gone = plan_removals(IMAGES, owners, set(), set(), NOW, FULL, Rules())
    assert [one.image.id for one in gone] == ["sha256:f", "sha256:e", "sha256:d", "sha256:c"]  # 900, 850, 800, 750
    assert gone[0].reason == "the disk is 90 % full, and nothing needs it"


def test_a_quota_takes_no_more_than_it_must() -> None:
    owners = {f"sha256:{name}": owned(name, 3600) for name in "abc"}
    assert len(plan_removals(IMAGES, owners, set(), set(), NOW, ROOMY, Rules(quota_bytes=100))) == 1


def test_somebodys_own_name_keeps_an_image_and_its_own_digest_does_not() -> None:
    owners = {"sha256:a": owned("a")}
    assert plan_removals([image("a", "mine:keep")], owners, set(), set(), NOW, ROOMY, Rules()) == []
    assert plan_removals([image("a", "a:2")], owners, set(), set(), NOW, ROOMY, Rules()) == []
    assert len(plan_removals([image("a", "a@sha256:12")], owners, set(), set(), NOW, ROOMY, Rules())) == 1


def test_an_image_whose_tag_moved_on_goes_by_its_id() -> None:
    bare = Present(id="sha256:a", names=(), known_as=(), size_bytes=5)
    assert len(plan_removals([bare], {"sha256:a": owned("a")}, set(), set(), NOW, ROOMY, Rules())) == 1
