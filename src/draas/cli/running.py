"""Running a long-lived command: signals end it in order, expected failures are one line and an exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

import click

from draas.cli.text import plain

FAILED = 1


def fail(message: str, code: int) -> NoReturn:
    """Say `message` on stderr and end with `code`."""
    click.echo(plain(f"draas: {message}", keep_lines=True), err=True)
    raise SystemExit(code)


def run_until_stopped(work: Coroutine[Any, Any, None], what: str) -> None:
    """Run `work` until it ends, or SIGINT or SIGTERM asks it to; then say that `what` (where it is not "") has stopped.

    Ends the process with 1, 2 or 3 for expected failures. A second signal ends it at once.
    """
    from draas.client.errors import exit_code
    from draas.lib.log import set_up_log
    from draas.model.errors import DraasError
    from draas.store.store import StoreFailure

    set_up_log()
    try:
        stopped = _loop_factory()(_run(work))
    except DraasError as error:
        fail(error.detail, exit_code(error))
    except StoreFailure as error:
        fail(error.detail, FAILED)
    except OSError as error:
        fail(render_os_error(error), FAILED)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    if stopped and what:
        click.echo(f"draas: {what} stopped", err=True)


def render_os_error(error: OSError) -> str:
    """One line, never an empty one: time-outs have no text of their own."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error.strerror or error) or (
        "it took too long" if isinstance(error, TimeoutError) else type(error).__name__
    )


def _loop_factory() -> Any:
    if sys.platform == "win32":
        return asyncio.run
    import uvloop

    return uvloop.run


async def _run(work: Coroutine[Any, Any, None]) -> bool:
    """Whether a signal ended `work`, whatever error it ended with then."""
    from draas.lib.pauses import avoid_pauses

    task = asyncio.ensure_future(work)
    calming = asyncio.ensure_future(avoid_pauses())
    loop = asyncio.get_running_loop()
    asked: list[None] = []

    def stop() -> None:
        if asked:
            os._exit(130)  # asked twice: now
        asked.append(None)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        return True
    except OSError:
        if not asked:
            raise
    finally:
        calming.cancel()
    return bool(asked)
