"""Control as a whole: what is to be committed, and what agents are told."""

from draas.model.allocation import Desired
from draas.model.job import RuntimeName
from draas.model.node import Load
from draas.model.policy import Policy
from draas.testing.builders import a_spec, some_facts
from draas.testing.small_cluster import SmallCluster


def test_an_agent_is_told_of_what_is_placed_on_it_and_nothing_else() -> None:
    cluster = SmallCluster("alpha", "bravo")
    cluster.submit()
    cluster.tick()
    assert [sent.id for sent in cluster.told("alpha").put] == ["j1.1"]
    assert len(cluster.sent["bravo"]) == 1


def test_orders_grow_in_generation() -> None:
    cluster = SmallCluster("alpha")
    for _ in range(3):
        cluster.submit()
        cluster.tick()
    generations = [assign.generation for assign in cluster.sent["alpha"]]
    assert generations == sorted(set(generations))


def test_a_fresh_link_gets_its_whole_set_and_then_what_changes() -> None:
    cluster = SmallCluster("alpha")
    cluster.submit()
    cluster.tick()
    cluster.starts("j1")
    cluster.unlinks("alpha")
    cluster.submit()
    cluster.tick()
    cluster.joins("alpha", j1_1=cluster.attempt("j1").observed)
    assert (cluster.told("alpha").full, [sent.id for sent in cluster.told("alpha").put]) == (True, ["j1.1"])
    cluster.tick()
    assert (cluster.told("alpha").full, [sent.id for sent in cluster.told("alpha").put]) == (False, ["j2.1"])


def test_an_agent_is_told_to_forget_what_has_ended() -> None:
    cluster = SmallCluster("alpha")
    cluster.submit()
    cluster.tick()
    cluster.succeeds("j1")
    cluster.tick()
    assert (list(cluster.told("alpha").put), list(cluster.told("alpha").forget)) == ([], ["j1.1"])


def test_a_job_cancelled_before_its_order_left_is_sent_as_to_be_stopped() -> None:
    cluster = SmallCluster("alpha")
    cluster.submit()
    cluster.control.tick(cluster.now)
    cluster.cancel("j1")
    cluster.tick()
    assert [sent.desired for sent in cluster.told("alpha").put] == [Desired.STOP]


def test_what_one_tick_commits_has_each_job_once() -> None:
    cluster = SmallCluster("alpha")
    cluster.submit()
    plan = cluster.tick()
    assert [(job.id, len(job.attempts)) for job in plan.jobs] == [("j1", 1)]
    assert [event.kind for event in plan.events if event.kind.startswith("job.")] == ["job.queued"]


def test_heartbeats_are_not_committed() -> None:
    cluster = SmallCluster("alpha")
    cluster.tick()
    cluster.beats("alpha")
    assert not cluster.tick()


def test_a_tick_that_stops_at_its_limit_says_that_it_is_behind() -> None:
    cluster = SmallCluster("alpha", policy=Policy(placements_per_tick=2))
    cluster.submit(a_spec(), a_spec(), a_spec())
    cluster.tick()
    assert (cluster.control.behind, cluster.where("j3")) == (True, None)
    cluster.tick()
    assert (cluster.control.behind, cluster.where("j3")) == (False, "alpha")


def test_a_job_without_an_image_runs_where_the_default_image_is() -> None:
    cluster = SmallCluster("alpha", policy=Policy(default_image="busybox:1.36"))
    cluster.joins("bravo", some_facts(images={"busybox:1.36": 4_000_000}))
    cluster.submit()
    cluster.tick()
    assert cluster.where("j1") == "bravo"
    assert [sent.image for sent in cluster.told("bravo").put] == ["busybox:1.36"]


def test_a_host_job_has_no_image() -> None:
    cluster = SmallCluster()
    cluster.joins("alpha", some_facts(host_jobs=True))
    cluster.submit(a_spec(runtime=RuntimeName.PROCESS))
    cluster.tick()
    assert [sent.image for sent in cluster.told("alpha").put] == [None]


def test_what_is_reserved_comes_back_exactly() -> None:
    cluster = SmallCluster("alpha")
    before = cluster.control.fleet.room(cluster.node("alpha").id)
    cluster.submit(a_spec(cpu=333), a_spec(cpu=1, memory=1))
    cluster.tick()
    cluster.succeeds("j1")
    cluster.fails("j2")
    assert cluster.control.fleet.room(cluster.node("alpha").id) == before


def test_a_burst_on_a_half_busy_node_is_spread() -> None:
    """What others use is added to what is reserved, or the first by name would get all of it."""
    cluster = SmallCluster("alpha", "bravo", "charlie")
    cluster.beats("alpha", "bravo", "charlie", load=Load(cpu_percent=50.0))
    cluster.submit(*(a_spec(cpu=500) for _ in range(3)))
    cluster.tick()
    assert {cluster.where(f"j{number}") for number in (1, 2, 3)} == {"alpha", "bravo", "charlie"}
