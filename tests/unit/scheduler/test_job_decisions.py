"""What users may ask of jobs, and what becomes of an attempt."""

import pytest

from draas.model.allocation import AllocationState, Cause, Desired, Observed
from draas.model.command import RetryJob
from draas.model.errors import Conflict, Invalid, NotFound
from draas.model.job import MAX_LOST, MAX_RETRIES, JobState
from draas.testing.builders import a_spec
from draas.testing.small_cluster import SmallCluster


@pytest.fixture
def cluster() -> SmallCluster:
    return SmallCluster("alpha", "bravo")


def run(cluster: SmallCluster, id: str) -> None:
    """Until the job runs: past its back-off, placed, started."""
    cluster.wait(max(0.0, cluster.job(id).ready_at - cluster.now), "alpha", "bravo")
    cluster.tick()
    cluster.starts(id)


# --- needs ---


def test_a_job_waits_for_what_it_needs(cluster: SmallCluster) -> None:
    first = cluster.submit()
    cluster.submit(a_spec(needs=(first,), priority=100))
    cluster.tick()
    assert cluster.states() == {"j1": "queued", "j2": "waiting"}
    assert cluster.where("j2") is None


def test_a_need_that_succeeds_lets_those_that_wait_into_the_queue(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(), a_spec(), a_spec(needs=("j1", "j2")))
    for id in ("j1", "j2"):
        assert cluster.job("j3").state is JobState.WAITING
        run(cluster, id)
        cluster.succeeds(id)
    assert cluster.job("j3").state is JobState.QUEUED


def test_a_need_that_fails_skips_all_that_wait_directly_or_not(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(), a_spec(needs=("j1",)), a_spec(needs=("j2",)), a_spec(needs=("j3", "j1")), a_spec())
    run(cluster, "j1")
    cluster.fails("j1")
    assert cluster.states() == {"j1": "failed", "j2": "skipped", "j3": "skipped", "j4": "skipped", "j5": "queued"}
    assert cluster.job("j2").reason == "needs j1, which failed"
    assert cluster.job("j3").reason == "needs j2, which was skipped"


def test_a_need_that_is_retried_skips_nobody_before_it_is_given_up(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(retries=1), a_spec(needs=("j1",)))
    run(cluster, "j1")
    cluster.fails("j1")
    assert cluster.states() == {"j1": "queued", "j2": "waiting"}


def test_a_cancelled_need_skips(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(), a_spec(needs=("j1",)))
    cluster.cancel("j1")
    assert cluster.states() == {"j1": "cancelled", "j2": "skipped"}


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        (JobState.SUCCEEDED, "queued"),
        (JobState.FAILED, "skipped"),
        (JobState.CANCELLED, "skipped"),
        (JobState.SKIPPED, "skipped"),
    ],
)
def test_a_need_that_has_ended_long_ago(cluster: SmallCluster, state: JobState, becomes: str) -> None:
    cluster.submit(a_spec(needs=("old",)), known={"old": state})
    assert cluster.states() == {"j1": becomes}


def test_an_unknown_need_is_refused_and_nothing_of_the_batch_is_taken(cluster: SmallCluster) -> None:
    with pytest.raises(Invalid) as refused:
        cluster.submit(a_spec(), a_spec(needs=("nobody",)))
    assert refused.value.faults[0].path == "jobs[1].needs"
    assert "nobody" in refused.value.faults[0].message
    assert not cluster.control.cluster.jobs


def test_a_need_in_another_project_is_unknown(cluster: SmallCluster) -> None:
    cluster.submit(project="red")
    with pytest.raises(Invalid, match="no job 'j1' in this project"):
        cluster.submit(a_spec(needs=("j1",)), project="green")


@pytest.mark.parametrize("needs", [[("j1",)], [("j2",), ("j1",)], [("j3",), ("j1",), ("j2",)]])
def test_a_circle_of_needs_is_refused(cluster: SmallCluster, needs: list[tuple[str, ...]]) -> None:
    with pytest.raises(Invalid, match="in a circle"):
        cluster.submit(*(a_spec(needs=some) for some in needs))
    assert not cluster.control.cluster.jobs


def test_needs_may_be_given_in_any_order_within_a_batch(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(needs=("j3",)), a_spec(needs=("j1",)), a_spec())
    assert cluster.states() == {"j1": "waiting", "j2": "waiting", "j3": "queued"}


def test_a_need_that_had_succeeded_and_fails_when_retried_skips_nobody(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(), a_spec(), a_spec(needs=("j1", "j2")))
    run(cluster, "j1")
    cluster.succeeds("j1")
    cluster.retry("j1")
    run(cluster, "j1")
    cluster.fails("j1")
    assert cluster.job("j3").state is JobState.WAITING


# --- cancel ---


def test_a_cancelled_job_that_was_queued_never_starts(cluster: SmallCluster) -> None:
    cluster.submit()
    assert cluster.cancel("j1").state is JobState.CANCELLED
    cluster.tick()
    assert not cluster.job("j1").attempts


@pytest.mark.parametrize("end", ["succeeds", "fails", "stops"])
def test_a_cancelled_job_stays_cancelled_whatever_its_attempt_makes_of_it(cluster: SmallCluster, end: str) -> None:
    cluster.submit(a_spec(retries=3))
    run(cluster, "j1")
    cluster.cancel("j1")
    cluster.tick()
    assert cluster.attempt("j1").desired is Desired.STOP
    getattr(cluster, end)("j1")
    cluster.tick()
    assert cluster.job("j1").state is JobState.CANCELLED
    assert not cluster.job("j1").live


def test_the_agent_is_told_to_stop_what_is_cancelled(cluster: SmallCluster) -> None:
    cluster.submit()
    run(cluster, "j1")
    cluster.tick()
    cluster.cancel("j1")
    cluster.tick()
    (sent,) = cluster.told(str(cluster.where("j1"))).put
    assert (sent.id, sent.desired) == ("j1.1", Desired.STOP)


def test_cancelling_twice_changes_nothing_and_what_has_ended_cannot_be_cancelled(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(), a_spec())
    cluster.cancel("j1")
    cluster.control.take()
    cluster.cancel("j1")
    assert not cluster.control.take()
    run(cluster, "j2")
    cluster.succeeds("j2")
    with pytest.raises(Conflict, match="succeeded already"):
        cluster.cancel("j2")


# --- retry and delete ---


def test_a_retried_job_begins_again_with_all_its_retries_and_keeps_its_attempts(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(retries=1))
    for _ in range(2):
        run(cluster, "j1")
        cluster.fails("j1")
    assert cluster.job("j1").state is JobState.FAILED
    job = cluster.retry("j1")
    assert (job.state, job.failures, len(job.attempts)) == (JobState.QUEUED, 0, 2)
    run(cluster, "j1")
    assert cluster.attempt("j1").number == 3


def test_only_what_has_ended_can_be_retried(cluster: SmallCluster) -> None:
    cluster.submit()
    with pytest.raises(Conflict, match="only a job that has ended"):
        cluster.retry("j1")
    run(cluster, "j1")
    cluster.cancel("j1")
    with pytest.raises(Conflict, match="still being stopped"):
        cluster.retry("j1")


def test_a_skipped_job_is_not_retried_before_its_need(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(), a_spec(needs=("j1",)))
    cluster.cancel("j1")
    with pytest.raises(Conflict, match="retry that one first"):
        cluster.retry("j2")
    cluster.retry("j1")
    assert cluster.retry("j2").state is JobState.WAITING


def test_a_job_whose_need_was_deleted_before_it_ran_is_not_retried(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(), a_spec(needs=("j1",)))
    cluster.cancel("j1")
    cluster.delete("j1")
    with pytest.raises(Conflict, match="needs j1, which was deleted"):
        cluster.retry("j2")


def test_a_job_that_ran_is_retried_though_its_need_was_deleted(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(), a_spec(needs=("j1",)))
    for id in ("j1", "j2"):
        run(cluster, id)
        cluster.succeeds(id)
    cluster.delete("j1")
    assert cluster.retry("j2").state is JobState.QUEUED


def test_a_deleted_job_is_gone_also_for_who_has_read_it_from_disk_before(cluster: SmallCluster) -> None:
    cluster.submit()
    job = cluster.cancel("j1")
    cluster.delete("j1")
    with pytest.raises(NotFound):
        cluster.control.command(RetryJob(id=job.id), cluster.now, loaded=job)
    assert cluster.control.take().gone_jobs == ("j1",)


def test_what_has_not_ended_is_not_deleted(cluster: SmallCluster) -> None:
    cluster.submit()
    with pytest.raises(Conflict, match="cancel it first"):
        cluster.delete("j1")
    run(cluster, "j1")
    cluster.cancel("j1")
    with pytest.raises(Conflict, match="still being stopped"):
        cluster.delete("j1")


# --- failures ---


def test_three_retries_are_four_attempts_each_kept(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(retries=MAX_RETRIES))
    for number in range(1, 5):
        run(cluster, "j1")
        assert cluster.attempt("j1").number == number
        cluster.fails("j1")
    assert cluster.job("j1").state is JobState.FAILED
    assert [attempt.state for attempt in cluster.job("j1").attempts] == [AllocationState.FAILED] * 4


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_waits_between_attempts_grow_whatever_the_dice_say(cluster: SmallCluster, chance: float) -> None:
    cluster.submit(a_spec(retries=3))
    waits = []
    for number in range(3):
        run(cluster, "j1")
        cluster.fails("j1", chance=chance if number else 0.999)
        waits.append(cluster.job("j1").ready_at - cluster.now)
    assert waits == sorted(waits)
    assert all(0.5 * 2**number <= wait <= 2**number for number, wait in enumerate(waits))


def test_a_job_in_back_off_is_not_placed_before_its_time(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(retries=1))
    run(cluster, "j1")
    cluster.fails("j1")
    cluster.tick()
    assert cluster.where("j1") is None
    cluster.wait(1.0, "alpha", "bravo")
    assert cluster.where("j1") is not None


@pytest.mark.parametrize("cause", [Cause.RUNTIME, Cause.DISK])
def test_what_is_the_machines_fault_costs_no_retry_and_speaks_against_the_machine(
    cluster: SmallCluster, cause: Cause
) -> None:
    cluster.submit()
    run(cluster, "j1")
    there = str(cluster.where("j1"))
    cluster.fails("j1", cause)
    job = cluster.job("j1")
    assert (job.state, job.failures, job.lost) == (JobState.QUEUED, 0, 1)
    assert cluster.node(there).failures == (cluster.now,)
    cluster.tick()
    assert cluster.where("j1") != there


def test_a_job_that_breaks_machine_after_machine_is_given_up(cluster: SmallCluster) -> None:
    cluster.submit()
    for _ in range(MAX_LOST + 1):
        run(cluster, "j1")
        cluster.fails("j1", Cause.RUNTIME, "the engine is gone")
    assert cluster.job("j1").state is JobState.FAILED
    assert "given up after 9 attempts" in cluster.job("j1").reason


def test_a_lease_that_ran_out_costs_nothing_however_often(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(exclusive=True))
    for _ in range(MAX_LOST + 2):
        run(cluster, "j1")
        there = str(cluster.where("j1"))
        cluster.stops("j1", Cause.LEASE)
        assert cluster.node(there).failures == ()
    job = cluster.job("j1")
    assert (job.state, job.failures, job.lost) == (JobState.QUEUED, 0, 0)


def test_what_the_owner_refuses_fails_at_once(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(retries=3))
    run(cluster, "j1")
    cluster.fails("j1", Cause.REFUSED, "host jobs are not allowed there")
    assert (cluster.job("j1").state, cluster.job("j1").reason) == (JobState.FAILED, "host jobs are not allowed there")


# --- reports ---


def test_a_short_job_may_be_over_before_its_start_was_reported(cluster: SmallCluster) -> None:
    cluster.submit()
    cluster.tick()
    cluster.succeeds("j1")
    assert cluster.job("j1").state is JobState.SUCCEEDED


def test_a_late_report_of_a_superseded_attempt_changes_nothing(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(retries=1))
    run(cluster, "j1")
    first = cluster.attempt("j1")
    cluster.fails("j1")
    run(cluster, "j1")
    before = cluster.job("j1")
    late = Observed(state=AllocationState.SUCCEEDED, exit_code=0)
    cluster.control.report(first.node_id, {first.id: late}, cluster.now, 0.5)
    assert cluster.job("j1") == before


def test_a_report_from_a_node_that_does_not_hold_the_attempt_changes_nothing(cluster: SmallCluster) -> None:
    cluster.submit()
    run(cluster, "j1")
    other = {"alpha": "bravo", "bravo": "alpha"}[str(cluster.where("j1"))]
    before = cluster.job("j1")
    cluster.says("j1", Observed(state=AllocationState.SUCCEEDED, exit_code=0), node=other)
    assert cluster.job("j1") == before


def test_a_report_of_the_past_changes_nothing(cluster: SmallCluster) -> None:
    cluster.submit()
    run(cluster, "j1")
    before = cluster.job("j1")
    cluster.says("j1", Observed(state=AllocationState.PREPARING, detail="pulling 43 %"))
    assert cluster.job("j1") == before
