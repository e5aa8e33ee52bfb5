"""`draas explain`: why a job or an app is as it is, and where it runs."""

from typing import Any

import click

from draas.cli.calling import call, calling_options, is_app, is_build_id, job_id
from draas.cli.output import print_json, print_table
from draas.cli.text import plain


@click.command()
@click.argument("job", metavar="NAME|ID")
@calling_options
def explain(job: str, as_json: bool, quiet: bool, project: str | None) -> None:
    """Why a job or a build waits, or runs where it runs, or why an app is as it is: node by node, in numbers. A name is an app's first."""

    async def ask(client: Any) -> Any:
        if is_build_id(job):
            return await client.builds.explain(job)
        if await is_app(client, job):
            return await client.explain_app(job)
        return await client.explain(await job_id(client, job))

    told = call(ask)
    if as_json:
        print_json(told)
        return
    click.echo(plain(told["summary"]))
    if told["verdicts"] and not quiet:
        click.echo()
        rows = [
            [v["node"], "yes" if v["fits"] else "no", "-" if v["score"] is None else f"{v['score']:.2f}",
             "; ".join(v["lacks"]) or ", ".join(f"{k} {x:.2f}" for k, x in v["parts"].items())]
            for v in told["verdicts"]
        ]  # fmt: skip
        print_table(("NODE", "FITS", "SCORE", "WHY"), rows)
