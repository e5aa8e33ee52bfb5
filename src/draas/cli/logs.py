"""`draas logs`, which is `draas jobs logs` too: a job's output, whole, in part, or followed."""

from typing import Any

import click

from draas.cli.calling import call, calling_options, job_id
from draas.cli.follow import be_patient, follow, say_to_person
from draas.cli.output import print_json, program
from draas.cli.printing import Printing
from draas.cli.waiting import Waiting


@click.command()
@click.argument("job", metavar="ID|NAME")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the job ends.")
@click.option("--tail", "-n", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.option("--since", metavar="TIME", help="Only what is newer: 10m, 2h, or 2026-01-31T09:05:00Z.")
@click.option("--grep", metavar="RE", help="Only lines that match this regular expression.")
@click.option("--stdout", "stream", flag_value="stdout", help="Only what was written to stdout.")
@click.option("--stderr", "stream", flag_value="stderr", help="Only what was written to stderr.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Which attempt (default: the latest).")
@click.option("--timestamps", "-t", is_flag=True, help="Each line's time before it.")
@calling_options
def logs(
    job: str, following: bool, timestamps: bool, as_json: bool, quiet: bool, project: str | None, **match: Any
) -> None:
    """A job's output: what it wrote to stdout on stdout, to stderr on stderr.

    By name it is the newest job of that name. Ctrl-C ends the command, not the job.
    """
    flags = {name: f"--{name}" for name in ("tail", "since", "grep", "attempt")}

    async def show(client: Any) -> None:
        id = await job_id(client, job)
        if as_json:
            await _print_lines(client, id, following, match)
        elif following:
            await follow(client, id, quiet=quiet, timestamps=timestamps, **match)
        else:
            await _copy(client, id, Printing(timestamps=timestamps), match, quiet)

    call(show, flags)


async def _print_lines(client: Any, id: str, following: bool, match: dict[str, Any]) -> None:
    if following:
        be_patient(client, Waiting(quiet=True))
    async for seen in client.follow(id, follow=following, **match):
        if seen.line is not None:
            print_json(seen.line)


async def _copy(client: Any, id: str, printing: Printing, match: dict[str, Any], quiet: bool) -> None:
    nothing = True
    async for seen in client.follow(id, follow=False, **match):
        if seen.line is not None:
            nothing = False
            printing.write(seen.line)
        elif seen.kind == "end" and nothing and not quiet and seen.about["state"] in ("waiting", "queued", "running"):
            say_to_person(f"no output yet, the job is {seen.about['state']}: {program()} logs -f {id} follows it")
    printing.flush()
