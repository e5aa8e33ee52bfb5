"""`draas status`: how the cluster is, in the words of the dashboard."""

from typing import Any

import click

from draas.cli.calling import call, calling_options
from draas.cli.output import paint, print_json, program
from draas.cli.text import plain

COLOURS = {"good": "green", "wait": "yellow", "bad": "red"}
LOOK = {
    "machines": "nodes",
    "machine": "nodes show",
    "controller": "version --controller",
    "app": "explain",
    "job": "explain",
    "build": "explain",
}


@click.command()
@calling_options
def status(as_json: bool, quiet: bool, project: str | None) -> None:
    """How the cluster is in one sentence, and what to see to, the gravest first. Ends with code 1 where something is broken."""
    told = call(lambda client: client.status())
    if as_json:
        print_json(told)
    else:
        click.echo(paint(plain(told["text"]), COLOURS[told["tone"]]))
        for problem in () if quiet else told["problems"]:
            _print_problem(problem, alone=len(told["problems"]) == 1)
    if told["tone"] == "bad":
        raise SystemExit(1)


def _print_problem(problem: Any, *, alone: bool) -> None:
    about = problem["about"]
    if not alone:
        click.echo(f"\n{paint(plain(problem['text']), COLOURS[problem['tone']])}")
    if problem["remedy"]:
        click.echo(f"  {plain(problem['remedy'])}")
    look = f"{program()} {LOOK[about['kind']]} {about['subject']}"
    click.echo(f"  {plain(look.rstrip())}")
