"""Host commands that are refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: str


def check_command(command: str | tuple[str, ...]) -> Refusal | None:
    """Placeholder of the first increment: judged later."""
    return None
