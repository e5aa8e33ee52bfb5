"""`draas logs`, which is `draas jobs logs` too: the output of a job or an app, whole, in part, or followed."""

from typing import Any

import click

from draas.cli.app_follow import show_output
from draas.cli.calling import call, calling_options, is_app, is_build_id, job_id
from draas.cli.follow import be_patient, follow, say_to_person
from draas.cli.output import print_json, program
from draas.cli.printing import Printing
from draas.cli.waiting import Waiting


@click.command()
@click.argument("job", metavar="NAME|ID")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the job ends, or the app is removed.")
@click.option("--tail", "-n", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.option("--since", metavar="TIME", help="Only what is newer: 10m, 2h, or 2026-01-31T09:05:00Z.")
@click.option("--grep", metavar="RE", help="Only lines that match this regular expression.")
@click.option("--stdout", "stream", flag_value="stdout", help="Only what was written to stdout.")
@click.option("--stderr", "stream", flag_value="stderr", help="Only what was written to stderr.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Which attempt (default: the latest).")
@click.option("--replica", metavar="N|ID", help="Of an app: only this replica (default: all that are there).")
@click.option("--past", is_flag=True, help="Of an app: also replicas that have ended.")
@click.option("--timestamps", "-t", is_flag=True, help="Each line's time before it.")
@calling_options
def logs(
    job: str, following: bool, timestamps: bool, as_json: bool, quiet: bool, project: str | None, **match: Any
) -> None:
    """The output of an app or a job: what it wrote to stdout on stdout, to stderr on stderr.

    A name is an app's, else that of the newest job of this name. An app's output is that of all its replicas, by time, each line
    behind its replica's name. Ctrl-C ends the command, not what it shows.
    """
    flags = {name: f"--{name}" for name in ("tail", "since", "grep", "attempt", "replica")}
    of_app = {"replica": match.pop("replica"), "past": match.pop("past")}

    if is_build_id(job):
        raise click.UsageError(f"{job} is a build: {program()} builds logs {job}")

    async def show(client: Any) -> None:
        if any(of_app.values()) or (match["attempt"] is None and await is_app(client, job)):
            wanted = {**of_app, **{name: value for name, value in match.items() if name != "attempt"}}
            await show_output(
                client, job, following=following, as_json=as_json, timestamps=timestamps, quiet=quiet, **wanted
            )
            return
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
