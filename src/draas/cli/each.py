"""Doing the same to several things: one that fails does not keep the others from it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click

from draas.cli.calling import call
from draas.cli.output import print_json, say


def for_each(
    names: Sequence[str],
    work: Callable[[Any, str], Awaitable[Any]],
    line: Callable[[str, Any], str],
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """`await work(client, name)` for each name, and a line or an object on what came of it.

    What fails is said at once; the exit code is that of the first failure. A controller that cannot be reached ends it.
    """
    from draas.client.errors import UNREACHABLE, exit_code
    from draas.model.errors import DraasError

    async def each(client: Any) -> int:
        code = 0
        for name in names:
            try:
                done = await work(client, name)
            except DraasError as error:
                if exit_code(error) == UNREACHABLE:
                    raise
                say(f"draas: {error.detail}")
                code = code or exit_code(error)
                continue
            if as_json:
                print_json(done)
            elif not quiet:
                click.echo(line(name, done))
        return code

    if code := call(each):
        raise SystemExit(code)
