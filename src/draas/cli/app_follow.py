"""Following an app: a roll-out to its end, and what its replicas write."""

import asyncio
from typing import Any

import click

from draas.cli.app_progress import Outcome, Progress, name_of, why_not
from draas.cli.follow import be_patient
from draas.cli.output import print_json, program, say
from draas.cli.printing import Printing
from draas.cli.waiting import Waiting

LAST_LINES = 50
GOES_ON = "the app runs on"


async def roll_out(client: Any, app: Any, progress: Progress, *, as_json: bool, quiet: bool) -> int:
    """Tell of the roll-out until it has ended; the URLs go to stdout. Returns the exit code. Raises DraasError."""
    name, seen, outcome = app["name"], app, None
    waiting = Waiting(quiet=quiet or as_json)
    be_patient(client, waiting, GOES_ON)
    try:
        async for seen in client.watch_app(name):
            for line in progress.news(seen):
                if not quiet and not as_json:
                    waiting.clear()
                    say(line)
            if (outcome := progress.outcome(seen)) is not None:
                break
            waiting.show(seen["reason"] or f"{name} is {seen['state']}")
    except asyncio.CancelledError:
        waiting.clear()
        if not quiet:
            say(f"the roll-out goes on: {program()} apps show {name}")
        raise
    finally:
        waiting.clear()
    outcome = outcome or Outcome(1, f"{name} was removed")
    await _tell_end(client, seen, progress, outcome, as_json=as_json, quiet=quiet)
    return outcome.code


async def _tell_end(client: Any, app: Any, progress: Progress, outcome: Outcome, *, as_json: bool, quiet: bool) -> None:
    failing = progress.failing(app) if outcome.code else None
    if failing is not None and not as_json:
        say(f"{name_of(app, failing)} on {failing['node']}: {why_not(failing)}")
        await _print_last_lines(client, app, failing)
    if outcome.code or not (quiet or as_json):
        say(outcome.told if outcome.code == 0 else f"draas: {outcome.told}")
    if as_json:
        print_json(app)
    elif outcome.code == 0:
        for url in app["urls"]:
            click.echo(url)


async def _print_last_lines(client: Any, app: Any, replica: Any) -> None:
    from draas.model.errors import DraasError

    lines: list[str] = []
    try:
        async for line in client.app_logs(app["name"], replica=replica["id"], tail=LAST_LINES):
            lines.append(line["text"])
    except DraasError as error:
        lines.append(f"(its output cannot be read: {error.detail})")
    if lines:
        say(f"its last lines ({program()} logs {app['name']} --replica {replica['number']}):")
    for line in lines:
        say(f"  {line}")


async def show_output(
    client: Any, name: str, *, following: bool, as_json: bool, timestamps: bool, quiet: bool, **match: Any
) -> None:
    """Copy what the replicas wrote, each line behind its replica's name unless it is one replica's."""
    if following:
        be_patient(client, Waiting(quiet=quiet or as_json), GOES_ON)
    printing = Printing(timestamps=timestamps)
    async for line in client.app_logs(name, follow=following, **match):
        if as_json:
            print_json(line)
        else:
            printing.write(line, "" if match.get("replica") else f"{name}.{line['number']} | ")
    printing.flush()
