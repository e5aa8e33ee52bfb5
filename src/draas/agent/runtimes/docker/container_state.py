"""What the engine says of a container, read into our words: pure."""

from collections.abc import Mapping
from typing import Any

from draas.agent.runtimes.docker.container_body import ALLOCATION, EXCLUSIVE, OWNER
from draas.agent.runtimes.docker.usage import Usage
from draas.agent.runtimes.runtime import Exited, Found
from draas.lib.clock import parse_rfc3339
from draas.model.allocation import AllocationId

Info = Mapping[str, Any]  # the answer of GET /containers/NAME/json

KILLED = 137  # 128 + SIGKILL: what the kernel's out-of-memory killer leaves


def engine_time(text: str) -> float | None:
    """Unix seconds; None for the engine's zero time, year 1."""
    return None if text.startswith("0001-") else parse_rfc3339(text)


def started_at(info: Info) -> float | None:
    """When it was started; None where it never was."""
    return engine_time(info["State"]["StartedAt"])


def has_ended(info: Info) -> bool:
    """Whether it ran and does not any more."""
    return info["State"]["Status"] in ("exited", "dead") and started_at(info) is not None


def is_ours(info: Info, owner: str, id: AllocationId) -> bool:
    """Whether it is this node's container for this allocation."""
    labels = info["Config"]["Labels"] or {}
    return labels.get(OWNER) == owner and labels.get(ALLOCATION) == id


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
