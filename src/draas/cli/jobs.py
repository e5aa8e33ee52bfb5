"""`draas jobs`: list, show, logs, cancel, retry, rm."""

import sys
from typing import Any

import click

from draas.cli.calling import call, calling_options
from draas.cli.output import ago, between, print_fields, print_json, print_table, size
from draas.cli.run import follow

SHOWN = 50


@click.group(invoke_without_command=True)
@click.pass_context
def jobs(context: click.Context) -> None:
    """What was submitted, and what became of it."""
    if context.invoked_subcommand is None:
        context.invoke(list_jobs)


@jobs.command("list")
@click.option(
    "--state", type=click.Choice(["waiting", "queued", "running", "succeeded", "failed", "cancelled", "skipped"])
)
@click.option("--name")
@click.option("--node")
@click.option("--label", multiple=True, metavar="K=V")
@click.option("--limit", default=SHOWN, show_default=True, help="How many, newest first; 0: all.")
@calling_options
def list_jobs(
    state: str | None = None, name: str | None = None, node: str | None = None, label: tuple[str, ...] = (),
    limit: int = SHOWN, as_json: bool = False, quiet: bool = False, project: str | None = None,
) -> None:  # fmt: skip
    """List jobs, newest first."""
    from draas.cli.options import pairs

    match = {"state": state, "name": name, "node": node, "project": project, "labels": pairs(label, "--label")}
    found, total = call(lambda client: _collect(client, match, limit))
    if as_json:
        for job in found:
            print_json(job)
    elif quiet:
        for job in found:
            click.echo(job["id"])
    elif not found:
        click.echo("No jobs. Submit one: draas run -- echo hello")
    else:
        rows = (
            [
                j["id"],
                j["name"] or "-",
                j["state"],
                j["node"] or "-",
                between(j["started_at"], j["finished_at"]),
                ago(j["created_at"]),
                _brief(j),
            ]
            for j in found
        )
        print_table(("ID", "NAME", "STATE", "NODE", "TOOK", "AGE", "COMMAND"), rows)
        if total > len(found):
            click.echo(f"{total - len(found)} more: --limit 0 shows all")


async def _collect(client: Any, match: dict[str, Any], limit: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    cursor, total = None, 0
    while True:
        page = await client.jobs(**match, cursor=cursor, limit=min(1000, limit - len(found)) if limit else 1000)
        found += page["items"]
        cursor, total = page["next"], page["total"]
        if cursor is None or (limit and len(found) >= limit):
            return found, total


def _brief(job: Any) -> str:
    command = job["command"] if isinstance(job["command"], str) else " ".join(job["command"])
    line = command.strip().split("\n")[0]
    return line if len(line) <= 48 and line == command.strip() else line[:47] + "…"


@jobs.command()
@click.argument("id")
@calling_options
def show(id: str, as_json: bool, quiet: bool, project: str | None) -> None:
    """Everything about a job and its attempts."""
    job = call(lambda client: client.job(id))
    if as_json:
        print_json(job)
        return
    command = job["command"] if isinstance(job["command"], str) else " ".join(job["command"])
    resources = job["resources"]
    print_fields(
        {
            "id": job["id"],
            "name": job["name"],
            "project": job["project"],
            "state": job["state"],
            "reason": job["reason"],
            "command": command,
            "image": job["image"] if job["runtime"] == "docker" else "none: on the host",
            "resources": f"{resources['cpu_cores']:g} cores, {resources['memory_mb']:g} MiB, {resources['gpus']} GPUs",
            "labels": ", ".join(f"{k}={v}" for k, v in job["labels"].items()),
            "constraints": "; ".join(job["constraints"]),
            "needs": ", ".join(job["needs"]),
            "created": f"{job['created_at']} ({ago(job['created_at'])} ago)",
        }
    )
    if job["attempts"]:
        click.echo()
        rows = [
            [str(a["number"]), a["state"], a["node"], "-" if a["exit_code"] is None else str(a["exit_code"]),
             between(a["started_at"], a["finished_at"]), size(a["peak_memory_bytes"]),
             "-" if a["cpu_s"] is None else f"{a['cpu_s']:.2f}s", a["detail"]]
            for a in job["attempts"]
        ]  # fmt: skip
        print_table(("ATTEMPT", "STATE", "NODE", "EXIT", "TOOK", "MEMORY", "CPU", "DETAIL"), rows)


@jobs.command()
@click.argument("id")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the job ends.")
@click.option("--tail", type=int, help="Only the last N lines.")
@click.option("--since", help="RFC 3339 time.")
@click.option("--grep", help="Only lines that match this regular expression.")
@click.option("--stream", type=click.Choice(["stdout", "stderr"]))
@click.option("--attempt", type=int, help="Which attempt (default: the latest).")
@calling_options
def logs(id: str, following: bool, as_json: bool, quiet: bool, project: str | None, **match: Any) -> None:
    """A job's output, stdout and stderr apart."""
    call(lambda client: show_logs(client, id, following, as_json, match))


async def show_logs(client: Any, id: str, following: bool, as_json: bool, match: dict[str, Any]) -> None:
    """Copy output to stdout and stderr, or each line as an object."""
    if following and not as_json and not any(match.values()):
        await follow(client, id, say=False)
        return
    async for seen in client.follow(id, follow=following, **match):
        if seen.line is None:
            continue
        if as_json:
            print_json(seen.line)
            continue
        out = sys.stdout if seen.line["stream"] == "stdout" else sys.stderr
        out.write(seen.line["text"] + ("" if seen.line["partial"] else "\n"))
        out.flush()


def _each(ids: tuple[str, ...], as_json: bool, quiet: bool, verb: str, done: str) -> None:
    async def work(client: Any) -> None:
        for id in ids:
            job = await getattr(client, verb)(id)
            if as_json:
                print_json(job if job is not None else {"id": id, "state": done})
            elif not quiet:
                click.echo(f"{id} {job['state'] if job is not None else done}")

    call(work)


@jobs.command()
@click.argument("ids", nargs=-1, required=True)
@calling_options
def cancel(ids: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Cancel jobs: queued ones never start, running ones are stopped."""
    _each(ids, as_json, quiet, "cancel", "cancelled")


@jobs.command()
@click.argument("ids", nargs=-1, required=True)
@calling_options
def retry(ids: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Run ended jobs again; their earlier attempts are kept."""
    _each(ids, as_json, quiet, "retry", "queued")


@jobs.command("rm")
@click.argument("ids", nargs=-1, required=True)
@calling_options
def remove(ids: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Forget ended jobs and their logs."""
    _each(ids, as_json, quiet, "delete", "deleted")


@click.command()
@click.argument("id")
@calling_options
def explain(id: str, as_json: bool, quiet: bool, project: str | None) -> None:
    """Why a job waits, or why it runs where it runs: node by node, in numbers."""
    told = call(lambda client: client.explain(id))
    if as_json:
        print_json(told)
        return
    click.echo(told["summary"])
    if told["verdicts"]:
        click.echo()
        rows = [
            [v["node"], "yes" if v["fits"] else "no", "-" if v["score"] is None else f"{v['score']:.2f}",
             "; ".join(v["lacks"]) or ", ".join(f"{k} {x:.2f}" for k, x in v["parts"].items())]
            for v in told["verdicts"]
        ]  # fmt: skip
        print_table(("NODE", "FITS", "SCORE", "WHY"), rows)


@click.command("logs")
@click.argument("id")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the end.")
@click.option("--tail", type=int, help="Only the last N lines.")
@click.option("--since", help="RFC 3339 time.")
@click.option("--grep", help="Only lines that match this regular expression.")
@calling_options
def top_logs(id: str, following: bool, as_json: bool, quiet: bool, project: str | None, **match: Any) -> None:
    """Output of a job, by its id."""
    call(lambda client: show_logs(client, id, following, as_json, match))
