"""The core with an app's replica: looked after while it runs, never timed out, failed however it ends by itself."""

from dataclasses import replace

import msgspec
import pytest
from test_agent_core import ID, Agent

from draas.agent.core import events as e
from draas.agent.core.core import GRACE_S
from draas.agent.core.exits import judge
from draas.agent.runtimes.runtime import Exited
from draas.model.allocation import AllocationState, Cause, Desired
from draas.model.probe import Health, Served
from draas.testing.builders import a_service, an_assignment

REPLICA = an_assignment(service=a_service(stop_grace_s=30.0), timeout_s=1.0)
STOPPED = msgspec.structs.replace(REPLICA, desired=Desired.STOP)
WELL = Served(health=Health.HEALTHY, since=5.0, endpoint="10.0.0.1:32768")


@pytest.fixture
def agent() -> Agent:
    return Agent()


def test_its_image_is_told_while_it_is_prepared(agent: Agent) -> None:
    agent.ordered(REPLICA)
    agent.core.take_news()
    assert agent.feed(e.Pinned(id=ID, image="nginx@sha256:1")) == []
    news = agent.core.take_news()
    assert (news[ID].state, news[ID].image) == (AllocationState.PREPARING, "nginx@sha256:1")
    agent.feed(e.Prepared(id=ID))
    agent.feed(e.Started(id=ID, at=agent.now))
    agent.exits(1)
    assert agent.seen.image == "nginx@sha256:1"


def test_it_is_looked_after_once_it_runs_and_has_no_timeout(agent: Agent) -> None:
    agent.ordered(REPLICA)
    agent.feed(e.Prepared(id=ID))
    started = agent.feed(e.Started(id=ID, at=agent.now))
    assert started == [e.Watch(id=ID), e.LookAfter(assignment=REPLICA, served=None)]
    assert agent.waits(1000.0) == []
    assert agent.ordered(REPLICA) == []  # told again: not looked after twice


def test_health_is_told_when_it_changes_and_not_after_a_stop(agent: Agent) -> None:
    agent.runs(REPLICA)
    agent.core.take_news()
    agent.feed(e.LookedAfter(id=ID, served=WELL))
    assert agent.core.take_news()[ID].served == WELL
    assert agent.ordered(STOPPED) == [e.Stop(id=ID, grace_s=30.0)]
    agent.feed(e.LookedAfter(id=ID, served=replace(WELL, health=Health.UNHEALTHY)))
    assert ID not in agent.core.take_news()
    agent.exits(143)
    assert (agent.seen.state, agent.seen.cause, agent.seen.served) == (AllocationState.STOPPED, Cause.REPLACED, None)


def test_what_was_wrong_with_it_is_kept_when_it_is_stopped(agent: Agent) -> None:
    agent.runs(REPLICA)
    agent.feed(e.LookedAfter(id=ID, served=replace(WELL, health=Health.UNHEALTHY, detail="it answered 500")))
    agent.ordered(STOPPED)
    agent.exits(143)
    assert agent.seen.detail == "not wanted any more; it was not healthy: it answered 500"


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        (0, "exited with code 0 after 3 s; an app should keep running: a command that ends is a job"),
        (3, "exit code 3, after 3 s"),
    ],
)
def test_ending_by_itself_is_failing(agent: Agent, code: int, detail: str) -> None:
    agent.runs(REPLICA)
    agent.exits(code, ran_s=3.0)
    assert (agent.seen.state, agent.seen.cause) == (AllocationState.FAILED, Cause.EXIT)
    assert agent.seen.detail == detail


def test_out_of_memory_names_the_limit() -> None:
    ended = Exited(exit_code=137, started_at=0.0, finished_at=1.0, oom=True)
    assert judge(ended, Cause.NONE, "", REPLICA).detail == (
        "used more than the 256 MB of memory that it asked for; ask for more (memory_mb)"
    )


def test_an_adopted_one_is_as_it_was_and_looked_after(agent: Agent) -> None:
    adopted = e.Adopted(id=ID, assignment=REPLICA, started_at=1.0, exclusive=False, image="x@sha256:1", served=WELL)
    assert agent.feed(adopted) == [e.Watch(id=ID), e.LookAfter(assignment=REPLICA, served=WELL)]
    told = agent.core.have()[ID]
    assert (told.state, told.served, told.image) == (AllocationState.RUNNING, WELL, "x@sha256:1")


def test_one_that_only_the_controller_remembers_is_looked_after_when_it_says_so(agent: Agent) -> None:
    adopted = e.Adopted(id=ID, assignment=None, started_at=1.0, exclusive=False)
    assert agent.feed(adopted) == [e.Watch(id=ID)]
    assert agent.ordered(REPLICA, full=True) == [e.LookAfter(assignment=REPLICA, served=None)]


def test_a_job_keeps_its_own_ways(agent: Agent) -> None:
    agent.runs(an_assignment())
    assert agent.ordered(an_assignment(desired=Desired.STOP)) == [e.Stop(id=ID, grace_s=GRACE_S)]
