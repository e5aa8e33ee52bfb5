"""What a collection may take: never what is used or fresh, never in an order that a crash would leave dangling."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from draas.model.image_name import Digest, Repository, Tag
from draas.model.stored_image import BlobContent, BlobLink, OpenUpload, StoredImage
from draas.scheduler.collection import GRACE_S, Holdings, Kind, Removal, Rules, Use, plan_collection, urgent

NOW = 1_000_000_000.0
DAY = 86400.0
WEB, API = Repository("p/web"), Repository("p/api")
BUILD_TAGS = [Tag(f"j-{number:020d}") for number in range(6)]
AGES = st.sampled_from([0.0, GRACE_S - 1, GRACE_S, DAY, 3 * DAY, 9 * DAY, 40 * DAY])


def digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064x}")


def image(
    number: int, *, age: float, tags: tuple[str, ...] = (), blobs: tuple[int, ...] = (), **more: object
) -> StoredImage:
    fields = {"repository": WEB, "media_type": "image", "size_bytes": 100, **more}
    named, held = tuple(map(Tag, tags)), tuple(map(digest, blobs))
    return StoredImage(digest=digest(number), fresh_at=NOW - age, tags=named, blobs=held, **fields)  # type: ignore[arg-type]


def link(number: int, *, age: float, repository: Repository = WEB) -> BlobLink:
    return BlobLink(repository=repository, digest=digest(number), fresh_at=NOW - age)


def content(number: int, *, age: float, size: int = 1000) -> BlobContent:
    return BlobContent(digest=digest(number), size_bytes=size, fresh_at=NOW - age)


@st.composite
def holdings(draw: st.DrawFn) -> Holdings:
    """Sound ones: what a manifest refers to is there."""
    manifests: list[StoredImage] = []
    links: dict[tuple[Repository, Digest], BlobLink] = {}
    for number in range(draw(st.integers(0, 9))):
        repository = draw(st.sampled_from([WEB, API]))
        earlier = [one.digest for one in manifests if one.repository == repository]
        listed = draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
        blobs = [] if listed else draw(st.lists(st.integers(0, 7), max_size=3, unique=True))
        free = [tag for tag in (*BUILD_TAGS, Tag("v1"), Tag("latest")) if all(tag not in one.tags for one in manifests)]
        tags = draw(st.lists(st.sampled_from(free), max_size=2, unique=True)) if free else []
        manifests.append(
            replace(
                image(100 + number, age=draw(AGES), repository=repository),
                tags=tuple(tags), blobs=tuple(map(digest, blobs)), manifests=tuple(listed),
            )
        )  # fmt: skip
        for blob in blobs:
            links.setdefault((repository, digest(blob)), link(blob, age=draw(AGES), repository=repository))
    for blob in draw(st.lists(st.integers(0, 9), max_size=4)):
        links.setdefault((API, digest(blob)), link(blob, age=draw(AGES), repository=API))
    present = {one.digest for one in links.values()} | {digest(one) for one in draw(st.sets(st.integers(0, 11)))}
    contents = [
        replace(content(0, age=draw(AGES), size=draw(st.integers(1, 9))), digest=one) for one in sorted(present)
    ]
    uploads = [
        OpenUpload(repository=WEB, id=f"u_{number}", size_bytes=5, fresh_at=NOW - draw(AGES))
        for number in range(draw(st.integers(0, 2)))
    ]
    return Holdings(manifests=manifests, links=list(links.values()), contents=contents, uploads=uploads)


@st.composite
def uses(draw: st.DrawFn, held: Holdings) -> Use:
    names = [(one.repository, name) for one in held.manifests for name in (one.digest, *one.tags)]
    sources = [(one.repository, one.digest) for one in held.links]
    return Use(
        images=dict.fromkeys(draw(st.sets(st.sampled_from(names), max_size=3)) if names else (), ("app shop",)),
        sources=dict.fromkeys(draw(st.sets(st.sampled_from(sources), max_size=2)) if sources else (), ("build",)),
    )


RULES = st.builds(
    Rules,
    keep_builds=st.integers(1, 3),
    keep_tags=st.integers(0, 2),
    quota_bytes=st.sampled_from([0, 1, 200, 500, 10**6]),
)


def apply(held: Holdings, one: Removal) -> Holdings:
    match one.kind:
        case Kind.MANIFEST:
            gone = [m for m in held.manifests if (m.repository, m.digest) != (one.repository, one.digest)]
            return replace(held, manifests=gone)
        case Kind.LINK:
            links = [m for m in held.links if (m.repository, m.digest) != (one.repository, one.digest)]
            return replace(held, links=links)
        case Kind.CONTENT:
            return replace(held, contents=[m for m in held.contents if m.digest != one.digest])
        case Kind.UPLOAD:
            return replace(held, uploads=[m for m in held.uploads if m.id != one.upload])


def check_sound(held: Holdings) -> None:
    manifests = {(one.repository, one.digest) for one in held.manifests}
    links, contents = {(one.repository, one.digest) for one in held.links}, {one.digest for one in held.contents}
    for one in held.manifests:
        assert all((one.repository, listed) in manifests for listed in one.manifests)
        assert all((one.repository, blob) in links for blob in one.blobs)
    assert {blob for _, blob in links} <= contents


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_every_prefix_is_sound_and_what_is_used_or_fresh_stays(data: st.DataObject) -> None:
    held = data.draw(holdings())
    use, rules = data.draw(uses(held)), data.draw(RULES)
    plan = plan_collection(held, use, rules, NOW)
    left = held
    for one in plan:
        assert one.fresh_at <= NOW - GRACE_S, "something fresh"
        assert one.reason
        left = apply(left, one)
        check_sound(left)
    kept = {(one.repository, one.digest) for one in left.manifests}
    for image in held.manifests:
        if any((image.repository, name) in use.images for name in (image.digest, *image.tags)):
            assert (image.repository, image.digest) in kept, "an image in use"
    assert set(use.sources) <= {(one.repository, one.digest) for one in left.links}
    freed = held.size_bytes - left.size_bytes
    assert freed == sum(one.size_bytes for one in plan) == sum(one.freed_bytes for one in plan)
    assert plan_collection(left, use, rules, NOW) == []
    shuffled = {
        part: data.draw(st.permutations(getattr(held, part))) for part in ("manifests", "links", "contents", "uploads")
    }
    assert plan_collection(Holdings(**shuffled), use, rules, NOW) == plan
    if not rules.keep_tags and not rules.quota_bytes:
        for image in held.manifests:
            if not all(tag in BUILD_TAGS for tag in image.tags):
                assert (image.repository, image.digest) in kept, "a tag of a person's"


def names(plan: list[Removal]) -> list[tuple[Kind, Digest | None]]:
    return [(one.kind, one.digest) for one in plan]


def test_an_image_goes_with_what_only_it_has() -> None:
    held = Holdings(
        manifests=[image(1, age=2 * DAY, blobs=(10, 11)), image(2, age=2 * DAY, tags=("v1",), blobs=(11,))],
        links=[link(10, age=2 * DAY), link(11, age=2 * DAY)],
        contents=[content(10, age=2 * DAY), content(11, age=2 * DAY)],
    )
    plan = plan_collection(held, Use(), Rules(), NOW)
    assert names(plan) == [(Kind.MANIFEST, digest(1)), (Kind.LINK, digest(10)), (Kind.CONTENT, digest(10))]
    assert [one.freed_bytes for one in plan] == [1100, 0, 0]
    assert [one.part_of for one in plan] == [None, digest(1), digest(1)]
    assert plan[0].reason == "no tag names it since 2 days, and nothing uses it"


def test_of_builds_the_newest_stay_and_named_ones_do_not_count() -> None:
    held = Holdings(
        manifests=[
            *(image(number, age=(number + 1) * DAY, tags=(BUILD_TAGS[number],)) for number in range(4)),
            image(9, age=90 * DAY, tags=("stable", BUILD_TAGS[5])),
        ]
    )
    plan = plan_collection(held, Use(), Rules(keep_builds=2), NOW)
    assert names(plan) == [(Kind.MANIFEST, digest(3)), (Kind.MANIFEST, digest(2))]
    assert plan[0].reason == "not one of the 2 newest builds of p/web"


def test_beyond_the_quota_the_oldest_unused_go_and_no_more_than_needed() -> None:
    held = Holdings(
        manifests=[image(number, age=(5 - number) * DAY, tags=(f"v{number}",), blobs=(number,)) for number in range(4)],
        links=[link(number, age=5 * DAY) for number in range(4)],
        contents=[content(number, age=5 * DAY) for number in range(4)],
    )
    use = Use(images={(WEB, Tag("v0")): ["app shop, release 1"]})
    plan = plan_collection(held, use, Rules(quota_bytes=3400), NOW)
    assert names(plan) == [(Kind.MANIFEST, digest(1)), (Kind.LINK, digest(1)), (Kind.CONTENT, digest(1))]
    everything = plan_collection(held, use, Rules(quota_bytes=1), NOW)
    assert {one.digest for one in everything} == {digest(1), digest(2), digest(3)}


def test_sources_stay_for_a_week_and_less_where_room_is_needed() -> None:
    held = Holdings(
        links=[link(1, age=2 * DAY), link(2, age=8 * DAY), link(3, age=8 * DAY)],
        contents=[content(number, age=8 * DAY) for number in (1, 2, 3)],
    )
    use = Use(sources={(WEB, digest(3)): ["build j-1"]})
    assert names(plan_collection(held, use, Rules(), NOW)) == [(Kind.LINK, digest(2)), (Kind.CONTENT, digest(2))]
    assert {one.digest for one in plan_collection(held, use, urgent(Rules()), NOW)} == {digest(1), digest(2)}


def test_what_cannot_be_read_keeps_all_of_its_repository() -> None:
    held = Holdings(
        manifests=[image(1, age=9 * DAY, unread="no JSON")],
        links=[link(7, age=9 * DAY)],
        contents=[content(7, age=9 * DAY)],
    )
    assert plan_collection(held, Use(), Rules(), NOW) == []
