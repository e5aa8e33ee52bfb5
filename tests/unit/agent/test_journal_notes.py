"""What the journal remembers of replicas."""

from pathlib import Path

from draas.agent.shell.journal import Journal
from draas.model.allocation import AllocationId, AllocationState, Observed
from draas.model.job import RuntimeName
from draas.model.probe import Health, Served
from draas.testing.builders import a_service, an_assignment

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
