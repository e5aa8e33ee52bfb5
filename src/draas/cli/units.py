"""Sizes and spans of time as people write them. Pure; raises click.UsageError naming the flag and what it takes."""

import math
import re

import click

MIB_OF = {"k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0 * 1024.0}
SECONDS_OF = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?)?", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)


def memory_mb(text: str, flag: str = "--memory") -> float:
    """`512`, `512m`, `512MB`, `1.5GiB` as MiB; without a unit MiB, k m g t are powers of 1024."""
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None:
        raise click.UsageError(f"{flag} must be a size such as 512m or 2g, not {text!r}")
    amount = float(found[1]) * MIB_OF[found[2] or "m"]
    if not 0 < amount < 1e9:
        raise click.UsageError(f"{flag} must be more than nothing and less than 1e9 MiB, not {text!r}")
    return amount


def seconds(text: str, flag: str = "--timeout") -> float:
    """`90`, `30s`, `5m`, `1h30m`, `2d` as seconds; a bare number is seconds."""
    given = text.strip().lower()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", given):
        total = float(given)
    else:
        parts = _PART.findall(given)
        if not parts or "".join(number + unit for number, unit in parts) != given:
            raise click.UsageError(f"{flag} must be a span of time such as 30s, 5m or 1h30m, not {text!r}")
        total = sum(float(number) * SECONDS_OF[unit] for number, unit in parts)
    if not 0 < total < math.inf:
        raise click.UsageError(f"{flag} must be longer than nothing, not {text!r}")
    return total
