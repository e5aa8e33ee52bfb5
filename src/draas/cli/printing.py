"""A job's output on its way to this process's own stdout and stderr."""

import asyncio
import base64
import sys
from typing import Any, BinaryIO


class Printing:
    """`write` lines as they come, stdout and stderr apart and in order. What came together is flushed together.

    Raises BrokenPipeError from `write` or `flush` where nobody reads any more.
    """

    def __init__(self, *, timestamps: bool = False) -> None:
        self._timestamps = timestamps
        self._last: BinaryIO | None = None
        self._unfinished: set[str] = set()
        self._flushing = False
        self._broken: OSError | None = None

    def write(self, line: Any, name: str = "") -> None:
        """One line of the log, as draas.wire.views.LinePart, behind `name`; notices go to stderr."""
        if self._broken is not None:
            raise self._broken
        out: BinaryIO = (sys.stdout if line["stream"] == "stdout" else sys.stderr).buffer
        if self._last is not None and self._last is not out:
            self._last.flush()
        self._last = out
        begins = name + line["stream"] not in self._unfinished
        if begins and name and self._unfinished:  # another replica's line has no end yet
            out.write(b"\n")
            self._unfinished.clear()
        stamp = f"{line['at']} " if self._timestamps and begins else ""
        head = f"{name if begins else ''}{stamp}".encode()
        out.write(head + content_of(line) + (b"" if line["partial"] else b"\n"))
        if line["partial"]:
            self._unfinished.add(name + line["stream"])
        else:
            self._unfinished.discard(name + line["stream"])
        if not self._flushing:
            # On the loop's next turn: all lines of one piece from the network are written by then.
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush_soon)

    def flush(self) -> None:
        """Have everything written."""
        if self._broken is not None:
            raise self._broken
        if self._last is not None:
            self._last.flush()

    def _flush_soon(self) -> None:
        self._flushing = False
        try:
            self.flush()
        except OSError as error:
            self._broken = error


def content_of(line: Any) -> bytes:
    """The bytes that the job wrote: text, or base64 where they are none."""
    raw = line.get("base64")
    return base64.b64decode(raw) if raw is not None else line["text"].encode()
