"""Following a job: its output as it is written, over all attempts, to its end, whatever happens to the connection."""

import asyncio
import sys
from typing import Any

from draas.cli.output import is_terminal, say
from draas.cli.printing import Printing
from draas.cli.waiting import Waiting, show_progress

# A controller is restarted, upgraded, or moved within this; the job itself runs on anyway.
AWAY_PATIENCE_S = 300.0


async def follow(client: Any, id: str, *, quiet: bool, **match: Any) -> None:
    """Copy the job's output to stdout and stderr until it has ended. Raises DraasError, BrokenPipeError."""
    printing, waiting = Printing(timestamps=match.pop("timestamps", False)), Waiting(quiet=quiet)
    be_patient(client, waiting)
    watching = asyncio.ensure_future(show_progress(client, id, waiting)) if waiting.shown else None
    shown = 0
    try:
        async for seen in client.follow(id, **match):
            if seen.line is not None:
                waiting.clear()
                printing.write(seen.line)
            elif seen.kind == "attempt" and seen.about["attempt"] != shown:
                shown = seen.about["attempt"]
                if shown > 1:
                    printing.flush()
                    waiting.tell(f"attempt {shown} on {seen.about['node']}")
        printing.flush()
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        waiting.clear()


def be_patient(client: Any, waiting: Waiting, goes_on: str = "the job goes on") -> None:
    """From now on wait for a controller that is away; a person at the terminal is told, and that the work `goes_on`."""
    client.transport.patience_s = AWAY_PATIENCE_S
    client.transport.on_away = lambda why: waiting.show(f"{why}; {goes_on}, waiting for the controller")


def say_to_person(text: str) -> None:
    """A line on stderr, only where that is a terminal."""
    if is_terminal(sys.stderr):
        say(text)
