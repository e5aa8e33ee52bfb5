"""Probe: how an agent finds out whether a replica can serve, and what it found."""

from dataclasses import dataclass
from enum import StrEnum


class ProbeKind(StrEnum):
    HTTP = "http"  # GET answers with a status below 400
    TCP = "tcp"  # the port accepts a connection
    EXEC = "exec"  # a command inside the container exits with 0
    NONE = "none"  # running is enough


class Health(StrEnum):
    """What the agent's probes say. Unknown until the first verdict."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One verdict changes after one success, or after `failures` failures in a row."""

    kind: ProbeKind = ProbeKind.TCP
    path: str = "/"  # of an HTTP probe
    command: tuple[str, ...] = ()  # of an exec probe
    every_s: float = 2.0
    timeout_s: float = 1.0
    failures: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What the agent has seen of a replica beyond its state. `since` (Unix seconds) is when `health` became so."""

    health: Health = Health.UNKNOWN
    since: float = 0.0
    detail: str = ""  # why it is not healthy, with a remedy where one is known
    endpoint: str = ""  # host:port where other machines reach it
