"""Joining that must not succeed: another CA than the token names, an old token, a clock that is off. One clear line each."""

import sys
from pathlib import Path

import pytest

from draas.lib import clock
from draas.testing.lab import AgentOn, Lab
from draas.testing.waiting import wait_for

CLOCK_OFF = (sys.executable, str(Path(__file__).with_name("clock_off.py")))


def refusal(agent: AgentOn, url: str, token: str) -> str:
    """What a machine that may not join is told, which is all it is told."""
    process = agent.join(url, token)
    assert process.wait(60) in (2, 3)
    (line,) = process.output().strip().splitlines()
    assert not (agent.data_dir / "agent" / "identity.json").exists()
    return line


@pytest.fixture
def stranger(lab: Lab, request: pytest.FixtureRequest) -> AgentOn:
    return AgentOn(lab.agent("m1").machine, name=f"stranger-{request.node.name[:40]}")


def test_another_ca_than_the_token_names(lab: Lab, stranger: AgentOn) -> None:
    secret, _, fingerprint = lab.controller.join_token().partition(".")
    other = f"{secret}.{'0' * len(fingerprint)}"
    assert "does not show the CA that the token names" in refusal(stranger, lab.controller.url, other)


def test_a_token_that_was_cut_off(lab: Lab, stranger: AgentOn) -> None:
    assert "cut off or mistyped" in refusal(stranger, lab.controller.url, lab.controller.join_token()[:-3])


def test_an_expired_token(lab: Lab, stranger: AgentOn) -> None:
    short, over = lab.controller.join_token(ttl_s=1), clock.now() + 1
    wait_for(clock.now, lambda now: now > over, "the token's time is over")
    line = refusal(stranger, lab.controller.url, short)
    assert line.startswith("draas: the join token has expired at ")
    assert line.endswith("make a new one with: draas nodes token")


def test_a_mistyped_url(lab: Lab, stranger: AgentOn) -> None:
    host = lab.controller.url.rpartition(":")[0]
    assert refusal(stranger, f"{host}:1", lab.controller.join_token()).startswith(f"draas: nothing listens at {host}:1")


def test_a_clock_that_is_off(lab: Lab, stranger: AgentOn) -> None:
    ahead = AgentOn(stranger.machine, name="ahead", program=CLOCK_OFF)
    line = refusal(ahead, lab.controller.url, lab.controller.join_token())
    assert line.startswith("draas: this machine's clock is 3600 s ahead of the controller's"), line
