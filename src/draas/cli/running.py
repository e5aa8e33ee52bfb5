"""Running a long-lived command: signals end it in order, expected failures are one line and an exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

import click

FAILED, USAGE, UNREACHABLE = 1, 2, 3


def fail(message: str, code: int) -> NoReturn:
    """Say `message` on stderr in one line and end with `code`."""
    click.echo(f"draas: {message}", err=True)
    raise SystemExit(code)


def run_until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it ends, or SIGINT or SIGTERM asks it to. Ends the process with 2 or 3 for expected failures."""
    from draas.agent.shell.link import LinkRefused
    from draas.client.errors import exit_code
    from draas.lib.logs import set_up_logs
    from draas.model.errors import DraasError
    from draas.store.store import StoreFailure

    set_up_logs()
    try:
        _loop_factory()(_run(work))
    except DraasError as error:
        fail(error.detail, exit_code(error))
    except LinkRefused as error:
        fail(str(error), UNREACHABLE)
    except StoreFailure as error:
        fail(error.detail, FAILED)
    except OSError as error:
        fail(str(error.strerror or error) if error.filename is None else str(error), FAILED)


def _loop_factory() -> Any:
    if sys.platform == "win32":
        return asyncio.run
    import uvloop

    return uvloop.run


async def _run(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, task)
    try:
        await task
    except asyncio.CancelledError:
        return


def _stop(task: "asyncio.Task[None]") -> None:
    if task.cancelling():
        os._exit(130)  # asked twice: now
    task.cancel()
