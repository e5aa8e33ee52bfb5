"""The log: one line an event on stderr, with its fields; colours on a terminal, JSON where DRAAS_LOG=json."""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping

from draas.lib import clock

_LEVELS = {
    "debug": 32,
    "info": 32,
    "warning": 33,
    "error": 31,
}  # from the least; the colours are those of ANSI terminals
_NEED_QUOTES = frozenset(" =\"'")

Fields = Mapping[str, object]


def render_line(at: float, level: str, event: str, fields: Fields, *, colours: bool = False) -> str:
    """The line for people. What could be taken for another field or move a terminal's cursor stands in quotes."""
    paint = _paint if colours else _leave
    told = [f"{paint(name, 36)}={paint(_quoted(value), 35)}" for name, value in fields.items() if name != "exception"]
    line = " ".join((paint(clock.rfc3339(at), 2), f"[{paint(f'{level:7}', _LEVELS[level])}]", paint(event, 1), *told))
    return f"{line}\n{fields['exception']}" if "exception" in fields else line


def render_json(at: float, level: str, event: str, fields: Fields) -> str:
    """The line for machines."""
    return json.dumps({**fields, "event": event, "level": level, "timestamp": clock.rfc3339(at)}, default=repr)


_render: Callable[[float, str, str, Fields], str] = render_line
_told = frozenset({"info", "warning", "error"})


def set_up_log() -> None:
    """Choose how this process logs, by its environment. From which level: DRAAS_LOG_LEVEL (default info)."""
    global _render, _told
    levels = list(_LEVELS)
    least = os.environ.get("DRAAS_LOG_LEVEL", "").lower()
    _told = frozenset(levels[levels.index(least if least in levels else "info") :])
    if os.environ.get("DRAAS_LOG") == "json":
        _render = render_json
    elif sys.stderr.isatty():
        _render = _render_coloured
    else:
        _render = render_line


def debug(event: str, **fields: object) -> None:
    """What only somebody who looks for a defect wants to know."""
    _say("debug", event, fields)


def info(event: str, **fields: object) -> None:
    """What an owner wants to find later."""
    _say("info", event, fields)


def warning(event: str, **fields: object) -> None:
    """Something works less well than it could, for the `reason` among the fields."""
    _say("warning", event, fields)


def error(event: str, *, cause: BaseException | None = None, **fields: object) -> None:
    """Something does not work, or is a defect: `cause` is then told with where it came from."""
    if cause is not None:
        fields["exception"] = "".join(traceback.format_exception(cause)).rstrip()
    _say("error", event, fields)


def _say(level: str, event: str, fields: Fields) -> None:
    if level in _told:
        # A full disk under the log, or a closed terminal, must not stop what only wanted to say something.
        with contextlib.suppress(OSError, ValueError):
            print(_render(clock.now(), level, event, fields), file=sys.stderr, flush=True)


def _render_coloured(at: float, level: str, event: str, fields: Fields) -> str:
    return render_line(at, level, event, fields, colours=True)


def _quoted(value: object) -> str:
    if isinstance(value, str):
        return value if value.isprintable() and not _NEED_QUOTES & set(value) else repr(value)
    return repr(value)


def _paint(text: str, colour: int) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"


def _leave(text: str, _colour: int) -> str:
    return text
