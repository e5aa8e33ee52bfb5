"""What the journal remembers of replicas."""

import asyncio
from pathlib import Path

from msgspec import structs

from draas.agent.core import events as e
from draas.agent.core.core import AgentCore
from draas.agent.shell.journal import Journal
from draas.agent.shell.performer import Performer
from draas.lib.tasks import Tasks
from draas.model.allocation import AllocationId, AllocationState, Observed
from draas.model.job import RuntimeName
from draas.model.probe import Health, Served
from draas.testing.builders import a_service, an_assignment
from draas.testing.fake_runtime import FakeMachine, FakeRuntime, fake_pin
from draas.wire.link import Assign

ID = AllocationId("j1.1")


def test_what_was_noted_of_a_replica_outlives_the_agent_and_goes_with_it(tmp_path: Path) -> None:
    seen = Observed(
        state=AllocationState.RUNNING, image="x@sha256:1", served=Served(health=Health.HEALTHY, endpoint="h:1")
    )
    journal = Journal(tmp_path / "journal")
    journal.put(an_assignment(service=a_service()))
    journal.note(ID, seen)
    journal.close()
    again = Journal(tmp_path / "journal")
    assert again.noted(ID) == seen
    assert again.get(ID) == an_assignment(service=a_service())
    assert again.has(RuntimeName.DOCKER)
    assert not again.has(RuntimeName.PROCESS)
    again.drop(ID)
    again.close()
    last = Journal(tmp_path / "journal")
    assert (last.noted(ID), last.get(ID)) == (None, None)
    last.close()


async def test_the_image_of_a_replica_is_noted_before_its_first_probe(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    runtime = FakeRuntime(FakeMachine(), RuntimeName.DOCKER)
    assignment = structs.replace(an_assignment(service=a_service()), image="web:1")
    core, prepared = AgentCore(), asyncio.Event()

    def hear() -> None:
        if core.locals[ID].observed.state is AllocationState.STARTING:
            prepared.set()

    async with Tasks("agent") as tasks:
        performer = Performer(core, {RuntimeName.DOCKER: runtime}, journal, tasks, lambda _chunk: None, hear)
        performer.feed(e.Ordered(assign=Assign(epoch=1, generation=1, put=[assignment], full=True)))
        await asyncio.wait_for(prepared.wait(), 60.0)
        noted = journal.noted(ID)
    journal.close()
    assert noted is not None
    assert noted.image == fake_pin("web:1")
    assert noted.served is None
