"""`draas deploy`: an app from a folder or from an image, or another version of it, followed until it serves."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from draas.cli.app_body import FLAGS, app_body, app_options, name_of_image
from draas.cli.app_build import AppBuild, after_build, before_build, build_in, declared
from draas.cli.app_follow import roll_out
from draas.cli.app_plan import plan_in_file, spec_of
from draas.cli.app_progress import Progress
from draas.cli.build_options import FLAGS as BUILD_FLAGS
from draas.cli.build_options import build_options, options_of, said_of_builds
from draas.cli.building import Form, NotBuilt, build
from draas.cli.calling import call, calling_options
from draas.cli.detect import refuse
from draas.cli.output import print_json, program, say
from draas.cli.source import Folder, name_of_source, source_of
from draas.cli.text import short_image

if TYPE_CHECKING:
    from draas.cli.app_file import AppInFile
    from draas.cli.prepare import Prepared

FILE = "draas.yaml"


@click.command()
@click.argument("source", metavar="[DIR|ARCHIVE|GIT-URL]", required=False, type=click.Path())
@app_options
@build_options
@click.option("--detach", "-d", is_flag=True, help="Print the name and return; a build is waited for.")
@calling_options
def deploy(source: str | None, detach: bool, as_json: bool, quiet: bool, project: str | None, **given: Any) -> None:
    """Run an app and keep it running: draas deploy ./shop

    DIR is sent as it is (but for what .gitignore and .dockerignore leave out), built on a machine of the cluster and run; so is a
    zip or tar.gz, or a git URL, which the builder fetches. An image: draas deploy --image nginx:1.25 --port 80 --replicas 3

    Of an app that is there already, what is not said stays as it is: draas deploy --name nginx --image nginx:1.26. What draas.yaml in
    DIR says counts, flags count more. What has not changed is not built again.

    Follows until it serves and prints where; exits with 1 where build or release failed, and what served before goes on. Ctrl-C cancels
    the build; after that it ends the command, not the roll-out. With all fields in a file: draas apply draas.yaml
    """
    if source is not None:
        raise SystemExit(_deploy_source(source, given, project, detach, as_json, quiet))
    if flags := said_of_builds(given):
        raise click.UsageError(f"{flags[0]} is for builds: say what to build, for example {program()} deploy .")
    name = given["name"] or (name_of_image(given["image"]) if given["image"] else "")
    if not name:
        raise click.UsageError(f"say what to run: a folder, or --image nginx:1.25 --port 80, or a file: {program()} apply {FILE}")  # fmt: skip
    raise SystemExit(call(lambda client: _deploy(client, name, given, project, detach, as_json, quiet), FLAGS))


async def _deploy(
    client: Any, name: str, given: dict[str, Any], project: str | None, detach: bool, as_json: bool, quiet: bool
) -> int:
    old = await spec_of(client, name)
    if not old and not given["image"]:
        raise click.UsageError(f"there is no app {name!r} yet: give --image, or the folder to build") from None
    app = await client.put_app(name, app_body(given, old), project)
    return await _finish(client, app, detach, as_json=as_json, quiet=quiet)


async def _finish(client: Any, app: Any, detach: bool, *, as_json: bool, quiet: bool) -> int:
    if detach:
        print_json(app) if as_json else click.echo(app["name"])
        return 0
    return await follow_newest(client, app, as_json=as_json, quiet=quiet)


async def follow_newest(client: Any, app: Any, *, as_json: bool, quiet: bool) -> int:
    """Follow the newest release of `app` to its end."""
    newest = app["releases"][0]
    if not quiet and not as_json:
        count = f"{app['wanted']} {'replica' if app['wanted'] == 1 else 'replicas'}"
        say(f"{app['name']}: release {newest['number']} of {short_image(app['image'])}, {count}")
    return await roll_out(client, app, Progress(newest["number"]), as_json=as_json, quiet=quiet)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is to be deployed. `app` is that of `file`, where the folder has a draas.yaml."""

    name: str
    build: AppBuild
    file: str = ""
    app: "AppInFile | None" = None


def _deploy_source(
    source: str, given: dict[str, Any], project: str | None, detach: bool, as_json: bool, quiet: bool
) -> int:
    """Returns the exit code. Raises click.UsageError, SystemExit."""
    from draas.cli.prepare import prepared
    from draas.model.errors import DraasError

    if given["image"]:
        raise click.UsageError("--image and a source are given: one of them says what runs")
    wanted = _wanted(source, given)
    form = Form(as_json=as_json, quiet=quiet)

    async def work(client: Any, ready: "Prepared") -> int:
        old = await spec_of(client, wanted.name)
        fields = app_body(given, declared(wanted.app) if wanted.app is not None else old)
        checked = before_build(fields, {**old, "image": None}, ready.port)
        if wanted.app is not None and not _flags_of_app(given):
            planned = await plan_in_file(client, wanted.app, checked, wanted.file, project)
        else:
            planned = await client.plan_app(wanted.name, checked, project)
        try:
            built = await build(client, wanted.name, planned["project"], ready, form)
        except NotBuilt as not_built:
            return not_built.code
        fields = after_build(fields, built, ready.port)
        if fields.get("port") is None:
            form.say(
                f"{wanted.name}: no port is known, so it serves nothing: EXPOSE one in the Dockerfile, or give --port"
            )
        app = await client.put_app(wanted.name, fields, project)
        return await _finish(client, app, detach, as_json=as_json, quiet=quiet)

    try:
        with prepared(wanted.build.given, wanted.build.options) as ready:
            return call(lambda client: work(client, ready), {**FLAGS, **BUILD_FLAGS})
    except DraasError as error:  # the source: call says all others
        refuse(error, as_json=as_json)


def _wanted(source: str, given: dict[str, Any]) -> _Wanted:
    """Raises click.UsageError."""
    flags = options_of(given)
    what = source_of(source)
    name = given["name"] or ""
    file = what.path / FILE if isinstance(what, Folder) else None
    if file is not None and file.is_file():
        app, build = _in_file(file, flags)
        return _Wanted(name=name or app.name, build=build, file=str(file), app=app)
    name = name or name_of_source(what)
    if not name:
        raise click.UsageError(f"{source} gives the app no name: say --name")
    return _Wanted(name=name, build=AppBuild(given=what, options=flags, shown=source))


def _in_file(file: Path, flags: Any) -> "tuple[AppInFile, AppBuild]":
    """The one app of a folder's draas.yaml, and how it is built."""
    from draas.cli.app_file import read_apps

    try:
        apps = read_apps(file.read_text(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is no text"
        raise click.UsageError(f"{file} cannot be read: {told}") from None
    if len(apps) > 1:
        raise click.UsageError(f"{file} has {len(apps)} apps, and is applied by: {program()} apply {file}")
    app = apps[0]
    if app.fields.get("image") is not None and app.fields.get("build") is None:
        raise click.UsageError(f"{file} runs an image, and is applied by: {program()} apply {file}")
    build = build_in(app, str(file), flags)
    return app, build or AppBuild(given=Folder(path=file.parent), options=flags, shown=str(file.parent))


def _flags_of_app(given: dict[str, Any]) -> bool:
    """Whether anything of the app is said on the command line, so that a fault may be there instead of in the file."""
    return any(given[name] for name in ("port", "replicas", "env", "domains", "cpu", "memory", "health", "words"))
