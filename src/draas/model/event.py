"""Event: something that happened, numbered by the store, append-only."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`kind` is noun.verb ("job.queued", "node.down"); `subject` the object's id; `detail` the facts for people and webhooks."""

    at: float
    kind: str
    subject: str
    project: str = ""
    detail: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
