"""Whether a container ended by itself or with its engine."""

from typing import Any

import pytest

from draas.agent.runtimes.docker.container_state import was_taken_down
from draas.lib.clock import rfc3339

STARTED = 1_000_000_000.0


def ended(code: int, after_s: float, *, oom: bool = False) -> dict[str, Any]:
    state = {"ExitCode": code, "OOMKilled": oom}
    return {"State": {**state, "StartedAt": rfc3339(STARTED), "FinishedAt": rfc3339(STARTED + after_s)}}


@pytest.mark.parametrize("code", [137, 143, 255])
def test_with_its_engine(code: int) -> None:
    assert was_taken_down(ended(code, 60), STARTED + 61)  # it stopped in order: containers first
    assert was_taken_down(ended(code, 60), STARTED + 59)  # it was killed, and ended them when it was back


def test_by_itself() -> None:
    assert not was_taken_down(ended(0, 60), STARTED + 61)
    assert not was_taken_down(ended(1, 60), STARTED + 61)
    assert not was_taken_down(ended(137, 60, oom=True), STARTED + 61)
    assert not was_taken_down(ended(143, 60), STARTED - 1)  # the engine is older than the container
    assert not was_taken_down(ended(143, 3600), STARTED + 59)  # and survived that engine's restart for an hour
