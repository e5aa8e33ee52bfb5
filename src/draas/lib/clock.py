"""The only place that reads a clock. Everything else is told the time."""

import time
from datetime import UTC, datetime


def now() -> float:
    """Wall clock: seconds since the Unix epoch, UTC."""
    return time.time()


def monotonic() -> float:
    """Seconds on a clock that never jumps; its zero means nothing. Leases are counted on it."""
    return time.monotonic()


def rfc3339(at: float) -> str:
    """`at` (Unix seconds) as RFC 3339 in UTC with milliseconds: `2026-01-31T09:05:00.250Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> float:
    """Unix seconds of an RFC 3339 time. Raises ValueError where the offset is missing or the text is no time."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset, for example 2026-01-31T09:05:00Z")
    return moment.timestamp()
