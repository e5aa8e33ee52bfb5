"""Which images and sources the cluster needs."""

from dataclasses import replace

from draas.model.app import App, AppId
from draas.model.app_spec import AppSpec
from draas.model.cluster import Cluster
from draas.model.image_name import Digest, Repository, Tag
from draas.model.job import DEFAULT_PROJECT, JobState
from draas.model.policy import Policy
from draas.model.release import Release, ReleaseState
from draas.scheduler.image_use import images_in_use, kept_on, names_in_use, sources_in_use
from draas.testing.builders import a_build_spec, a_job, a_node

SHOP = Repository("default/shop")


def digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064x}")


def release(number: int, state: ReleaseState = ReleaseState.REPLACED, tag: str = "") -> Release:
    image = f"draas.internal/default/shop@{digest(number)}"
    spec = AppSpec(image=f"draas.internal/default/shop:{tag}" if tag else image)
    return Release(number=number, spec=spec, state=state, created_at=0.0, image=image)


def an_app(*releases: Release, live: int | None = None) -> App:
    return App(
        id=AppId("p-1"), name="shop", project=DEFAULT_PROJECT, created_at=0.0, spec=releases[-1].spec, wanted=1,
        releases=releases, live=live,
    )  # fmt: skip


def test_the_newest_releases_and_what_serves_stay() -> None:
    releases = [release(number) for number in range(1, 9)]
    releases[0] = replace(releases[0], state=ReleaseState.LIVE)
    cluster = Cluster(apps=(an_app(*releases, live=1),))
    used = images_in_use(cluster, Policy(images_keep_releases=2))
    assert set(used) == {(SHOP, digest(number)) for number in (1, 6, 7, 8)}
    assert [user.told for user in used[SHOP, digest(8)]] == ["app shop, release 8"]


def test_a_name_by_tag_is_used_as_well_as_what_it_was_resolved_to() -> None:
    used = images_in_use(Cluster(apps=(an_app(release(1, tag="v1")),)), Policy())
    assert set(used) == {(SHOP, Tag("v1")), (SHOP, digest(1))}


def test_images_of_other_registries_have_names_but_no_place_here() -> None:
    cluster = Cluster(jobs=(a_job(1, image="nginx:1.25"), a_job(2, image="draas.internal/NONSENSE")))
    assert images_in_use(cluster, Policy()) == {}
    assert names_in_use(cluster, Policy()) >= {"nginx:1.25", Policy().default_image}


def test_sources_of_builds_that_are_not_over_and_of_the_newest_that_are() -> None:
    going = replace(a_job(9), spec=a_build_spec(source=digest(9)))
    ended = [
        replace(a_job(number), spec=a_build_spec(source=digest(number)), state=JobState.FAILED)
        for number in (8, 7, 7, 6, 5, 4)
    ]
    other = replace(a_job(1), spec=a_build_spec("default/api", source=digest(1)), state=JobState.SUCCEEDED)
    used = sources_in_use(Cluster(jobs=(going,)), [*ended, other])
    assert set(used) == {(SHOP, digest(number)) for number in (9, 8, 7, 6)} | {(Repository("default/api"), digest(1))}


def test_a_node_keeps_what_is_named_however_it_is_spelled() -> None:
    cluster = Cluster(jobs=(a_job(1, image="nginx"), a_job(2, image="sha256:old:1")))
    node = a_node(images={"docker.io/library/nginx:latest": 5, "redis:7": 5, "old:1": 5})
    assert kept_on(node, names_in_use(cluster, Policy())) == (
        "sha256:docker.io/library/nginx:latest",
        "sha256:old:1",
    )
