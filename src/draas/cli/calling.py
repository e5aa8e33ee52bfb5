"""Calling the controller from a command: the options that all such commands share, and how errors end."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from draas.cli.running import fail
from draas.cli.text import plain

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

# Long enough for a controller that restarts beside us, short enough for somebody who mistyped the URL.
PATIENCE_S = 3.0
_BUILD_ID = re.compile(r"b-[0-9a-z]{20}")  # draas.lib.ids


def calling_options(command: F) -> F:
    """--json, --quiet and --project."""
    for option in reversed(
        (
            click.option("--json", "as_json", is_flag=True, help="One JSON object, or one a line."),
            click.option("--quiet", "-q", is_flag=True, help="Ids only, or nothing."),
            click.option("--project", help="The project (default: the key's own, or default)."),
        )
    ):
        command = option(command)
    return command


def call(work: Callable[[Any], Coroutine[Any, Any, T]], flags: dict[str, str] | None = None) -> T:
    """Run `work(client)`. A DraasError is one line on stderr and its exit code; Ctrl-C is 130.

    `flags` are the names under which the user gave the fields that the controller may find wrong.
    """
    from draas.client.api import Client
    from draas.client.errors import exit_code
    from draas.model.errors import DraasError, Invalid

    async def run() -> T:
        async with Client(patience_s=PATIENCE_S) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except Invalid as error:
        fail(render_invalid(error, flags or {}), exit_code(error))
    except DraasError as error:
        fail(error.detail, exit_code(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def render_invalid(error: Any, flags: dict[str, str]) -> str:
    """One line for one wrong field; for more a line each below the first."""
    told = [f"{name_field(fault.path, flags)} {fault.message}".strip() for fault in error.faults]
    if not told:
        return str(error.detail)
    return told[0] if len(told) == 1 else "\n  ".join([f"{len(told)} fields are wrong:", *told])


def name_field(path: str, flags: dict[str, str]) -> str:
    """`path` as the user knows it: `env['A B']` is `--env 'A B'` where `flags` has env; as it is where they know nothing of it."""
    stem = path.partition("[")[0]
    flag = flags.get(stem) or flags.get(stem := stem.partition(".")[0])
    rest = path[len(stem) :].strip("[].")
    return path if flag is None else f"{flag} {rest}".strip()


async def job_id(client: Any, given: str) -> str:
    """The id that is meant by `given`: an id, or the name of a job (its newest one). Raises NotFound."""
    from draas.model.errors import NotFound

    if given.startswith("j-"):
        return given
    found = (await client.jobs(name=given, limit=1))["items"]
    if not found:
        raise NotFound(f"there is no job {plain(given)[:128]!r}, neither as an id nor as a name")
    return str(found[0]["id"])


def is_build_id(given: str) -> bool:
    """Whether `given` is a build's id; an app may be called b-2."""
    return _BUILD_ID.fullmatch(given) is not None


async def is_app(client: Any, given: str) -> bool:
    """Whether an app is called so."""
    from draas.model.errors import Invalid, NotFound

    if given.startswith("j-") or not given:
        return False
    try:
        await client.app(given)
    except (Invalid, NotFound):
        return False
    return True
