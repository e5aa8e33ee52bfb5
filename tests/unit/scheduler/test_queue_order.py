"""Who comes first, who passes whom, and who is not starved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from placing_world import a_fleet, a_queue, named, placed

from draas.model.job import Job, JobState
from draas.scheduler.place import HOLD_S, OLDEST_LOOKED_AT, STARVED_AFTER_S, held_nodes, plan_placements, plan_round
from draas.scheduler.queue import Queue
from draas.testing.builders import NOW, a_job, a_node


def order(*jobs: Job, cpu: int = 64_000) -> list[str]:
    """The seqs of `jobs` in the order in which they are placed on one large node."""
    return list(placed([a_node(cpu=cpu)], list(jobs)))


def test_higher_priority_first_then_age() -> None:
    assert order(a_job(1), a_job(2, priority=90), a_job(3), a_job(4, priority=90)) == ["2", "4", "1", "3"]


def test_a_retry_keeps_its_place_by_age() -> None:
    assert order(a_job(2), a_job(1, queued_at=NOW - 1, ready_at=NOW)) == ["1", "2"]


def test_the_project_that_uses_less_comes_first() -> None:
    running = [a_job(number, project="red", on="alpha") for number in (101, 102)]
    jobs = [a_job(1, project="red"), a_job(2, project="red"), a_job(3, project="green"), a_job(4, project="green")]
    assert list(placed([a_node(cpu=64_000)], running + jobs)) == ["3", "4", "1", "2"]


def test_projects_take_turns_where_one_has_queued_a_thousand_before() -> None:
    jobs = [a_job(number, project="red") for number in range(1, 1001)] + [a_job(1001, project="green")]
    assert list(placed([a_node(cpu=8000)], jobs)).index("1001") == 1


def test_a_blocked_job_does_not_block_one_that_fits() -> None:
    assert placed([a_node(cpu=2000)], [a_job(1, cpu=3000, priority=100), a_job(2)]) == {"2": "alpha"}


def test_a_job_that_fits_nowhere_does_not_block_its_like_with_other_constraints() -> None:
    jobs = [a_job(1, constraints=("node.name == nowhere",)), a_job(2)]
    assert placed([a_node()], jobs) == {"2": "alpha"}


def test_equal_inputs_give_equal_placements_whatever_the_order_of_arrival() -> None:
    nodes = [a_node(name) for name in ("charlie", "alpha", "bravo")]
    jobs = [a_job(number, cpu=500) for number in range(1, 8)]
    assert placed(nodes, jobs) == placed(nodes[::-1], jobs[::-1])


def test_a_big_job_that_has_starved_gets_the_next_room_although_small_ones_wait() -> None:
    running = a_job(100, cpu=1000, on="alpha")
    big, small = a_job(1, cpu=4000, queued_at=NOW - STARVED_AFTER_S - 1), a_job(2, cpu=1000)
    fleet, queue = a_fleet(a_node(cpu=4000), jobs=[running]), a_queue(big, small)
    found = plan_round(fleet, queue, NOW, 10)
    assert (found.placements, found.held) == ([], {"n-alpha": "j-1"})
    fleet.drop_job(running.id)
    assert named(plan_placements(fleet, queue, NOW, 10)) == {"1": "alpha"}


def test_a_big_job_that_has_not_waited_long_holds_nothing() -> None:
    running = a_job(100, cpu=1000, on="alpha")
    big, small = a_job(1, cpu=4000, queued_at=NOW - STARVED_AFTER_S + 1), a_job(2, cpu=1000)
    assert placed([a_node(cpu=4000)], [running, big, small]) == {"2": "alpha"}


def test_a_job_that_no_node_could_ever_take_holds_nothing() -> None:
    assert placed([a_node(cpu=4000)], [a_job(1, cpu=9000, queued_at=NOW - 9e4), a_job(2)]) == {"2": "alpha"}


@pytest.mark.parametrize(
    ("waited_s", "nodes"),
    [
        (STARVED_AFTER_S - 1, 0),
        (STARVED_AFTER_S, 1),
        (STARVED_AFTER_S + HOLD_S - 1, 1),
        (STARVED_AFTER_S + HOLD_S, 0),
        (STARVED_AFTER_S + 1.5 * HOLD_S, 2),
        (STARVED_AFTER_S + 1.5 * HOLD_S * 3, 4),
    ],
)
def test_nodes_are_held_longer_and_more_of_them_each_time(waited_s: float, nodes: int) -> None:
    assert held_nodes(waited_s) == nodes


def test_no_more_than_the_limit_is_placed_and_the_rest_next_time() -> None:
    fleet, queue = a_fleet(a_node(cpu=64_000)), a_queue(*(a_job(number) for number in range(1, 6)))
    assert list(named(plan_placements(fleet, queue, NOW, 3))) == ["1", "2", "3"]


steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "drop", "wake"]),
        st.integers(1, 12),
        st.sampled_from([10, 50]),
        st.sampled_from(["red", "green"]),
        st.sampled_from([100, 200]),
        st.floats(0, 20),
    ),
    max_size=60,
)


@given(steps)
def test_a_queue_holds_exactly_what_was_put_and_not_dropped(
    plan: list[tuple[str, int, int, str, int, float]],
) -> None:
    queue, held, now = Queue(), dict[int, Job](), 0.0
    for verb, seq, priority, project, cpu, at in plan:
        job = a_job(seq, priority=priority, project=project, cpu=cpu, queued_at=0.0, ready_at=at)
        if verb == "put":
            queue.put(job)
            held[seq] = job
        elif verb == "drop":
            queue.drop(job.id)
            held.pop(seq, None)
        else:
            now = max(now, at)
            queue.wake(now)
        ready = sorted(seq for seq, job in held.items() if job.ready_at <= now)
        seen = [
            entry.seq
            for tier in queue.tiers()
            for groups in tier.values()
            for group in groups.values()
            for entry in group.entries()
        ]
        assert (sorted(seen), len(queue)) == (ready, len(held))


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.QUEUED])
def test_only_queued_jobs_are_in_the_queue(state: JobState) -> None:
    queue = a_queue(a_job(1))
    queue.put(a_job(1, state=state))
    assert len(queue) == 0


def test_a_hundred_thousand_jobs_that_cannot_be_placed_are_not_looked_at_one_by_one() -> None:
    """One refusal answers for all that ask the same: only the oldest few of each kind are read."""
    queue = a_queue(*(a_job(number, cpu=8000 + number % 5) for number in range(1, 5001)))
    looked_at = 0
    for tier in queue.tiers():
        for groups in tier.values():
            for group in groups.values():
                entries = group.entries

                def counted(entries=entries):  # type: ignore[no-untyped-def]
                    nonlocal looked_at
                    for entry in entries():
                        looked_at += 1
                        yield entry

                group.entries = counted  # type: ignore[method-assign]
    assert plan_placements(a_fleet(a_node(cpu=4000)), queue, NOW, 512) == []
    assert looked_at <= 5 * (OLDEST_LOOKED_AT + 2)
