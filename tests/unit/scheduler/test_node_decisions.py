"""Machines that join, fall silent, are lost, come back, drain and leave."""

import pytest

from draas.model.allocation import AllocationState, Cause, Observed
from draas.model.errors import Conflict, NotFound
from draas.model.job import JobState
from draas.model.node import NodeState
from draas.model.policy import Policy
from draas.scheduler.control import Control
from draas.testing.builders import a_spec
from draas.testing.small_cluster import SmallCluster

LEASE = Policy(lease_s=20.0, lease_margin_s=2.0)
RUNNING = Observed(state=AllocationState.RUNNING, started_at=1.0)


def with_job_on_alpha(**spec: object) -> SmallCluster:
    """A job runs on alpha; bravo joins afterwards."""
    cluster = SmallCluster("alpha", policy=LEASE)
    cluster.submit(a_spec(**spec))  # type: ignore[arg-type]
    cluster.tick()
    cluster.starts("j1")
    cluster.joins("bravo")
    cluster.tick()
    return cluster


def test_a_machine_is_ready_when_its_agent_has_connected() -> None:
    cluster = SmallCluster("alpha")
    assert cluster.node("alpha").state is NodeState.READY


def test_a_name_that_is_taken_gets_a_number() -> None:
    cluster = SmallCluster("alpha")
    cluster.control.connect("other", "alpha", cluster.node("alpha").facts, {}, True, cluster.now)  # type: ignore[arg-type]
    assert cluster.node("other").name == "alpha-2"


def test_a_closed_link_shows_at_once_and_loses_nothing_yet() -> None:
    cluster = with_job_on_alpha()
    cluster.unlinks("alpha")
    assert cluster.node("alpha").state is NodeState.DISCONNECTED
    cluster.wait(5.0, "bravo")
    assert cluster.where("j1") == "alpha"


def test_silence_is_disconnected_after_3_s_and_down_after_6_s() -> None:
    cluster = with_job_on_alpha()
    cluster.wait(2.5, "bravo")
    assert cluster.node("alpha").state is NodeState.READY
    cluster.wait(1.0, "bravo")
    assert cluster.node("alpha").state is NodeState.DISCONNECTED
    cluster.wait(3.0, "bravo")
    assert cluster.node("alpha").state is NodeState.DOWN


def test_a_job_is_run_elsewhere_as_soon_as_its_node_is_down() -> None:
    cluster = with_job_on_alpha()
    cluster.wait(7.0, "bravo")
    assert cluster.where("j1") == "bravo"
    lost = cluster.job("j1").attempts[0].observed
    assert (lost.state, lost.cause, lost.detail) == (AllocationState.LOST, Cause.NODE_LOST, "alpha is down")
    assert cluster.job("j1").failures == 0


def test_a_node_that_went_down_with_work_is_held_against_it() -> None:
    cluster = with_job_on_alpha()
    cluster.wait(7.0, "bravo")
    assert len(cluster.node("alpha").failures) == 1


def test_an_exclusive_job_is_run_elsewhere_only_after_lease_and_margin() -> None:
    cluster = with_job_on_alpha(exclusive=True)
    cluster.wait(21.5, "bravo")
    assert (cluster.node("alpha").state, cluster.where("j1")) == (NodeState.DOWN, "alpha")
    cluster.wait(1.0, "bravo")
    assert cluster.where("j1") == "bravo"


def test_a_new_controller_counts_an_exclusive_lease_from_its_own_start() -> None:
    """Heartbeats are not durable: its predecessor may have renewed a lease just before it died."""
    cluster = with_job_on_alpha(exclusive=True)
    cluster.wait(8.0, "bravo")
    jobs, nodes = list(cluster.control.cluster.jobs.values()), list(cluster.control.cluster.nodes.values())
    cluster.control = Control(jobs, nodes, 2, 2, LEASE, cluster.now)
    cluster.joins("bravo")
    cluster.wait(21.5, "bravo")
    assert cluster.where("j1") == "alpha"
    cluster.wait(1.0, "bravo")
    assert cluster.where("j1") == "bravo"


def test_a_node_that_is_heard_again_on_its_open_link_is_ready_again() -> None:
    cluster = SmallCluster("alpha")
    cluster.wait(7.0)
    assert cluster.node("alpha").state is NodeState.DOWN
    cluster.beats("alpha")
    assert cluster.node("alpha").state is NodeState.READY
    assert [event.kind for event in cluster.tick().events] == ["node.ready"]


def test_a_node_whose_link_is_closed_is_not_ready_by_a_late_heartbeat() -> None:
    cluster = SmallCluster("alpha")
    cluster.unlinks("alpha")
    cluster.beats("alpha")
    assert cluster.node("alpha").state is NodeState.DISCONNECTED


def test_a_node_that_comes_back_keeps_what_was_not_replaced() -> None:
    cluster = with_job_on_alpha()
    cluster.unlinks("alpha")
    cluster.wait(1.0, "bravo")
    cluster.joins("alpha", j1_1=RUNNING)
    assert [sent.id for sent in cluster.told("alpha").put] == ["j1.1"]
    assert len(cluster.job("j1").attempts) == 1


def test_a_node_that_comes_back_is_told_to_stop_what_was_replaced() -> None:
    cluster = with_job_on_alpha()
    cluster.wait(7.0, "bravo")
    cluster.joins("alpha", j1_1=RUNNING)
    assert (cluster.told("alpha").full, list(cluster.told("alpha").put)) == (True, [])


def test_a_node_that_comes_back_without_what_ran_has_lost_it() -> None:
    cluster = with_job_on_alpha()
    cluster.joins("alpha")
    assert cluster.job("j1").attempts[0].observed.detail == "alpha came back without it"
    cluster.tick()
    assert cluster.job("j1").state is JobState.QUEUED


def test_a_node_that_could_not_ask_its_runtime_has_lost_nothing() -> None:
    cluster = with_job_on_alpha()
    cluster.control.connect(
        cluster.node("alpha").id, "alpha", cluster.node("alpha").facts, {}, complete=False, now=cluster.now
    )
    assert cluster.where("j1") == "alpha"


def test_a_result_that_arrives_with_the_hello_counts() -> None:
    cluster = with_job_on_alpha()
    cluster.unlinks("alpha")
    cluster.joins("alpha", j1_1=Observed(state=AllocationState.SUCCEEDED, exit_code=0))
    assert cluster.job("j1").state is JobState.SUCCEEDED


def test_if_most_of_a_fleet_vanishes_our_own_network_is_suspected_first() -> None:
    cluster = SmallCluster("alpha", "bravo", "charlie", "delta")
    cluster.wait(30.0, "alpha")
    assert {cluster.node(name).state for name in ("bravo", "charlie", "delta")} == {NodeState.DISCONNECTED}
    cluster.wait(31.0, "alpha")
    assert {cluster.node(name).state for name in ("bravo", "charlie", "delta")} == {NodeState.DOWN}


def test_if_half_of_a_fleet_vanishes_it_is_down_soon() -> None:
    cluster = SmallCluster("alpha", "bravo", "charlie", "delta")
    cluster.wait(7.0, "alpha", "bravo")
    assert {cluster.node(name).state for name in ("charlie", "delta")} == {NodeState.DOWN}


def test_a_draining_node_finishes_what_it_has_and_gets_nothing_new() -> None:
    cluster = SmallCluster("alpha")
    cluster.submit(a_spec(), a_spec())
    cluster.tick()
    cluster.starts("j1")
    cluster.drain("alpha")
    cluster.submit()
    cluster.wait(5.0, "alpha")
    assert cluster.node("alpha").state is NodeState.DRAINING
    assert [cluster.where(id) for id in ("j1", "j2", "j3")] == ["alpha", "alpha", None]
    cluster.succeeds("j1")
    cluster.succeeds("j2")
    assert cluster.control.cluster.on_node(cluster.node("alpha").id) == []
    cluster.drain("alpha", False)
    cluster.tick()
    assert cluster.where("j3") == "alpha"


def test_a_draining_node_that_was_away_is_still_draining() -> None:
    cluster = SmallCluster("alpha")
    cluster.drain("alpha")
    cluster.unlinks("alpha")
    cluster.joins("alpha")
    assert cluster.node("alpha").state is NodeState.DRAINING


def test_what_a_removed_node_ran_is_run_elsewhere_and_it_does_not_come_back() -> None:
    cluster = with_job_on_alpha()
    cluster.remove("alpha")
    cluster.tick()
    assert cluster.where("j1") == "bravo"
    assert not cluster.joins("alpha")
    with pytest.raises(NotFound):
        cluster.drain("alpha")


def test_a_node_that_may_run_an_exclusive_job_is_not_removed() -> None:
    cluster = with_job_on_alpha(exclusive=True)
    with pytest.raises(Conflict, match="exclusive job j1 holds alpha"):
        cluster.remove("alpha")
    assert cluster.node("alpha").state is NodeState.READY


def test_labels_are_set_and_removed() -> None:
    cluster = SmallCluster("alpha")
    cluster.label("alpha", disk="ssd", zone="a")
    cluster.label("alpha", zone=None)
    assert cluster.node("alpha").all_labels == {"disk": "ssd"}
