"""The controller's word on images reaches who makes room, and ends with the link."""

from draas.agent.core.core import AgentCore
from draas.agent.shell.link import Link, Target
from draas.model.node import Facts, Load
from draas.wire.link import Keep


class Nobody:
    core = AgentCore()


def test_keep_is_heard() -> None:
    target = Target(url="http://localhost:1", key="x", name="a", tls=None)
    link = Link(target, Nobody(), Facts, Load, lambda: True)  # type: ignore[arg-type]
    heard: list[frozenset[str] | None] = []
    link.on_keep = heard.append
    link._take(Keep(images=["sha256:a"]))
    link._take(Keep(images=[]))
    assert heard == [frozenset({"sha256:a"}), frozenset()]
