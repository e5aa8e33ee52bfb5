"""How an attempt ended, and what that says about it."""

import pytest

from draas.agent.core.exits import describe_exit, judge
from draas.agent.runtimes.runtime import Exited
from draas.model.allocation import AllocationState, Cause


@pytest.mark.parametrize(
    ("code", "oom", "stopped_for", "state", "cause"),
    [
        (0, False, Cause.NONE, AllocationState.SUCCEEDED, Cause.NONE),
        (1, False, Cause.NONE, AllocationState.FAILED, Cause.EXIT),
        (137, True, Cause.NONE, AllocationState.FAILED, Cause.OUT_OF_MEMORY),
        (0, True, Cause.NONE, AllocationState.SUCCEEDED, Cause.NONE),
        (143, False, Cause.TIMEOUT, AllocationState.FAILED, Cause.TIMEOUT),
        (0, False, Cause.TIMEOUT, AllocationState.FAILED, Cause.TIMEOUT),
        (143, False, Cause.CANCELLED, AllocationState.STOPPED, Cause.CANCELLED),
        (0, False, Cause.CANCELLED, AllocationState.STOPPED, Cause.CANCELLED),
        (137, False, Cause.LEASE, AllocationState.STOPPED, Cause.LEASE),
    ],
)
def test_every_end_has_its_state_and_cause(
    code: int, oom: bool, stopped_for: Cause, state: AllocationState, cause: Cause
) -> None:
    ended = Exited(exit_code=code, started_at=1.0, finished_at=2.0, oom=oom, peak_memory_bytes=3, cpu_s=0.5)
    seen = judge(ended, stopped_for, "why")
    assert (seen.state, seen.cause, seen.exit_code, seen.oom) == (state, cause, code, oom)
    assert (seen.started_at, seen.finished_at, seen.peak_memory_bytes, seen.cpu_s) == (1.0, 2.0, 3, 0.5)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "exit code 1"),
        (
            126,
            "exit code 126: the command was found but could not be executed (not executable, or for another architecture)",
        ),
        (127, "exit code 127: the command was not found"),
        (137, "ended by SIGKILL (exit code 137)"),
        (255, "exit code 255"),
    ],
)
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words
