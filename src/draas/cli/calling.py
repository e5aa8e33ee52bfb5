"""Calling the controller from a command: the options that all such commands share, and how errors end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from draas.cli.running import fail

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def calling_options(command: F) -> F:
    """--json, --quiet and --project."""
    for option in reversed(
        (
            click.option("--json", "as_json", is_flag=True, help="One JSON object, or one a line."),
            click.option("--quiet", "-q", is_flag=True, help="Ids only, or nothing."),
            click.option("--project", help="The project (default: default)."),
        )
    ):
        command = option(command)
    return command


def call(work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Run `work(client)`. A DraasError is one line on stderr and its exit code; Ctrl-C is 130."""
    from draas.client.api import Client
    from draas.client.errors import exit_code
    from draas.model.errors import DraasError, Invalid

    async def run() -> T:
        async with Client() as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except Invalid as error:
        faults = [f"{fault.path}: {fault.message}" for fault in error.faults if fault.message not in error.detail]
        fail("\n  ".join([error.detail, *faults]), exit_code(error))
    except DraasError as error:
        fail(error.detail, exit_code(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
