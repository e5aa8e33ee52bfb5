"""How an attempt or a replica ended, and what that says about it. Pure."""

import signal

from draas.agent.runtimes.runtime import Exited
from draas.model.allocation import AllocationState, Cause, Observed
from draas.model.resources import MIB
from draas.wire.link import Assignment


def judge(ended: Exited, stopped_for: Cause, stop_detail: str, assignment: Assignment | None = None) -> Observed:
    """The final state. `stopped_for` says why the agent itself ended it, if it did; a replica fails however it ends by itself."""
    state, cause, detail = _judge(ended, stopped_for, stop_detail, assignment)
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
        built=ended.built if state is AllocationState.SUCCEEDED else None,
    )


def _judge(
    ended: Exited, stopped_for: Cause, stop_detail: str, assignment: Assignment | None
) -> tuple[AllocationState, Cause, str]:
    if stopped_for is Cause.TIMEOUT:
        return AllocationState.FAILED, Cause.TIMEOUT, stop_detail
    if stopped_for is not Cause.NONE:
        return AllocationState.STOPPED, stopped_for, stop_detail
    if ended.cause is not Cause.NONE:
        return AllocationState.FAILED, ended.cause, ended.detail
    is_replica = assignment is not None and assignment.service is not None
    if ended.exit_code == 0 and not is_replica:
        return AllocationState.SUCCEEDED, Cause.NONE, ""
    if ended.exit_code != 0 and ended.oom:
        return AllocationState.FAILED, Cause.OUT_OF_MEMORY, _describe_oom(assignment)
    if not is_replica:
        return AllocationState.FAILED, Cause.EXIT, describe_exit(ended.exit_code)
    return AllocationState.FAILED, Cause.EXIT, _describe_early_end(ended)


def _describe_oom(assignment: Assignment | None) -> str:
    limit_bytes = assignment.resources.memory_bytes if assignment is not None else 0
    if limit_bytes <= 0:
        return "used more memory than it asked for; ask for more (memory_mb)"
    return f"used more than the {limit_bytes / MIB:.0f} MB of memory that it asked for; ask for more (memory_mb)"


def _describe_early_end(ended: Exited) -> str:
    after = f"after {max(ended.finished_at - ended.started_at, 0.0):.3g} s"
    if ended.exit_code == 0:
        return f"exited with code 0 {after}; an app should keep running: a command that ends is a job"
    return f"{describe_exit(ended.exit_code)}, {after}"


def describe_exit(code: int) -> str:
    """An exit code in words, with what it usually means."""
    if code == 126:
        return "exit code 126: the command was found but could not be executed (not executable, or for another architecture)"
    if code == 127:
        return "exit code 127: the command was not found"
    if code > 128 and code - 128 in {member.value for member in signal.Signals}:
        return f"ended by {signal.Signals(code - 128).name} (exit code {code})"
    return f"exit code {code}"
