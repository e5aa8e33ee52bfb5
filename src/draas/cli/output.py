"""Output for people and programs: aligned tables, colours on a terminal only, JSON, and quiet."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

STATE_COLOURS = {
    "succeeded": "green",
    "running": "cyan",
    "ready": "green",
    "queued": "yellow",
    "waiting": "yellow",
    "draining": "yellow",
    "disconnected": "yellow",
    "failed": "red",
    "down": "red",
    "lost": "red",
    "cancelled": "magenta",
    "skipped": "magenta",
    "stopped": "magenta",
}


def paint(text: str, colour: str | None, width: int = 0) -> str:
    """`text`, padded, in `colour` where stdout is a terminal that wants colours."""
    padded = text.ljust(width)
    if colour is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return padded
    return click.style(padded, fg=colour)


def print_json(value: Any) -> None:
    """One object a line."""
    click.echo(json.dumps(value, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; states in their colour."""
    cells = [[_plain(cell) for cell in row] for row in rows]
    widths = [max((len(row[place]) for row in [list(headings), *cells]), default=0) for place in range(len(headings))]
    click.echo("  ".join(heading.ljust(width) for heading, width in zip(headings, widths, strict=True)).rstrip())
    for row in cells:
        painted = [paint(cell, STATE_COLOURS.get(cell), width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(painted).rstrip())


def print_fields(fields: Mapping[str, str | None]) -> None:
    """One `name  value` a line; what is None is left out."""
    shown = {name: value for name, value in fields.items() if value is not None and value != ""}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        first, *rest = _plain(value, keep_lines=True).split("\n")
        click.echo(f"{name.ljust(width)}  {paint(first, STATE_COLOURS.get(first))}")
        for line in rest:
            click.echo(f"{' ' * width}  {line}")


def _plain(text: str, keep_lines: bool = False) -> str:
    """Without control characters: a job's name must not move anybody's cursor."""
    return "".join(c if c.isprintable() or (keep_lines and c == "\n") else " " for c in text)


def ago(at: str | None) -> str:
    """`3s`, `12m`, `5h`, `9d` since an RFC 3339 time."""
    if at is None:
        return "-"
    return span((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())


def span(seconds: float) -> str:
    """A length of time in its largest fitting unit."""
    seconds = max(0.0, seconds)
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds >= 10 else f"{seconds:.1f}s"


def between(start: str | None, end: str | None) -> str:
    """How long from `start` to `end` (or to now)."""
    if start is None:
        return "-"
    until = datetime.fromisoformat(end) if end is not None else datetime.now(UTC)
    return span((until - datetime.fromisoformat(start)).total_seconds())


def size(count: float | None) -> str:
    """Bytes for people: `512 KiB`, `3.4 GiB`."""
    if count is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return ""
