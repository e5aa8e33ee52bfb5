"""`draas deploy`: an app from an image, or another version of it, followed until it serves."""

from pathlib import Path
from typing import Any

import click

from draas.cli.app_body import FLAGS, app_body, app_options, name_of_image
from draas.cli.app_follow import roll_out
from draas.cli.app_progress import Progress
from draas.cli.calling import call, calling_options
from draas.cli.output import print_json, program, say

FILE = "draas.yaml"


@click.command()
@click.argument("folder", metavar="[DIR]", required=False)
@app_options
@click.option("--detach", "-d", is_flag=True, help="Print the name and return.")
@calling_options
def deploy(folder: str | None, detach: bool, as_json: bool, quiet: bool, project: str | None, **given: Any) -> None:
    """Run an app and keep it running: draas deploy --image nginx:1.25 --port 80 --replicas 3

    Of an app that is there already, what is not said stays as it is: draas deploy --name nginx --image nginx:1.26

    Follows until it serves and prints where; exits with 1 where the release failed, and what served before goes on. Ctrl-C ends the
    command, not the roll-out. With all fields in a file: draas apply draas.yaml
    """
    if folder is not None:
        raise click.UsageError(told_of_folder(folder))
    name = given["name"] or (name_of_image(given["image"]) if given["image"] else "")
    if not name:
        raise click.UsageError(f"say what to run: --image nginx:1.25 --port 80, or a file: {program()} apply {FILE}")
    raise SystemExit(call(lambda client: _deploy(client, name, given, project, detach, as_json, quiet), FLAGS))


def told_of_folder(folder: str) -> str:
    """Why a folder is not deployed, and what to do."""
    file = Path(folder) / FILE
    if file.is_file():
        return f"{file} is applied by: {program()} apply {file}"
    return "building from a source folder comes later: build the image yourself and give it as --image"


async def _deploy(
    client: Any, name: str, given: dict[str, Any], project: str | None, detach: bool, as_json: bool, quiet: bool
) -> int:
    from draas.model.errors import NotFound

    try:
        old = (await client.app(name))["spec"]
    except NotFound:
        if not given["image"]:
            raise click.UsageError(f"there is no app {name!r} yet: give --image") from None
        old = {}
    app = await client.put_app(name, app_body(given, old), project)
    if detach:
        print_json(app) if as_json else click.echo(name)
        return 0
    return await follow_newest(client, app, as_json=as_json, quiet=quiet)


async def follow_newest(client: Any, app: Any, *, as_json: bool, quiet: bool) -> int:
    """Follow the newest release of `app` to its end."""
    newest = app["releases"][0]
    if not quiet and not as_json:
        count = f"{app['wanted']} {'replica' if app['wanted'] == 1 else 'replicas'}"
        say(f"{app['name']}: release {newest['number']} of {app['image']}, {count}")
    return await roll_out(client, app, Progress(newest["number"]), as_json=as_json, quiet=quiet)
