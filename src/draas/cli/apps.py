"""`draas apps`: list, show, scale, restart, rollback, releases, canary, rebalance, rm."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import click

from draas.cli.app_body import FLAGS
from draas.cli.app_build import BUILD, SOURCE
from draas.cli.app_follow import roll_out
from draas.cli.app_progress import Progress, phase_of
from draas.cli.calling import call, calling_options
from draas.cli.deploy import follow_newest
from draas.cli.each import for_each
from draas.cli.lazy import ListGroup
from draas.cli.output import ago, cores, print_fields, print_json, print_table, program
from draas.cli.text import SHORT_DIGEST

STATES = ("deploying", "live", "degraded", "failed", "stopped")
PAST_SHOWN = 5
SCALINGS_SHOWN = 5
detach_option = click.option("--detach", "-d", is_flag=True, help="Return at once.")


@click.group(cls=ListGroup)
def apps() -> None:
    """What is kept running, and how it is. Without a subcommand: list."""


@apps.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only apps in this state.")
@calling_options
def list_apps(state: str | None, as_json: bool, quiet: bool, project: str | None) -> None:
    """List apps, by name."""
    found = call(lambda client: client.apps(state=state, project=project))["items"]
    if as_json:
        for app in found:
            print_json(app)
    elif quiet:
        for app in found:
            click.echo(app["name"])
    elif not found:
        narrowed = state or project
        click.echo(
            "No such apps." if narrowed else f"No apps yet. Run one: {program()} deploy --image nginx:1.25 --port 80"
        )
    else:
        headings = ("NAME", "STATE", "REPLICAS", "RELEASE", "IMAGE", "AGE", "URL")
        print_table(headings, [_row(app) for app in found], cut_first=("IMAGE",))


def _row(app: Any) -> list[str]:
    release = "-" if app["release"] is None else str(app["release"])
    rolling = f" > {app['rolling']}" if app["rolling"] is not None else ""
    state = "removing" if app["removing"] else "asleep" if app["sleeping"] else app["state"]
    url = app["urls"][0] if app["urls"] else "-"
    return [
        app["name"],
        state,
        f"{app['healthy']}/{app['wanted']}",
        release + rolling,
        app["image"],
        ago(app["created_at"]),
        url,
    ]


@apps.command()
@click.argument("name")
@calling_options
def show(name: str, as_json: bool, quiet: bool, project: str | None) -> None:
    """Everything about an app: what is wanted, its replicas and those that ended, why it has as many."""
    app = call(lambda client: client.app(name))
    if as_json:
        print_json(app)
    elif quiet:
        click.echo(app["state"])
    else:
        print_fields(_fields(app))
        _print_replicas(app)
        if app["scalings"]:
            click.echo()
            rows = [[f"{one['before']} to {one['after']}", ago(one["at"]), one["reason"]] for one in app["scalings"]]
            print_table(("REPLICAS", "AGE", "WHY"), rows[:SCALINGS_SHOWN])


def _fields(app: Any) -> dict[str, str | None]:
    spec = app["spec"]
    bounds, resources = spec["replicas"], spec["resources"]
    between = "" if bounds["min"] == bounds["max"] else f", between {bounds['min']} and {bounds['max']}"
    live = next((one for one in app["releases"] if one["number"] == app["release"]), None)
    command = spec["command"]
    return {
        "name": app["name"],
        "project": app["project"],
        "state": app["state"],
        "reason": app["reason"],
        "warnings": "\n".join(app["warnings"]),
        "urls": "\n".join(app["urls"]),
        "image": app["image"],
        "runs": live["image"] if live is not None else None,
        "release": f"{app['release']}" if app["release"] is not None else "none is live",
        "rolling": str(app["rolling"]) if app["rolling"] is not None else None,
        "port": str(spec["port"]) if spec["port"] is not None else None,
        "replicas": f"{app['healthy']} of {app['wanted']} healthy{between}",
        "health": ", ".join(map(_told, spec["health"].items())),
        "resources": f"{cores(resources['cpu_cores'])}, {resources['memory_mb']:g} MiB each",
        "command": command if command is None or isinstance(command, str) else " ".join(command),
        "env": "\n".join(f"{k}={v}" for k, v in spec["env"].items()),
        "domains": "\n".join(spec["domains"]),
        "constraints": "; ".join(spec["constraints"]),
        "labels": ", ".join(f"{k}={v}" for k, v in spec["labels"].items()),
        "created": f"{app['created_at']} ({ago(app['created_at'])} ago)",
    }


def _told(field: tuple[str, Any]) -> str:
    name, value = field
    if value is True:
        return name
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _print_replicas(app: Any) -> None:
    shown = [*app["replicas"], *app["past"][:PAST_SHOWN]]
    if not shown:
        return
    click.echo()
    rows = [
        [str(one["number"]), one["node"], one["state"], one["health"], str(one["release"]), one["address"] or "-",
         ago(one["started_at"]), one["leaving"] or one["detail"] or (phase_of(one) if one["state"] == "failed" else "")]
        for one in shown
    ]  # fmt: skip
    print_table(
        ("REPLICA", "NODE", "STATE", "HEALTH", "RELEASE", "ADDRESS", "UP", "DETAIL"), rows, cut_first=("DETAIL", "NODE")
    )


@apps.command()
@click.argument("name")
@calling_options
def releases(name: str, as_json: bool, quiet: bool, project: str | None) -> None:
    """Releases of an app, the newest first; rollback takes their numbers."""
    found = call(lambda client: client.releases(name))["items"]
    if as_json:
        for release in found:
            print_json(release)
        return
    if quiet:
        for release in found:
            click.echo(release["number"])
        return
    rows = [
        [str(one["number"]), one["state"], one["spec"]["image"].partition("@")[0], one["image"].rpartition("@")[2][:SHORT_DIGEST] or "-",
         *_made_of(one["spec"]["labels"]), ago(one["created_at"]),
         one["reason"] or (f"repeats release {one['rollback_of']}" if one["rollback_of"] is not None else "")]
        for one in found
    ]  # fmt: skip
    headings = ("RELEASE", "STATE", "IMAGE", "DIGEST", "BUILD", "SOURCE", "AGE", "REASON")
    print_table(headings, rows, cut_first=("REASON", "IMAGE", "SOURCE"))


def _made_of(labels: Any) -> tuple[str, str]:
    """By which build, of which source; of an image from elsewhere nothing is known."""
    source = labels.get(SOURCE, "-")
    return labels.get(BUILD, "-"), source[:SHORT_DIGEST] if source.startswith("sha256:") else source


@apps.command()
@click.argument("name")
@click.argument("replicas", type=click.IntRange(min=0))
@detach_option
@calling_options
def scale(name: str, replicas: int, detach: bool, as_json: bool, quiet: bool, project: str | None) -> None:
    """So many replicas from now on; 0 stops the app."""

    async def work(client: Any) -> tuple[Any, Progress]:
        app = await client.scale_app(name, replicas)
        return app, Progress(app["release"] if app["release"] is not None else app["releases"][0]["number"])

    _follow(work, detach, as_json, quiet)


@apps.command()
@click.argument("name")
@detach_option
@calling_options
def restart(name: str, detach: bool, as_json: bool, quiet: bool, project: str | None) -> None:
    """Replace every replica, batch by batch, as a roll-out would."""

    async def work(client: Any) -> tuple[Any, Progress]:
        before = await client.app(name)
        last = max((one["number"] for one in before["replicas"]), default=0)
        app = await client.restart_app(name)
        return app, Progress(app["release"] if app["release"] is not None else app["releases"][0]["number"], last)

    _follow(work, detach, as_json, quiet)


def _follow(work: Callable[[Any], Awaitable[tuple[Any, Progress]]], detach: bool, as_json: bool, quiet: bool) -> None:
    async def run(client: Any) -> int:
        app, progress = await work(client)
        if not detach:
            return await roll_out(client, app, progress, as_json=as_json, quiet=quiet)
        if as_json:
            print_json(app)
        return 0

    raise SystemExit(call(run, FLAGS))


@apps.command()
@click.argument("name")
@click.argument("release", type=click.IntRange(min=1), required=False)
@detach_option
@calling_options
def rollback(name: str, release: int | None, detach: bool, as_json: bool, quiet: bool, project: str | None) -> None:
    """Go back to RELEASE, or to the one before the live one. It becomes a new release, and needs no registry."""

    async def run(client: Any) -> int:
        app = await client.roll_back_app(name, release)
        if not detach:
            return await follow_newest(client, app, as_json=as_json, quiet=quiet)
        print_json(app) if as_json else click.echo(app["releases"][0]["number"])
        return 0

    raise SystemExit(call(run))


@apps.command()
@click.argument("name")
@click.argument("action", type=click.Choice(("promote", "abort")))
@detach_option
@calling_options
def canary(name: str, action: str, detach: bool, as_json: bool, quiet: bool, project: str | None) -> None:
    """Roll a canary that is up out to all replicas, or take it back."""

    async def run(client: Any) -> int:
        app = await client.decide_canary(name, promote=action == "promote")
        if action == "promote" and not detach:
            return await follow_newest(client, app, as_json=as_json, quiet=quiet)
        if as_json:
            print_json(app)
        elif not quiet:
            click.echo(f"{name}: the canary is {'promoted' if action == 'promote' else 'taken back'}")
        return 0

    raise SystemExit(call(run))


@apps.command()
@click.argument("name", required=False)
@calling_options
def rebalance(name: str | None, as_json: bool, quiet: bool, project: str | None) -> None:
    """Spread the replicas of an app, or of all apps, over the machines that are there now."""
    found = call(lambda client: client.rebalance_apps(name, project))["items"]
    for app in found:
        if as_json:
            print_json(app)
        elif not quiet:
            click.echo(f"{app['name']} is looked at; see {program()} apps show {app['name']}")


@apps.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@detach_option
@calling_options
def remove(names: tuple[str, ...], detach: bool, as_json: bool, quiet: bool, project: str | None) -> None:
    """Remove apps: containers, addresses, releases and output. Waits until all of it is gone."""

    async def forget(client: Any, name: str) -> dict[str, str]:
        from draas.model.errors import NotFound

        await client.remove_app(name)
        if detach:
            return {"name": name, "state": "removing"}
        with contextlib.suppress(NotFound):  # gone before we looked
            async for _ in client.watch_app(name):
                pass
        return {"name": name, "state": "removed"}

    for_each(names, forget, lambda name, done: f"{name} {done['state']}", as_json=as_json, quiet=quiet)
