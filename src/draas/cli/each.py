"""Several things at once: fetched page after page; the same done to each, where one that fails does not keep the others from it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click

from draas.cli.calling import call
from draas.cli.output import print_json, say

PAGE = 1000


async def collect(ask: Callable[..., Awaitable[Any]], match: dict[str, Any], limit: int) -> tuple[list[Any], int]:
    """The first `limit` (0: all) of what `ask` lists, and how many there are in all."""
    found: list[Any] = []
    cursor, total = None, 0
    while True:
        page = await ask(**match, cursor=cursor, limit=min(PAGE, limit - len(found)) if limit else PAGE)
        found += page["items"]
        cursor, total = page["next"], page["total"]
        if cursor is None or (limit and len(found) >= limit):
            return found, total


def state_line(id: str, one: Any) -> str:
    """What became of one, for people."""
    return f"{id} {one['state']}"


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
