"""What is asked of samples: from when on, and how finely."""

from pydantic import BaseModel, ConfigDict, Field

from draas.server.api.since import parse_since
from draas.server.services.levels import FINEST, HOUR_S, LEVELS


class MetricsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: str | None = Field(
        None,
        max_length=64,
        description="RFC 3339, Unix seconds, or an age; default: an hour ago. The finest samples that reach back so far are given",
    )
    step: float = Field(
        FINEST.step_s,
        ge=FINEST.step_s,
        le=86400,
        description="seconds between the points; more than the samples' own gives means",
    )


def since_of(query: MetricsQuery, now: float) -> float:
    """Unix seconds. Raises Invalid."""
    asked = parse_since(query.since, now) if query.since is not None else now - HOUR_S
    return max(asked, now - LEVELS[-1].kept_s)
