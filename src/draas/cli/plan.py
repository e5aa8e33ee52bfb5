"""`draas plan` and `draas apply`: what draas.yaml would change, field by field, and doing it."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from draas.cli.calling import call, calling_options
from draas.cli.deploy import FILE, follow_newest
from draas.cli.output import paint, print_json, say
from draas.cli.text import plain

if TYPE_CHECKING:
    from draas.cli.app_file import AppInFile

COLOURS = {"+": "green", "-": "red", "~": "yellow"}
TOLD = {
    "create": "{app}: new",
    "update": "{app}: changes",
    "none": "{app}: no change",
}


@click.command()
@click.argument("file", default=FILE, metavar="FILE|-")
@calling_options
def plan(file: str, as_json: bool, quiet: bool, project: str | None) -> None:
    """What applying FILE (draas.yaml by default) would change, field by field; nothing is done.

    FILE has one app, a list of apps, or several documents. Exits with 0 whether there are changes or not.
    """
    apps = _read(file)

    async def look(client: Any) -> list[Any]:
        return [await _plan_one(client, app, file, project) for app in apps]

    plans = call(look)
    for one in plans:
        print_json(one) if as_json else _print_plan(one, quiet=quiet)
    if not as_json and not quiet:
        click.echo(summary_of(plans))


@click.command()
@click.argument("file", default=FILE, metavar="FILE|-")
@click.option("--detach", "-d", is_flag=True, help="Do not wait until the apps serve.")
@calling_options
def apply(file: str, detach: bool, as_json: bool, quiet: bool, project: str | None) -> None:
    """Make apps as FILE (draas.yaml by default) says, one after the other, and follow until they serve. Twice changes nothing.

    All of FILE is checked before anything is done. Apps that FILE does not name stay as they are.
    """
    apps = _read(file)

    async def work(client: Any) -> int:
        plans = [(app, await _plan_one(client, app, file, project)) for app in apps]
        code = 0
        for app, planned in plans:
            if not as_json:
                _print_plan(planned, quiet=quiet)
            if planned["action"] == "none":
                print_json(await client.app(app.name)) if as_json else None
                continue
            made = await client.put_app(app.name, app.fields, project)
            if detach:
                print_json(made) if as_json else None
                continue
            code = max(code, await follow_newest(client, made, as_json=as_json, quiet=quiet))
        return code

    raise SystemExit(call(work))


def _read(file: str) -> "list[AppInFile]":
    from draas.cli.app_file import read_apps

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is no text"
        raise click.UsageError(f"{file} cannot be read: {told}") from None
    return read_apps(text, file)


async def _plan_one(client: Any, app: "AppInFile", file: str, project: str | None) -> Any:
    """Raises click.UsageError with the lines of what the controller finds wrong, DraasError."""
    from draas.model.errors import Invalid

    try:
        return await client.plan_app(app.name, app.fields, project)
    except Invalid as error:
        told = [
            f"{file} line {app.line_of('app' if fault.path == 'name' else fault.path)}: "
            f"{'app' if fault.path == 'name' else fault.path} {fault.message}"
            for fault in error.faults
        ]
        say("\n".join(f"draas: {one}" for one in told or [f"{file}: {error.detail}"]))
        raise SystemExit(2) from None


def _print_plan(planned: Any, *, quiet: bool) -> None:
    if quiet:
        return
    head = TOLD[planned["action"]].format(app=planned["app"])
    if planned["action"] == "update":
        head += ", rolled out as a new release" if planned["release"] else ""
        head += "" if planned["restarts"] else ", without new containers"
    click.echo(plain(head))
    for change in planned["changes"]:
        click.echo(render_change(change))


def render_change(change: Any) -> str:
    """`+ env.MODE: production`, `- …`, `~ image: nginx:1.25 > nginx:1.26`."""
    before, after = change["before"], change["after"]
    if before is None:
        sign, told = "+", _value(after)
    elif after is None:
        sign, told = "-", _value(before)
    else:
        sign, told = "~", f"{_value(before)} > {_value(after)}"
    return paint(plain(f"  {sign} {change['path']}: {told}"), COLOURS[sign])


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) and value else json.dumps(value)


def summary_of(plans: list[Any]) -> str:
    """One line on all of them."""
    counts = Counter(one["action"] for one in plans)
    words = {"create": "to create", "update": "to change", "none": "as it is"}
    return ", ".join(f"{counts[action]} {told}" for action, told in words.items() if counts[action])
