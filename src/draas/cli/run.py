"""`draas run`: submit a job, show its output as it is written, end with its exit code."""

import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from draas.cli.calling import call, calling_options
from draas.cli.options import pairs
from draas.cli.output import print_json

CUT_OFF = 130


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("--image", help="Default: the controller's default image.")
@click.option("--cpu", type=float, help="Cores (default 1).")
@click.option("--memory", help="MiB, or with a unit: 512m, 2g (default 256m).")
@click.option("--gpu", type=int, help="GPUs (default 0).")
@click.option("--name", help="A name for people.")
@click.option("--priority", type=int, help="0 to 100, larger runs earlier (default 50).")
@click.option("--retries", type=int, help="0 to 3 (default 0).")
@click.option("--timeout", type=float, help="Seconds.")
@click.option("--env", "-e", multiple=True, metavar="K=V", help="May be repeated.")
@click.option("--label", multiple=True, metavar="K=V", help="May be repeated.")
@click.option("--constraint", multiple=True, help="For example: node.arch == amd64.")
@click.option("--needs", multiple=True, metavar="ID", help="Run after this job has succeeded; may be repeated.")
@click.option("--exclusive", is_flag=True, help="Never run two attempts at once, even when machines are lost.")
@click.option("--host", is_flag=True, help="Run on the host itself, where its owner allows it.")
@click.option("--node", help="Run on this node only.")
@click.option("--detach", "-d", is_flag=True, help="Print the id and return.")
@calling_options
@click.argument("command", nargs=-1, required=True)
def run(command: tuple[str, ...], detach: bool, as_json: bool, quiet: bool, project: str | None, **given: Any) -> None:
    """Run COMMAND somewhere and follow its output; ends with its exit code.

    One word is run by `sh -c`, several as they are: draas run -- 'ls | wc -l'; draas run -- ls -l /
    """
    body = job_body(command, given)
    raise SystemExit(call(lambda client: _run(client, body, project, detach, as_json, quiet)))


def job_body(command: Sequence[str], given: dict[str, Any]) -> dict[str, Any]:
    """The API's job body from the flags. Raises click.UsageError."""
    resources: dict[str, Any] = {}
    if given["cpu"] is not None:
        resources["cpu_cores"] = given["cpu"]
    if given["memory"] is not None:
        resources["memory_mb"] = memory_mb(given["memory"])
    if given["gpu"] is not None:
        resources["gpus"] = given["gpu"]
    body: dict[str, Any] = {"command": command[0] if len(command) == 1 else list(command)}
    if resources:
        body["resources"] = resources
    for flag, field in (
        ("image", "image"),
        ("name", "name"),
        ("priority", "priority"),
        ("retries", "retries"),
        ("timeout", "timeout_s"),
    ):
        if given[flag] is not None:
            body[field] = given[flag]
    constraints = [*given["constraint"], *([f"node.name == {given['node']}"] if given["node"] else [])]
    lists = {
        "env": pairs(given["env"], "--env"),
        "labels": pairs(given["label"], "--label"),
        "constraints": constraints,
    }
    body.update({field: value for field, value in lists.items() if value})
    if given["needs"]:
        body["needs"] = list(given["needs"])
    if given["exclusive"]:
        body["exclusive"] = True
    if given["host"]:
        body["runtime"] = "process"
    return body


def memory_mb(text: str) -> float:
    """`512`, `512m` or `2g` as MiB. Raises click.UsageError."""
    units = {"m": 1.0, "mb": 1.0, "mib": 1.0, "g": 1024.0, "gb": 1024.0, "gib": 1024.0}
    number = text.lower().rstrip("gmib")
    unit = text.lower()[len(number) :]
    try:
        return float(number) * units.get(unit or "m", float("nan"))
    except ValueError:
        raise click.UsageError(f"--memory must be a size such as 512m or 2g, not {text!r}") from None


async def _run(client: Any, body: dict[str, Any], project: str | None, detach: bool, as_json: bool, quiet: bool) -> int:
    job = await client.submit(body, project)
    if detach:
        print_json(job) if as_json else click.echo(job["id"])
        return 0
    if not quiet and not as_json:
        click.echo(f"job {job['id']}", err=True)
    await follow(client, job["id"], say=not quiet and not as_json)
    ended = await client.job(job["id"])
    if as_json:
        print_json(ended)
    elif not quiet:
        _tell_end(ended)
    return exit_code_of(ended)


async def follow(client: Any, id: str, say: bool) -> None:
    """Copy the job's output to stdout and stderr as it comes. Ctrl-C stops following; a second look is `draas jobs logs`."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    shown = ""
    async for seen in client.follow(id):
        if seen.kind == "line" and seen.line is not None:
            _write(seen.line)
        elif seen.kind == "attempt" and say:
            text = (
                f"attempt {seen.about['attempt']} on {seen.about.get('node') or '?'}" if "attempt" in seen.about else ""
            )
            if text and text != shown:
                click.echo(text, err=True)
                shown = text


def _write(line: Any) -> None:
    out = sys.stderr if line["stream"] in ("stderr", "notice") else sys.stdout
    out.write(line["text"] if line["partial"] else line["text"] + "\n")
    out.flush()


def _tell_end(job: Any) -> None:
    """One line on how it ended, where that is not simply well."""
    if job["state"] == "succeeded":
        return
    last = job["attempts"][-1] if job["attempts"] else None
    detail = (last["detail"] if last is not None else "") or job["reason"]
    click.echo(f"job {job['id']} {job['state']}{': ' + detail if detail else ''}", err=True)


def exit_code_of(job: Any) -> int:
    """The exit code of the job's last attempt, 1 where it has none and did not succeed."""
    if job["state"] == "succeeded":
        return 0
    return job["exit_code"] or 1
