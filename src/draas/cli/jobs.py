"""`draas jobs`: list, show, logs, submit, cancel, retry, rm."""

from typing import Any

import click

from draas.cli.calling import call, calling_options, job_id
from draas.cli.each import collect, for_each, state_line
from draas.cli.lazy import ListGroup
from draas.cli.logs import logs
from draas.cli.options import pairs
from draas.cli.output import ago, between, cores, print_fields, print_json, print_table, program, size
from draas.cli.submit import submit

SHOWN = 50
STATES = ("waiting", "queued", "running", "succeeded", "failed", "cancelled", "skipped")


@click.group(cls=ListGroup)
def jobs() -> None:
    """What was submitted, and what became of it. Without a subcommand: list."""


jobs.add_command(logs)
jobs.add_command(submit)


@jobs.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state.")
@click.option("--name", help="Only jobs of this name.")
@click.option("--node", help="Only jobs that were on this node.")
@click.option("--label", "-l", multiple=True, metavar="K=V", help="Only jobs with this label; may be repeated.")
@click.option("--limit", type=click.IntRange(min=0), default=SHOWN, show_default=True, help="How many, newest first.")
@click.option("--all", "-a", "all_of_them", is_flag=True, help="All of them, however many.")
@calling_options
def list_jobs(
    state: str | None, name: str | None, node: str | None, label: tuple[str, ...], limit: int, all_of_them: bool,
    as_json: bool, quiet: bool, project: str | None,
) -> None:  # fmt: skip
    """List jobs, newest first."""
    match = {"state": state, "name": name, "node": node, "project": project, "labels": pairs(label, "--label")}
    found, total = call(lambda client: collect(client.jobs, match, 0 if all_of_them else limit))
    if as_json:
        for job in found:
            print_json(job)
    elif quiet:
        for job in found:
            click.echo(job["id"])
    elif not found:
        narrowed = any((state, name, node, project, label))
        click.echo("No such jobs." if narrowed else f"No jobs yet. Submit one: {program()} run -- echo hello")
    else:
        headings = ("ID", "NAME", "STATE", "NODE", "TOOK", "AGE", "COMMAND")
        print_table(headings, [_row(job) for job in found], cut_first=("COMMAND", "NAME", "NODE"))
        if total > len(found):
            click.echo(f"{total - len(found)} more: --all shows them")


def _row(job: Any) -> list[str]:
    took, age = between(job["started_at"], job["finished_at"]), ago(job["created_at"])
    return [job["id"], job["name"] or "-", job["state"], job["node"] or "-", took, age, command_of(job)]


def command_of(job: Any) -> str:
    """The command as one text."""
    return job["command"] if isinstance(job["command"], str) else " ".join(job["command"])


@jobs.command()
@click.argument("job", metavar="ID|NAME")
@calling_options
def show(job: str, as_json: bool, quiet: bool, project: str | None) -> None:
    """Everything about a job and its attempts."""

    async def look(client: Any) -> Any:
        return await client.job(await job_id(client, job))

    found = call(look)
    if as_json:
        print_json(found)
    elif quiet:
        click.echo(found["state"])
    else:
        print_fields(_fields(found))
        _print_attempts(found["attempts"])


def _fields(job: Any) -> dict[str, str | None]:
    resources = job["resources"]
    gpus = f", {resources['gpus']} GPUs" if resources["gpus"] else ""
    return {
        "id": job["id"],
        "name": job["name"],
        "project": job["project"],
        "state": job["state"],
        "reason": job["reason"],
        "command": command_of(job),
        "image": (job["image"] or "the default image") if job["runtime"] == "docker" else "none: on the host",
        "resources": f"{cores(resources['cpu_cores'])}, {resources['memory_mb']:g} MiB{gpus}",
        "env": "\n".join(f"{k}={v}" for k, v in job["env"].items()),
        "priority": str(job["priority"]),
        "retries": str(job["retries"]) if job["retries"] else None,
        "timeout": f"{job['timeout_s']:g} s" if job["timeout_s"] is not None else None,
        "labels": ", ".join(f"{k}={v}" for k, v in job["labels"].items()),
        "constraints": "; ".join(job["constraints"]),
        "needs": ", ".join(job["needs"]),
        "exclusive": "yes" if job["exclusive"] else None,
        "created": f"{job['created_at']} ({ago(job['created_at'])} ago)",
    }


def _print_attempts(attempts: list[Any]) -> None:
    if not attempts:
        return
    click.echo()
    rows = [
        [str(a["number"]), a["state"], a["node"], "-" if a["exit_code"] is None else str(a["exit_code"]),
         between(a["started_at"], a["finished_at"]), size(a["peak_memory_bytes"]),
         "-" if a["cpu_s"] is None else f"{a['cpu_s']:.2f}s", a["detail"]]
        for a in attempts
    ]  # fmt: skip
    headings = ("ATTEMPT", "STATE", "NODE", "EXIT", "TOOK", "MEMORY", "CPU", "DETAIL")
    print_table(headings, rows, cut_first=("DETAIL", "NODE"))


@jobs.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@calling_options
def cancel(ids: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Cancel jobs: queued ones never start, running ones are stopped."""
    for_each(ids, lambda client, id: client.cancel(id), state_line, as_json=as_json, quiet=quiet)


@jobs.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@calling_options
def retry(ids: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Run ended jobs again; their earlier attempts are kept."""
    for_each(ids, lambda client, id: client.retry(id), state_line, as_json=as_json, quiet=quiet)


@jobs.command("rm")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@calling_options
def remove(ids: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Forget ended jobs and their logs."""

    async def forget(client: Any, id: str) -> dict[str, str]:
        await client.delete(id)
        return {"id": id, "state": "deleted"}

    for_each(ids, forget, state_line, as_json=as_json, quiet=quiet)
