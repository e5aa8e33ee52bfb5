"""The agent's core: which instructions follow from which event, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draas.agent.core import events as e
from draas.agent.core.core import GRACE_S, AgentCore
from draas.agent.runtimes.runtime import Exited
from draas.model.allocation import AllocationId, AllocationState, Cause, Desired, Observed
from draas.model.job import RuntimeName
from draas.testing.builders import an_assignment
from draas.wire.link import Assign, Assignment

ID = AllocationId("j1.1")


class Agent:
    """A core with verbs. Every verb returns the instructions, in order."""

    def __init__(self) -> None:
        self.core = AgentCore()
        self.mono = 100.0
        self.now = 1_000_000.0
        self.generation = 0

    def feed(self, event: e.Event) -> list[e.Instruction]:
        return self.core.on_event(event, self.now)

    def ordered(
        self, *put: Assignment, forget: tuple[str, ...] = (), full: bool = False, order: tuple[int, int] | None = None
    ) -> list[e.Instruction]:
        self.generation += 1
        epoch, generation = order or (1, self.generation)
        forgotten = [AllocationId(id) for id in forget]
        return self.feed(
            e.Ordered(assign=Assign(epoch=epoch, generation=generation, put=put, forget=forgotten, full=full))
        )

    def runs(self, assignment: Assignment) -> None:
        self.ordered(assignment)
        if assignment.runtime is RuntimeName.DOCKER:
            self.feed(e.Prepared(id=assignment.id))
        self.feed(e.Started(id=assignment.id, at=self.now))

    def exits(self, code: int = 0, ran_s: float = 1.0) -> list[e.Instruction]:
        return self.feed(
            e.HasExited(id=ID, ended=Exited(exit_code=code, started_at=self.now, finished_at=self.now + ran_s))
        )

    def waits(self, seconds: float) -> list[e.Instruction]:
        self.mono += seconds
        self.now += seconds
        return self.feed(e.Ticked(mono=self.mono))

    def renewed(self, lease_s: float = 30.0) -> list[e.Instruction]:
        return self.feed(e.LeaseRenewed(mono=self.mono, lease_s=lease_s))

    @property
    def seen(self) -> Observed:
        return self.core.locals[ID].observed


@pytest.fixture
def agent() -> Agent:
    return Agent()


# --- the straight way ---


def test_a_container_is_prepared_started_watched_and_removed_when_nobody_wants_it(agent: Agent) -> None:
    job = an_assignment()
    assert agent.ordered(job) == [e.Prepare(assignment=job)]
    assert agent.feed(e.Prepared(id=ID)) == [e.Start(assignment=job)]
    assert agent.feed(e.Started(id=ID, at=agent.now)) == [e.Watch(id=ID)]
    assert agent.exits() == []
    assert agent.feed(e.LogsSafe(id=ID)) == []
    assert agent.ordered(forget=(ID,)) == [e.Remove(id=ID)]
    assert agent.feed(e.Removed(id=ID)) == []
    assert agent.core.locals == {}


def test_a_host_job_has_nothing_to_prepare(agent: Agent) -> None:
    job = an_assignment(runtime=RuntimeName.PROCESS)
    assert agent.ordered(job) == [e.Start(assignment=job)]


def test_nothing_is_removed_before_its_output_is_safe(agent: Agent) -> None:
    agent.runs(an_assignment())
    agent.exits()
    assert agent.ordered(forget=(ID,)) == []
    assert agent.feed(e.LogsSafe(id=ID)) == [e.Remove(id=ID)]


def test_nothing_is_removed_before_its_result_is_taken(agent: Agent) -> None:
    agent.runs(an_assignment())
    agent.exits()
    assert agent.feed(e.LogsSafe(id=ID)) == []
    assert agent.seen.state is AllocationState.SUCCEEDED


def test_news_is_told_once(agent: Agent) -> None:
    agent.runs(an_assignment())
    assert agent.core.take_news()[ID].state is AllocationState.RUNNING
    assert agent.core.take_news() == {}


# --- orders ---


@pytest.mark.parametrize("order", [(1, 1), (1, 0), (0, 99)])
def test_orders_older_than_the_last_are_refused(agent: Agent, order: tuple[int, int]) -> None:
    agent.ordered(order=(1, 1))
    (refused,) = agent.ordered(an_assignment(), order=order)
    assert isinstance(refused, e.Refuse)
    assert agent.core.locals == {}


@pytest.mark.parametrize("order", [(1, 2), (2, 0)])
def test_orders_of_a_later_generation_or_epoch_are_taken(agent: Agent, order: tuple[int, int]) -> None:
    agent.ordered(order=(1, 1))
    assert agent.ordered(an_assignment(), order=order) == [e.Prepare(assignment=an_assignment())]


def test_what_is_not_in_the_whole_set_is_stopped(agent: Agent) -> None:
    agent.runs(an_assignment())
    other = an_assignment("j2.1")
    assert agent.ordered(other, full=True) == [e.Prepare(assignment=other), e.Stop(id=ID, grace_s=GRACE_S)]


def test_the_same_orders_again_start_nothing_twice(agent: Agent) -> None:
    agent.runs(an_assignment())
    assert agent.ordered(an_assignment(), full=True) == []


def test_a_cancelled_job_that_has_not_begun_ends_without_having_started(agent: Agent) -> None:
    assert agent.ordered(an_assignment(desired=Desired.STOP)) == [e.Stop(id=ID, grace_s=GRACE_S)]
    agent.feed(e.HasStopped(id=ID))
    assert (agent.seen.state, agent.seen.cause, agent.seen.started_at) == (
        AllocationState.STOPPED,
        Cause.CANCELLED,
        None,
    )


def test_a_pull_is_broken_off_when_the_job_is_cancelled(agent: Agent) -> None:
    agent.ordered(an_assignment())
    assert agent.ordered(an_assignment(desired=Desired.STOP)) == [e.Stop(id=ID, grace_s=GRACE_S)]
    assert agent.feed(e.Prepared(id=ID)) == []
    assert agent.feed(e.HasStopped(id=ID)) == []
    assert agent.seen.state is AllocationState.STOPPED


def test_a_pull_that_is_done_after_the_stop_begins_nothing(agent: Agent) -> None:
    agent.ordered(an_assignment())
    agent.ordered(an_assignment(desired=Desired.STOP))
    agent.feed(e.HasStopped(id=ID))
    assert agent.feed(e.Prepared(id=ID)) == []
    assert agent.seen.state is AllocationState.STOPPED


def test_a_stop_waits_for_a_start_that_is_under_way(agent: Agent) -> None:
    agent.ordered(an_assignment(runtime=RuntimeName.PROCESS))
    assert agent.ordered(an_assignment(runtime=RuntimeName.PROCESS, desired=Desired.STOP)) == []
    assert agent.feed(e.Started(id=ID, at=agent.now)) == [e.Watch(id=ID), e.Stop(id=ID, grace_s=GRACE_S)]


# --- timeouts ---


def test_a_job_is_stopped_after_its_timeout_and_failed(agent: Agent) -> None:
    agent.runs(an_assignment(timeout_s=10.0))
    agent.waits(0.0)
    assert agent.waits(9.9) == []
    assert agent.waits(0.2) == [e.Stop(id=ID, grace_s=GRACE_S)]
    agent.exits(143, ran_s=10.1)
    assert (agent.seen.state, agent.seen.cause) == (AllocationState.FAILED, Cause.TIMEOUT)
    assert agent.seen.detail == "ran longer than its timeout of 10 s"


def test_setting_the_clock_ends_no_job(agent: Agent) -> None:
    agent.runs(an_assignment(timeout_s=10.0))
    agent.waits(1.0)
    agent.now += 3600.0
    assert agent.waits(1.0) == []


def test_an_adopted_jobs_timeout_counts_from_its_start(agent: Agent) -> None:
    job = an_assignment(timeout_s=10.0)
    agent.feed(e.Adopted(id=ID, assignment=job, started_at=agent.now - 9.0, exclusive=False))
    agent.waits(0.0)
    assert agent.waits(0.9) == []
    assert agent.waits(0.2) == [e.Stop(id=ID, grace_s=GRACE_S)]


def test_what_ended_by_itself_while_the_engine_was_away_did_not_time_out(agent: Agent) -> None:
    agent.runs(an_assignment(timeout_s=10.0))
    agent.waits(0.0)
    agent.waits(60.0)
    agent.exits(0, ran_s=2.0)
    assert agent.seen.state is AllocationState.SUCCEEDED


# --- adoption ---


def test_what_ran_before_the_agent_is_watched_and_reported_as_running(agent: Agent) -> None:
    found = e.Adopted(id=ID, assignment=an_assignment(), started_at=agent.now - 5, exclusive=False)
    assert agent.feed(found) == [e.Watch(id=ID)]
    assert agent.core.have()[ID].state is AllocationState.RUNNING
    assert agent.ordered(an_assignment(), full=True) == []


def test_what_was_made_and_never_started_is_started_when_it_is_wanted(agent: Agent) -> None:
    assert agent.feed(e.Adopted(id=ID, assignment=an_assignment(), started_at=None, exclusive=False)) == []
    assert agent.ordered(an_assignment(), full=True) == [e.Start(assignment=an_assignment())]


def test_an_orphan_is_stopped_and_removed(agent: Agent) -> None:
    agent.feed(e.Adopted(id=ID, assignment=None, started_at=agent.now - 5, exclusive=False))
    assert agent.ordered(full=True) == [e.Stop(id=ID, grace_s=GRACE_S)]
    assert agent.feed(e.HasStopped(id=ID)) == []
    agent.exits(143)
    assert agent.feed(e.LogsSafe(id=ID)) == [e.Remove(id=ID)]


def test_what_an_engine_still_has_when_it_is_back_is_stopped_unless_it_is_wanted(agent: Agent) -> None:
    agent.ordered(full=True)
    found = e.Adopted(id=ID, assignment=an_assignment(), started_at=agent.now - 5, exclusive=False)
    assert agent.feed(found) == [e.Watch(id=ID), e.Stop(id=ID, grace_s=GRACE_S)]


def test_being_found_again_changes_nothing(agent: Agent) -> None:
    agent.runs(an_assignment())
    before = agent.seen
    assert agent.feed(e.Adopted(id=ID, assignment=None, started_at=1.0, exclusive=False)) == []
    assert agent.seen == before


# --- leases ---


def test_an_exclusive_job_begins_only_under_a_lease(agent: Agent) -> None:
    job = an_assignment(exclusive=True)
    assert agent.ordered(job) == []
    assert agent.renewed() == [e.Prepare(assignment=job)]


def test_an_exclusive_job_is_stopped_without_grace_when_its_lease_is_over(agent: Agent) -> None:
    agent.renewed(30.0)
    agent.runs(an_assignment(exclusive=True))
    assert agent.waits(29.9) == []
    assert agent.waits(0.1) == [e.Stop(id=ID, grace_s=0.0)]
    agent.exits(137)
    assert (agent.seen.state, agent.seen.cause) == (AllocationState.STOPPED, Cause.LEASE)


def test_a_renewal_counts_from_when_it_was_asked_for(agent: Agent) -> None:
    agent.renewed(30.0)
    agent.runs(an_assignment(exclusive=True))
    agent.waits(20.0)
    agent.feed(e.LeaseRenewed(mono=agent.mono - 15.0, lease_s=30.0))
    assert agent.core.leases == {ID: 135.0}


def test_an_old_renewal_shortens_nothing(agent: Agent) -> None:
    agent.renewed(30.0)
    agent.runs(an_assignment(exclusive=True))
    agent.feed(e.LeaseRenewed(mono=agent.mono - 50.0, lease_s=30.0))
    assert agent.core.leases == {ID: 130.0}


def test_other_jobs_run_on_without_a_lease(agent: Agent) -> None:
    agent.renewed(30.0)
    agent.runs(an_assignment())
    assert agent.waits(3600.0) == []


def test_before_any_word_on_leases_an_adopted_exclusive_job_is_left_to_the_watchdog(agent: Agent) -> None:
    agent.feed(e.Adopted(id=ID, assignment=None, started_at=agent.now, exclusive=True))
    assert agent.waits(3600.0) == []
    assert agent.core.leases is None


# --- failures ---


@pytest.mark.parametrize("cause", [Cause.IMAGE, Cause.REFUSED, Cause.RUNTIME])
def test_what_cannot_be_prepared_has_failed_with_cause_and_words(agent: Agent, cause: Cause) -> None:
    agent.ordered(an_assignment())
    agent.feed(e.Broke(id=ID, cause=cause, detail="no such image"))
    assert (agent.seen.state, agent.seen.cause, agent.seen.detail) == (AllocationState.FAILED, cause, "no such image")
    assert agent.ordered(forget=(ID,)) == []
    assert agent.core.locals == {}


def test_an_exclusive_job_whose_engine_is_silent_is_over_only_when_it_is_stopped(agent: Agent) -> None:
    agent.renewed()
    agent.ordered(an_assignment(exclusive=True))
    assert agent.feed(e.Broke(id=ID, cause=Cause.RUNTIME, detail="the engine does not answer")) == [
        e.Stop(id=ID, grace_s=GRACE_S)
    ]
    assert not agent.core.locals[ID].ended
    agent.feed(e.HasStopped(id=ID))
    assert (agent.seen.state, agent.seen.cause) == (AllocationState.FAILED, Cause.RUNTIME)


events = st.lists(
    st.sampled_from(["put", "stop", "forget", "prepared", "started", "exit", "broke", "stopped", "safe", "removed"]),
    max_size=25,
)


@given(events=events, exclusive=st.booleans())
def test_whatever_happens_states_go_forward_and_one_instruction_is_under_way(
    events: list[str], exclusive: bool
) -> None:
    """Also for events that make no sense where they come: a runtime may be late with its answers."""
    agent = Agent()
    agent.renewed()
    before: Observed | None = None
    ranks = {state: rank for rank, state in enumerate(AllocationState)}
    for name in events:
        match name:
            case "put":
                agent.ordered(an_assignment(exclusive=exclusive))
            case "stop":
                agent.ordered(an_assignment(exclusive=exclusive, desired=Desired.STOP))
            case "forget":
                agent.ordered(forget=(ID,))
            case "prepared":
                agent.feed(e.Prepared(id=ID))
            case "started":
                agent.feed(e.Started(id=ID, at=agent.now))
            case "exit":
                agent.exits(1)
            case "broke":
                agent.feed(e.Broke(id=ID, cause=Cause.RUNTIME, detail="?"))
            case "stopped":
                agent.feed(e.HasStopped(id=ID))
            case "safe":
                agent.feed(e.LogsSafe(id=ID))
            case "removed":
                agent.feed(e.Removed(id=ID))
        local = agent.core.locals.get(ID)
        if local is not None and before is not None:
            assert ranks[local.observed.state] >= ranks[before.state]
        before = local.observed if local is not None else None
