"""What is secret never reaches the agent's disk; what an agent needs of it again comes with the controller's orders."""

from pathlib import Path

import msgspec

from draas.agent.core import events as e
from draas.agent.core.core import AgentCore
from draas.agent.shell.journal import Journal
from draas.model.image_name import Repository
from draas.model.job import RuntimeName
from draas.model.login import Login
from draas.testing.builders import NOW, an_assignment
from draas.wire.link import Assign, BuildOrder

HIDDEN = "SECRET-2"
BUILD = BuildOrder(
    repository=Repository("default/web"), source=None, git="", tags=(), folder="", dockerfile="", target="", args={"A": "kept"},
    platform="", disk_bytes=1, cache=True, secrets={"token": "SECRET-1"},
    also_push={"docker.io/u/web:v1": Login(host="docker.io", username="u", password=HIDDEN)},
)  # fmt: skip
LOGIN = Login(host="ghcr.io", username="u", password=HIDDEN)


def test_logins_and_build_secrets_are_not_written(tmp_path: Path) -> None:
    told = msgspec.structs.replace(an_assignment(runtime=RuntimeName.BUILD), build=BUILD, logins=(LOGIN,))
    journal = Journal(tmp_path / "journal")
    journal.put(told)
    known = journal.get(told.id)
    journal.close()
    again = Journal(tmp_path / "journal")
    assert again.get(told.id) == known
    again.close()
    assert known is not None
    assert (known.logins, known.id, known.build) == (
        (),
        told.id,
        msgspec.structs.replace(BUILD, secrets={}, also_push={}),
    )
    for path in tmp_path.iterdir():
        assert b"SECRET" not in path.read_bytes()


def test_what_was_not_started_yet_begins_with_the_controllers_orders_and_not_from_the_journal() -> None:
    """Exclusive, as a lease alone would begin it otherwise."""
    full = msgspec.structs.replace(an_assignment(exclusive=True), logins=(LOGIN,))
    noted = msgspec.structs.replace(full, logins=())
    core = AgentCore()
    core.on_event(e.Adopted(id=full.id, assignment=noted, started_at=None, exclusive=True), NOW)
    assert core.on_event(e.LeaseRenewed(mono=1.0, lease_s=30.0), NOW) == []
    orders = e.Ordered(assign=Assign(epoch=1, generation=1, put=[full], full=True))
    assert core.on_event(orders, NOW) == [e.Start(assignment=full)]
