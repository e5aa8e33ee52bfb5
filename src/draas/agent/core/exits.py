"""How an attempt ended, and what that says about it. Pure."""

import signal

from draas.agent.runtimes.runtime import Exited
from draas.model.allocation import AllocationState, Cause, Observed


def judge(ended: Exited, stopped_for: Cause, stop_detail: str) -> Observed:
    """The attempt's final state. `stopped_for` says why the agent itself ended it, if it did."""
    state, cause, detail = _judge(ended, stopped_for, stop_detail)
    return Observed(
        state=state,
        cause=cause,
        detail=detail,
        started_at=ended.started_at,
        finished_at=ended.finished_at,
        exit_code=ended.exit_code,
        oom=ended.oom,
        peak_memory_bytes=ended.peak_memory_bytes,
        cpu_s=ended.cpu_s,
    )


def _judge(ended: Exited, stopped_for: Cause, stop_detail: str) -> tuple[AllocationState, Cause, str]:
    if stopped_for is Cause.TIMEOUT:
        return AllocationState.FAILED, Cause.TIMEOUT, stop_detail
    if stopped_for is not Cause.NONE:
        return AllocationState.STOPPED, stopped_for, stop_detail
    if ended.exit_code == 0:
        return AllocationState.SUCCEEDED, Cause.NONE, ""
    if ended.oom:
        return (
            AllocationState.FAILED,
            Cause.OUT_OF_MEMORY,
            "used more memory than it asked for; ask for more (memory_mb)",
        )
    return AllocationState.FAILED, Cause.EXIT, describe_exit(ended.exit_code)


def describe_exit(code: int) -> str:
    """An exit code in words, with what it usually means."""
    if code == 126:
        return "exit code 126: the command was found but could not be executed"
    if code == 127:
        return "exit code 127: the command was not found"
    if code > 128 and code - 128 in {member.value for member in signal.Signals}:
        return f"ended by {signal.Signals(code - 128).name} (exit code {code})"
    return f"exit code {code}"
