"""Output for people and programs: aligned tables, colours on a terminal only, JSON, and quiet."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import click

from draas.cli.table import GAP, lay_out
from draas.cli.text import pad, plain

STATE_COLOURS = {
    "succeeded": "green",
    "live": "green",
    "healthy": "green",
    "running": "cyan",
    "ready": "green",
    "ok": "green",
    "queued": "yellow",
    "deploying": "yellow",
    "degraded": "yellow",
    "waiting": "yellow",
    "draining": "yellow",
    "disconnected": "yellow",
    "warning": "yellow",
    "failed": "red",
    "unhealthy": "red",
    "down": "red",
    "lost": "red",
    "wrong": "red",
    "cancelled": "magenta",
    "skipped": "magenta",
    "stopped": "magenta",
}
# JSON allows these as they are, terminals act on them: C1 controls and what turns the direction of writing.
_ACTED_ON = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def program() -> str:
    """What the user typed to get here: `draas`, or `./draas` in a fresh clone (the script says so)."""
    return plain(os.environ.get("DRAAS_CALLED") or "draas")


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at `stream`, on something that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def wants_colour(stream: TextIO) -> bool:
    """A terminal, and nobody set NO_COLOR (no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def paint(text: str, colour: str | None) -> str:
    """`text` in `colour` where stdout wants colours."""
    return click.style(text, fg=colour) if colour is not None and wants_colour(sys.stdout) else text


def say(text: str) -> None:
    """A line for the person at the terminal, on stderr: stdout belongs to the results."""
    click.echo(plain(text, keep_lines=True), err=True)


def print_json(value: Any) -> None:
    """One object a line."""
    text = json.dumps(value, ensure_ascii=False)
    click.echo(_ACTED_ON.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], cut_first: Sequence[str] = ()) -> None:
    """A table as wide as the terminal at most, as wide as it needs elsewhere; states in their colour."""
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    table = lay_out(headings, list(rows), room, cut_first)
    for line in (table.headings, *table.rows):
        cells = [
            paint(pad(cell, width), STATE_COLOURS.get(cell) if line is not table.headings else None)
            for cell, width in zip(line, table.widths, strict=True)
        ]
        cells[-1] = cells[-1].rstrip(" ")
        click.echo((" " * GAP).join(cells).rstrip(" "))


def print_fields(fields: Mapping[str, str | None]) -> None:
    """One `name  value` a line; what is None or empty is left out."""
    shown = {name: value for name, value in fields.items() if value}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        first, *rest = plain(value, keep_lines=True).split("\n")
        click.echo(f"{name.ljust(width)}  {paint(first, STATE_COLOURS.get(first))}")
        for line in rest:
            click.echo(f"{' ' * width}  {line}")


def ago(at: str | None) -> str:
    """`3s`, `12m`, `5h`, `9d` since an RFC 3339 time."""
    if at is None:
        return "-"
    return span((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())


def span(seconds: float) -> str:
    """A length of time in its largest fitting unit."""
    seconds = max(0.0, seconds)
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds >= 10 else f"{seconds:.1f}s"


def between(start: str | None, end: str | None) -> str:
    """How long from `start` to `end` (or to now)."""
    if start is None:
        return "-"
    until = datetime.fromisoformat(end) if end is not None else datetime.now(UTC)
    return span((until - datetime.fromisoformat(start)).total_seconds())


def cores(count: float) -> str:
    """For people: `1 core`, `0.5 cores`."""
    return f"{count:g} core{'' if count == 1 else 's'}"


def size(count: float | None) -> str:
    """Bytes for people: `512 KiB`, `3.4 GiB`."""
    if count is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.0f} TiB" if count >= 10 else f"{count:.1f} TiB"
