"""`draas plan` and `draas apply`: what draas.yaml would change, field by field, and doing it."""

import contextlib
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from draas.cli.app_build import AppBuild, after_build, build_in, declared
from draas.cli.app_plan import plan_before_build, plan_in_file
from draas.cli.build_options import BuildOptions, force_option, options_of, secret_option
from draas.cli.building import Form, NotBuilt, build
from draas.cli.calling import call, calling_options
from draas.cli.deploy import FILE, follow_newest
from draas.cli.detect import refuse
from draas.cli.output import paint, print_json
from draas.cli.text import plain

if TYPE_CHECKING:
    from draas.cli.app_file import AppInFile
    from draas.cli.prepare import Prepared

# The field of a build that the controller may find wrong > where it was said.
_FIELDS_OF_BUILD = {
    **{name: f"build.{name}" for name in ("args", "dockerfile", "target")},
    "git": "build.context",
    "secrets": "--build-secret",
}
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
    """What applying FILE (draas.yaml by default) would change, field by field; nothing is done, built or sent.

    FILE has one app, a list of apps, or several documents. Exits with 0 whether there are changes or not.
    """
    apps = _read(file, BuildOptions())

    async def look(client: Any) -> list[Any]:
        return [await _plan_one(client, one, file, project) for one in apps]

    plans = call(look)
    for one in plans:
        print_json(one) if as_json else _print_plan(one, quiet=quiet)
    if not as_json and not quiet:
        click.echo(summary_of(plans))


@click.command()
@click.argument("file", default=FILE, metavar="FILE|-")
@secret_option
@force_option
@click.option("--detach", "-d", is_flag=True, help="Do not wait until the apps serve; builds are waited for.")
@calling_options
def apply(file: str, detach: bool, as_json: bool, quiet: bool, project: str | None, **given: Any) -> None:
    """Make apps as FILE (draas.yaml by default) says, one after the other, and follow until they serve. Twice changes nothing.

    All of FILE is checked before anything is done. Apps that FILE does not name stay as they are. What has `build` is built first, where
    its source has changed; where that fails the command ends.
    """
    apps = _read(file, options_of(given))

    async def work(client: Any) -> int:
        plans = [(one, await _plan_one(client, one, file, project)) for one in apps]
        code = 0
        for one, planned in plans:
            fields = one.fields
            if one.build is not None:
                fields = await _built_fields(client, one, ready[one.app.name], planned["project"], form)
                planned = await plan_in_file(client, one.app, fields, file, project)
            if not as_json:
                _print_plan(planned, quiet=quiet)
            if planned["action"] == "none":
                print_json(await client.app(one.app.name)) if as_json else None
                continue
            made = await client.put_app(one.app.name, fields, project)
            if detach:
                print_json(made) if as_json else None
                continue
            code = max(code, await follow_newest(client, made, as_json=as_json, quiet=quiet))
        return code

    form = Form(as_json=as_json, quiet=quiet)
    with contextlib.ExitStack() as opened:
        ready = _prepare(apps, opened, as_json=as_json)
        raise SystemExit(call(work, _FIELDS_OF_BUILD))


@dataclass(frozen=True, slots=True, kw_only=True)
class _One:
    """An app of the file, and what is built for it."""

    app: "AppInFile"
    fields: dict[str, Any]
    build: AppBuild | None


def _prepare(apps: list[_One], opened: contextlib.ExitStack, *, as_json: bool) -> "dict[str, Prepared]":
    """What is to be built, by the app's name. Ends the process where a source cannot be."""
    from draas.cli.prepare import prepared
    from draas.model.errors import DraasError

    try:
        return {
            one.app.name: opened.enter_context(prepared(one.build.given, one.build.options))
            for one in apps
            if one.build is not None
        }
    except DraasError as error:
        refuse(error, as_json=as_json)


async def _built_fields(client: Any, one: _One, ready: "Prepared", project: str, form: Form) -> dict[str, Any]:
    """The app's fields with its image, which is built. Raises SystemExit where it is not, DraasError."""
    try:
        built = await build(client, one.app.name, project, ready, form)
    except NotBuilt as not_built:
        raise SystemExit(not_built.code) from None
    return after_build(one.fields, built, ready.port)


def _read(file: str, options: BuildOptions) -> list[_One]:
    from draas.cli.app_file import read_apps

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is no text"
        raise click.UsageError(f"{file} cannot be read: {told}") from None
    return [_One(app=app, fields=declared(app), build=build_in(app, file, options)) for app in read_apps(text, file)]


async def _plan_one(client: Any, one: _One, file: str, project: str | None) -> Any:
    """Raises SystemExit after saying what is wrong on which line, DraasError."""
    if one.build is None:
        return await plan_in_file(client, one.app, one.fields, file, project)
    return await plan_before_build(client, one.app, one.build, one.fields, file, project)


def _print_plan(planned: Any, *, quiet: bool) -> None:
    if quiet:
        return
    head = TOLD[planned["action"]].format(app=planned["app"])
    if planned["action"] == "update":
        head += ", rolled out as a new release" if planned["release"] else ""
        head += "" if planned["restarts"] else ", without new containers"
    click.echo(plain(head))
    if "build" in planned:
        click.echo(plain(f"  would build {planned['build']}"))
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
