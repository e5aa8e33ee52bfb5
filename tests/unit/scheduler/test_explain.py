"""`draas explain`: why a job waits, why it runs there; per node and in numbers."""

import pytest

from draas.model.allocation import AllocationState, Observed
from draas.model.job import RuntimeName
from draas.model.node import Load
from draas.model.resources import MIB
from draas.testing.builders import GIB, a_spec, some_facts
from draas.testing.small_cluster import SmallCluster


@pytest.fixture
def cluster() -> SmallCluster:
    return SmallCluster("alpha", "bravo")


def lacks(cluster: SmallCluster, id: str = "j1") -> dict[str, tuple[str, ...]]:
    return {verdict.node: verdict.lacks for verdict in cluster.explain(id).verdicts}


def test_without_a_node_it_says_how_to_add_one() -> None:
    cluster = SmallCluster()
    cluster.submit()
    assert cluster.explain("j1").summary == "there is no node yet: add one with `draas join`"


def test_a_job_too_big_for_every_node_is_told_what_each_lacks(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(cpu=16_000, memory=64 * GIB, gpus=1))
    cluster.tick()
    sentences = (
        "needs 16 cores, 4 of 4 are free",
        "needs 64 GB of memory, 8 GB of 8 GB are free",
        "needs 1 GPU, 0 of 0 are free",
    )
    assert lacks(cluster) == {"alpha": sentences, "bravo": sentences}
    assert cluster.explain("j1").summary == (
        "none of 2 nodes could take it even with nothing else to do; it stays queued until one changes or joins"
    )


def test_a_job_that_only_lacks_room_is_told_how_much_is_free(cluster: SmallCluster) -> None:
    cluster.submit(*(a_spec(cpu=2500) for _ in range(3)))
    cluster.tick()
    assert set(lacks(cluster, "j3").values()) == {("needs 2.5 cores, 1.5 of 4 are free",)}
    assert cluster.explain("j3").summary == "none of 2 nodes can take it now"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"constraints": ("node.arch == arm64",)}, "needs arch arm64, has amd64"),
        ({"constraints": ("node.labels.disk in ssd, nvme",)}, "needs label disk ssd or nvme, has none"),
        ({"constraints": ("node.os != linux",)}, "needs os not linux, has linux"),
        ({"architectures": ("arm64",)}, "image is built for arm64, this node is amd64"),
        ({"architectures": ("arm64", "s390x")}, "image is built for arm64 and s390x, this node is amd64"),
        ({"runtime": RuntimeName.PROCESS}, "host jobs are not allowed there"),
    ],
)
def test_what_a_node_does_not_offer(cluster: SmallCluster, spec: dict[str, object], sentence: str) -> None:
    cluster.submit(a_spec(**spec))  # type: ignore[arg-type]
    cluster.tick()
    assert set(lacks(cluster).values()) == {(sentence,)}


def test_what_is_wrong_with_a_node_itself() -> None:
    cluster = SmallCluster("gone", "drained", "full")
    cluster.joins("builder", some_facts(roles=("builder",)))
    cluster.submit()
    cluster.unlinks("gone")
    cluster.drain("drained")
    cluster.beats("full", load=Load(disk_used_bytes=97, disk_total_bytes=100))
    assert lacks(cluster) == {
        "gone": ("its connection is lost",),
        "drained": ("it is draining: it gets no new work until `draas nodes ready`",),
        "full": ("disk 97 % full: nothing new from 95 %",),
        "builder": ("it is not a worker: its roles are builder",),
    }


def test_a_node_that_others_keep_busy_comes_after_calm_ones(cluster: SmallCluster) -> None:
    cluster.submit()
    cluster.beats("alpha", load=Load(cpu_percent=97.0))
    assert lacks(cluster) == {"bravo": (), "alpha": ("its CPU is kept busy by other work; calmer nodes come first",)}


def test_a_job_that_waits_names_what_it_waits_for(cluster: SmallCluster) -> None:
    cluster.submit(*(a_spec() for _ in range(5)), a_spec(needs=("j1", "j2", "j3", "j4", "j5")))
    told = cluster.explain("j6")
    assert (told.summary, told.verdicts) == ("it waits until j1, j2, j3 and 2 more succeeded", ())


def test_a_job_in_back_off_says_when_and_why(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(retries=2))
    cluster.tick()
    cluster.starts("j1")
    cluster.fails("j1", detail="exit code 3", chance=0.0)
    assert cluster.explain("j1").summary == (
        "it is tried again in 0.5 s: attempt 1 failed (exit code 3); retry 1 of 2 in 0.5 s"
    )


def test_a_job_whose_turn_has_not_come_says_how_many_come_before(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(), a_spec(), a_spec(priority=90), a_spec(priority=10))
    told = cluster.explain("j2")
    assert (told.summary, told.ahead) == ("it is placed as soon as its turn comes; 2 jobs come before it", 2)
    assert cluster.explain("j3").ahead == 0
    assert cluster.explain("j4").ahead == 3


def test_nodes_kept_free_for_a_job_that_has_starved_are_named_to_both() -> None:
    cluster = SmallCluster("alpha")
    cluster.submit(a_spec(cpu=1000))
    cluster.tick()
    cluster.submit(a_spec(cpu=4000))
    cluster.wait(61.0, "alpha")
    cluster.submit(a_spec(cpu=1000))
    cluster.tick()
    assert cluster.explain("j2").summary == (
        "none of 1 node can take it now; it has waited for long, so nodes are kept free for it"
    )
    assert lacks(cluster, "j3") == {"alpha": ("it is kept free for job j2, which has waited for room for long",)}


def test_a_running_job_says_where_and_how_good_that_place_is(cluster: SmallCluster) -> None:
    cluster.submit()
    cluster.tick()
    cluster.starts("j1")
    told = cluster.explain("j1")
    assert told.summary == "it runs on alpha, attempt 1, which would score 0.88 now of 2 that could take it"
    assert told.verdicts[0].parts == {"load": 0.75, "failures": 1.0}


def test_a_starting_job_says_what_its_node_is_doing(cluster: SmallCluster) -> None:
    cluster.submit()
    cluster.tick()
    cluster.says("j1", Observed(state=AllocationState.PREPARING, detail="pulling 43 %"))
    assert cluster.explain("j1").summary.startswith("it starts on alpha, attempt 1 (pulling 43 %), which")


def test_a_running_job_whose_node_is_away_says_so(cluster: SmallCluster) -> None:
    cluster.submit()
    cluster.tick()
    cluster.starts("j1")
    cluster.unlinks("alpha")
    assert cluster.explain("j1").summary == "it runs on alpha, attempt 1; of that node: its connection is lost"


def test_the_image_part_is_there_where_a_node_has_the_image() -> None:
    cluster = SmallCluster()
    cluster.joins("alpha", some_facts(images={"python:3.12": 1024 * MIB}))
    cluster.joins("bravo")
    cluster.submit(a_spec(image="docker.io/library/python:3.12"))
    first, second = cluster.explain("j1").verdicts
    assert (first.node, first.parts["image"]) == ("alpha", 1.0)
    assert second.parts["image"] == 0.625


def test_an_ended_job_tells_its_end(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(), a_spec(needs=("j1",)))
    cluster.tick()
    cluster.fails("j1", detail="exit code 3")
    assert cluster.explain("j1").summary == "it failed on alpha, attempt 1: exit code 3"
    assert cluster.explain("j2").summary == "it was skipped: needs j1, which failed"
    assert cluster.explain("j1").verdicts == ()


def test_explaining_changes_nothing(cluster: SmallCluster) -> None:
    cluster.submit(*(a_spec(cpu=3000) for _ in range(4)))
    told = [cluster.explain("j4") for _ in range(2)]
    assert told[0] == told[1]
    assert len(cluster.tick().jobs) == 4
    assert [cluster.where(f"j{number}") for number in range(1, 5)] == ["alpha", "bravo", None, None]
