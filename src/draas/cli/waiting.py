"""What a person sees while a job waits: one line on the terminal that says for what, gone when the job's output starts."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from draas.cli.output import is_terminal, say
from draas.cli.text import cut, plain

LOOK_S = 0.5
SPINNER = 3  # columns: it, a blank, and the last one, which some terminals wrap
EXPLAIN_AFTER = 4  # looks at a queued job, after which it is worth asking why


class Waiting:
    """`show` a sentence with a spinner, `clear` it, or `tell` something that stays. Does nothing where no terminal is, or `quiet`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.shown = is_terminal(sys.stderr) and not quiet
        self._status: Any = None

    def show(self, text: str) -> None:
        """Replace the line."""
        if not self.shown:
            return
        from rich.console import Console  # only here: it costs 100 ms
        from rich.text import Text

        line = Text(cut(plain(text), shutil.get_terminal_size().columns - SPINNER))
        if self._status is None:
            self._status = Console(stderr=True).status(line)
            self._status.start()
        else:
            self._status.update(line)

    def clear(self) -> None:
        """Take the line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def tell(self, text: str) -> None:
        """A line that stays."""
        if self.shown:
            self.clear()
            say(text)


async def show_progress(client: Any, id: str, waiting: Waiting) -> None:
    """Until the job runs or has ended, show what it waits for."""
    await show_wait(lambda: client.job(id), lambda: client.explain(id), waiting.show)
    waiting.clear()


async def show_wait(
    look: Callable[[], Awaitable[Any]], explain: Callable[[], Awaitable[Any]], show: Callable[[str], None]
) -> None:
    """The same for whatever `look` finds and `explain` explains."""
    from draas.model.errors import DraasError

    looks, why = 0, ""
    while True:
        with contextlib.suppress(DraasError):  # the follower says what is wrong
            job = await look()
            if is_under_way(job):
                return
            if job["state"] == "queued" and looks >= EXPLAIN_AFTER and looks % EXPLAIN_AFTER == 0:
                why = (await explain())["summary"]
            show(describe(job, why))
        looks += 1
        await asyncio.sleep(LOOK_S)


def is_under_way(job: Any) -> bool:
    """Whether there is nothing more to wait for than the job itself."""
    if job["state"] in ("waiting", "queued"):
        return False
    return job["state"] != "running" or job["attempts"][-1]["state"] not in ("assigned", "preparing", "starting")


def describe(job: Any, why: str = "") -> str:
    """One sentence on what a job waits for."""
    match job["state"]:
        case "waiting":
            return f"waits for {', '.join(job['needs'])}" if job.get("needs") else "waits"
        case "queued":
            return f"queued: {why or job['reason']}" if why or job["reason"] else "queued"
        case _:
            attempt = job["attempts"][-1]
            return f"{attempt['detail'] or attempt['state']} on {attempt['node']}"
