"""Since: from when on, as people write it."""

import re

from draas.lib import clock
from draas.model.errors import Fault, Invalid

_AGO = re.compile(r"([0-9]{1,9})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_since(text: str, now: float, field: str = "since") -> float:
    """Unix seconds of an RFC 3339 time, of Unix seconds, or of an age ("10m"). Raises Invalid."""
    if (ago := _AGO.fullmatch(text)) is not None:
        return max(0.0, now - int(ago[1]) * _UNIT_S[ago[2]])
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        return clock.parse_rfc3339(text)
    except (ValueError, OverflowError):
        told = "is no time: write 2026-01-31T09:05:00Z, Unix seconds, or an age such as 30s, 10m, 2h, 1d"
        raise Invalid("the request is not valid", (Fault(field, told),)) from None
