"""`draas jobs submit FILE`: one job or many, as JSON or JSON lines."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from draas.cli.calling import call, calling_options
from draas.cli.follow import say_to_person
from draas.cli.output import print_json, say

Job = dict[str, Any]

BATCH = 10_000  # draas.wire.api.MAX_BATCH, which is not imported because it costs 200 ms


@click.command()
@click.argument("file", metavar="FILE|-")
@calling_options
def submit(file: str, as_json: bool, quiet: bool, project: str | None) -> None:
    """Submit the jobs of FILE ("-": stdin) and print their ids.

    FILE is one JSON object, a list of them, {"jobs": [...]}, or one object a line, with the fields that the API documents. All
    are taken or none; more than 10,000 go in several requests.
    """
    jobs = read_jobs(_read(file), file)
    batches = split_batches(jobs)

    async def send(client: Any) -> None:
        taken = 0
        try:
            for batch in batches:
                made = (await client.submit_batch(batch, project))["jobs"]
                taken += len(made)
                for job in made:
                    print_json(job) if as_json else click.echo(job["id"])
        except BaseException:
            if taken:
                say(f"draas: the first {taken} of {len(jobs)} jobs were taken")
            raise
        if not quiet and not as_json:
            say_to_person(f"{taken} {'job' if taken == 1 else 'jobs'} submitted")

    call(send)


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is no text"
        raise click.UsageError(f"{file} cannot be read: {told}") from None


def read_jobs(text: str, file: str) -> list[Job]:
    """The jobs in `text`. Raises click.UsageError naming `file` and the line."""
    try:
        found = json.loads(text)
    except ValueError as error:
        found = list(_read_lines(text, file, error))
    except RecursionError:
        raise click.UsageError(f"{file} is nested too deeply") from None
    if isinstance(found, dict) and isinstance(found.get("jobs"), list) and len(found) == 1:
        found = found["jobs"]
    jobs = found if isinstance(found, list) else [found]
    if not jobs:
        raise click.UsageError(f"{file} has no jobs")
    for at, job in enumerate(jobs):
        if not isinstance(job, dict):
            raise click.UsageError(f'{file}: jobs[{at}] must be an object such as {{"command": "echo hi"}}')
    return jobs


def _read_lines(text: str, file: str, whole: ValueError) -> Iterator[Job]:
    """One object a line. Where not even the first line is JSON the whole was meant, and what is wrong with it is said."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except RecursionError:
            raise click.UsageError(f"{file} line {number} is nested too deeply") from None
        except ValueError as error:
            told = whole if number == 1 else f"line {number}: {error}"
            raise click.UsageError(f"{file} is neither JSON nor JSON lines: {told}") from None


def split_batches(jobs: Sequence[Job]) -> list[Sequence[Job]]:
    """Requests of at most BATCH jobs. Raises click.UsageError where jobs of several requests might need each other by name."""
    if len(jobs) > BATCH and any(job.get("needs") or job.get("dependencies") for job in jobs):
        raise click.UsageError(f"jobs that need each other must fit into one request: at most {BATCH}, not {len(jobs)}")
    return [jobs[at : at + BATCH] for at in range(0, len(jobs), BATCH)]
