"""What the engine says of a container, read into our words: pure."""

from collections.abc import Mapping
from typing import Any

from draas.agent.runtimes.docker.container_body import ALLOCATION, EXCLUSIVE, OWNER
from draas.agent.runtimes.docker.service_body import APP
from draas.agent.runtimes.docker.usage import Usage
from draas.agent.runtimes.runtime import Exited, Found
from draas.lib.clock import parse_rfc3339
from draas.model.allocation import AllocationId

Info = Mapping[str, Any]  # the answer of GET /containers/NAME/json

KILLED = 137  # 128 + SIGKILL: what the kernel's out-of-memory killer leaves
# What an engine leaves that takes its containers down with it: TERM, then KILL; 255 where it does not know any more.
TAKEN_DOWN = frozenset({143, KILLED, 255})
TAKING_DOWN_S = 20.0  # it gives containers 15 s when it stops; one that was killed ends them when it starts again


def engine_time(text: str) -> float | None:
    """Unix seconds; None for the engine's zero time, year 1."""
    return None if text.startswith("0001-") else parse_rfc3339(text)


def started_at(info: Info) -> float | None:
    """When it was started; None where it never was."""
    return engine_time(info["State"]["StartedAt"])


def has_ended(info: Info) -> bool:
    """Whether it ran and does not any more."""
    return info["State"]["Status"] in ("exited", "dead") and started_at(info) is not None


def stop_signal(info: Info) -> str:
    """What asks it to end: for a replica the signal that its image names (nginx finishes its requests on SIGQUIT only)."""
    config = info["Config"]
    return config.get("StopSignal") or "SIGTERM" if APP in (config["Labels"] or {}) else "SIGTERM"


def may_be_taken_down(info: Info) -> bool:
    """Whether it ended as an engine ends containers that stops or was killed."""
    return info["State"]["ExitCode"] in TAKEN_DOWN and not info["State"]["OOMKilled"]


def was_taken_down(info: Info, restarted_at: float) -> bool:
    """Whether it ended with the engine that was restarted at `restarted_at` (Unix seconds), and not by itself."""
    started, finished = started_at(info), engine_time(info["State"]["FinishedAt"])
    if started is None or finished is None or not may_be_taken_down(info):
        return False
    return started < restarted_at and finished <= restarted_at + TAKING_DOWN_S


def is_ours(info: Info, owner: str, id: AllocationId) -> bool:
    """Whether it is this node's container for this allocation."""
    labels = info["Config"]["Labels"] or {}
    return labels.get(OWNER) == owner and labels.get(ALLOCATION) == id


def has_log_file(info: Info) -> bool:
    """Whether its output is kept in the form that draas.agent.runtimes.docker.log_entries reads."""
    return bool(info["HostConfig"]["LogConfig"]["Type"] == "local")


def exited(info: Info, usage: Usage) -> Exited:
    """How it ended."""
    state = info["State"]
    started = started_at(info) or 0.0
    return Exited(
        exit_code=int(state["ExitCode"]),
        started_at=started,
        finished_at=max(engine_time(state["FinishedAt"]) or started, started),
        oom=bool(state["OOMKilled"]),
        peak_memory_bytes=usage.peak_memory_bytes,
        cpu_s=usage.cpu_s,
    )


def found(info: Info) -> Found:
    """A container of ours that was here before."""
    labels = info["Config"]["Labels"]
    return Found(
        id=AllocationId(labels[ALLOCATION]),
        started_at=started_at(info),
        exclusive=labels.get(EXCLUSIVE) == "true",
        ended=has_ended(info),
    )
