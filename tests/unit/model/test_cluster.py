"""The cluster's indexes agree with its jobs, whatever is applied."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from draas.model.allocation import AllocationId, AllocationState, NodeId, Observed
from draas.model.cluster import Cluster
from draas.model.job import Job, JobId, JobState
from draas.model.plan import Plan
from draas.testing.builders import a_job, a_node


def waiting_for(seq: int, *needs: str) -> Job:
    job = a_job(seq, state=JobState.WAITING)
    ids = tuple(JobId(need) for need in needs)
    return replace(job, spec=replace(job.spec, needs=ids), unmet=ids)


def ended(job: Job) -> Job:
    attempts = tuple(replace(attempt, observed=Observed(state=AllocationState.SUCCEEDED)) for attempt in job.attempts)
    return replace(job, state=JobState.SUCCEEDED, attempts=attempts)


def placed(seq: int, where: str) -> Job:
    """A job that is queued, or runs on a node, by an attempt of its own there."""
    if where == "queued":
        return a_job(seq)
    job = a_job(seq, on=where)
    return replace(job, attempts=(replace(job.attempts[0], id=AllocationId(f"a-{seq}-{where}")),))


def test_an_ended_job_leaves_memory_and_its_node() -> None:
    job = a_job(1, on="alpha")
    cluster = Cluster([job], [a_node()])
    assert [held.id for _, held in cluster.on_node(NodeId("n-alpha"))] == ["a-1"]
    cluster.apply(Plan(jobs=(ended(job),)))
    assert (dict(cluster.jobs), cluster.on_node(NodeId("n-alpha"))) == ({}, [])


def test_a_cancelled_job_stays_while_something_of_it_runs() -> None:
    job = a_job(1, on="alpha")
    cluster = Cluster([job], [a_node()])
    cluster.apply(Plan(jobs=(replace(job, state=JobState.CANCELLED),)))
    assert list(cluster.jobs) == ["j-1"]


def test_dependents_are_found_in_order_of_arrival_and_leave_with_their_end() -> None:
    cluster = Cluster([a_job(1), waiting_for(2, "j-1"), waiting_for(3, "j-1", "j-2")])
    assert [job.id for job in cluster.dependents(JobId("j-1"))] == ["j-2", "j-3"]
    cluster.apply(Plan(jobs=(replace(cluster.jobs[JobId("j-2")], state=JobState.SKIPPED),)))
    assert [job.id for job in cluster.dependents(JobId("j-1"))] == ["j-3"]


def test_a_renamed_node_is_found_by_its_new_name_only() -> None:
    cluster = Cluster(nodes=[a_node("alpha")])
    cluster.apply(Plan(nodes=(replace(a_node("alpha"), name="omega"),)))
    assert cluster.node_named("alpha") is None
    assert cluster.find_node("omega") is cluster.find_node("n-alpha")


def test_the_next_seq_is_beyond_every_job_seen() -> None:
    cluster = Cluster(next_seq=5)
    cluster.apply(Plan(jobs=(a_job(9),)))
    cluster.apply(Plan(gone_jobs=(JobId("j-9"),)))
    assert cluster.next_seq == 10


verbs = st.lists(st.tuples(st.sampled_from(["queued", "alpha", "bravo", "ended", "gone"]), st.integers(1, 5)))


@given(verbs)
def test_the_indexes_are_what_a_look_at_all_jobs_says(steps: list[tuple[str, int]]) -> None:
    cluster = Cluster(nodes=[a_node("alpha"), a_node("bravo")])
    for verb, seq in steps:
        if verb == "gone":
            cluster.apply(Plan(gone_jobs=(JobId(f"j-{seq}"),)))
        elif verb == "ended":
            cluster.apply(Plan(jobs=(ended(cluster.jobs.get(JobId(f"j-{seq}"), a_job(seq))),)))
        else:
            cluster.apply(Plan(jobs=(placed(seq, verb),)))
        for name in ("alpha", "bravo"):
            expected = {job.id for job in cluster.jobs.values() if job.current and job.current.node_name == name}
            assert {job.id for job, _ in cluster.on_node(NodeId(f"n-{name}"))} == expected
        for job in cluster.jobs.values():
            if job.current is not None:
                assert cluster.job_of(job.current.id) is job
