"""The only place that reads a clock. Everything else is told the time."""

import time
from datetime import UTC, datetime


def now() -> float:
    """Wall clock: seconds since the Unix epoch, UTC."""
    return time.time()


def monotonic() -> float:
    """Seconds on a clock that never jumps and goes on while the machine sleeps; its zero means nothing.

    Leases are counted on it: a laptop that wakes up must know that its lease is over.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


_OFFSET = time.time() - monotonic()


def steady() -> float:
    """Unix seconds that never jump while this process lives: what the control loop is told, so that setting the clock loses no node."""
    return _OFFSET + monotonic()


def rfc3339(at: float) -> str:
    """`at` (Unix seconds) as RFC 3339 in UTC with milliseconds: `2026-01-31T09:05:00.250Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> float:
    """Unix seconds of an RFC 3339 time. Raises ValueError where the offset is missing or the text is no time."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset, for example 2026-01-31T09:05:00Z")
    return moment.timestamp()
