"""Where builds are placed, what their agents are told, and what becomes of an attempt."""

import pytest

from draas.lib.values import replace
from draas.model.allocation import AllocationState, Observed
from draas.model.build import Built
from draas.testing.builders import a_build_spec, a_spec, an_image_of, some_facts
from draas.testing.small_cluster import SmallCluster

BUILDS = {"builder": some_facts(roles=("builder",)), "worker": some_facts(roles=("worker",))}


@pytest.fixture
def cluster() -> SmallCluster:
    made = SmallCluster()
    for name, facts in BUILDS.items():
        made.joins(name, facts)
    return made


def ends_well(cluster: SmallCluster, id: str, built: Built | None) -> None:
    seen = Observed(state=AllocationState.SUCCEEDED, exit_code=0, finished_at=cluster.now, built=built)
    cluster.says(id, seen)


def test_builders_take_builds_and_workers_jobs(cluster: SmallCluster) -> None:
    cluster.submit(*[a_build_spec() for _ in range(4)], *[a_spec() for _ in range(4)])
    cluster.tick()
    assert [cluster.where(f"j{number}") for number in range(1, 9)] == ["builder"] * 4 + ["worker"] * 4
    cluster.submit(a_build_spec(), a_spec())
    cluster.tick()
    assert (cluster.where("j9"), cluster.where("j10")) == (None, None), "both are full"


def test_a_node_that_becomes_a_builder_takes_what_waits() -> None:
    cluster = SmallCluster()
    cluster.joins("alpha", some_facts(roles=("worker",)))
    cluster.submit(a_build_spec())
    cluster.tick()
    assert cluster.where("j1") is None
    assert cluster.explain("j1").verdicts[0].lacks == ("it builds no images: its roles are worker",)
    cluster.joins("alpha", some_facts(roles=("worker", "builder")))
    cluster.tick()
    assert cluster.where("j1") == "alpha"


def test_a_build_for_another_architecture_waits_and_says_so(cluster: SmallCluster) -> None:
    cluster.submit(a_build_spec(arch="arm64"))
    cluster.tick()
    assert cluster.where("j1") is None
    lacks = {verdict.node: verdict.lacks for verdict in cluster.explain("j1").verdicts}
    assert lacks["builder"] == ("builds for arm64, this node is amd64",)
    cluster.joins("pi", some_facts(roles=("builder",), arch="arm64"))
    cluster.tick()
    assert cluster.where("j1") == "pi"


def test_who_has_the_image_of_the_build_before_builds_it_again() -> None:
    cluster = SmallCluster()
    cluster.joins("alpha", some_facts(roles=("builder",)))
    cluster.joins("bravo", some_facts(roles=("builder",), images={"draas.internal/default/shop:latest": 10**9}))
    cluster.submit(a_build_spec(), a_build_spec("default/other"))
    cluster.tick()
    assert (cluster.where("j1"), cluster.where("j2")) == ("bravo", "alpha")


def test_its_agent_is_told_all_of_it_but_what_is_sealed(cluster: SmallCluster) -> None:
    cluster.submit(a_build_spec(sealed_secrets={"npm": b"sealed"}, args={"A": "1"}))
    cluster.tick()
    (assignment,) = cluster.told("builder").put
    order = assignment.build
    assert order is not None
    assert (assignment.command, assignment.image, order.repository) == ((), None, "default/shop")
    assert (order.git, order.args, order.secrets) == ("https://example.org/shop.git", {"A": "1"}, {})


def test_its_image_is_kept(cluster: SmallCluster) -> None:
    cluster.submit(a_build_spec())
    cluster.tick()
    cluster.starts("j1")
    ends_well(cluster, "j1", an_image_of())
    plan = cluster.tick()
    assert cluster.states() == {"j1": "succeeded"}
    assert cluster.attempt("j1").observed.built == an_image_of()
    assert [(event.kind, event.detail.get("image")) for event in plan.events] == [
        ("build.running", None),
        ("build.succeeded", an_image_of().image),
    ]


@pytest.mark.parametrize(
    ("built", "words"), [(None, "told of no image"), (an_image_of("default/other"), "none of default/shop")]
)
def test_ending_well_without_an_image_of_its_own_is_a_failure(
    cluster: SmallCluster, built: Built | None, words: str
) -> None:
    cluster.submit(a_build_spec(), a_build_spec(retries=1))
    cluster.tick()
    for id in ("j1", "j2"):
        cluster.starts(id)
        ends_well(cluster, id, built)
    assert cluster.states() == {"j1": "failed", "j2": "queued"}
    assert words in cluster.job("j1").reason
    assert words in cluster.job("j2").reason


def test_a_retried_build_may_have_another_image(cluster: SmallCluster) -> None:
    cluster.submit(a_build_spec())
    for digit in "12":
        cluster.tick()
        cluster.starts("j1")
        built = replace(an_image_of(), image=f"draas.internal/default/shop@sha256:{digit * 64}")
        ends_well(cluster, "j1", built)
        if digit == "1":
            cluster.retry("j1")
    job = cluster.job("j1")
    assert [attempt.observed.built.image[-1] for attempt in job.attempts if attempt.observed.built] == ["1", "2"]
