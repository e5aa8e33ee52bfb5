"""`draas builds`: list, show, logs, cancel, retry, rm."""

from typing import Any

import click

from draas.cli.calling import call, calling_options, is_build_id
from draas.cli.each import collect, for_each, state_line
from draas.cli.follow import be_patient, say_to_person
from draas.cli.lazy import ListGroup
from draas.cli.options import pairs
from draas.cli.output import ago, between, cores, print_fields, print_json, print_table, program, size
from draas.cli.printing import Printing
from draas.cli.running import FAILED
from draas.cli.text import plain
from draas.cli.waiting import Waiting

SHOWN = 50
STATES = ("queued", "running", "succeeded", "failed", "cancelled")


@click.group(cls=ListGroup)
def builds() -> None:
    """What was built, and what became of it. Without a subcommand: list."""


@builds.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only builds in this state.")
@click.option("--name", help="Only builds for the app of this name.")
@click.option("--node", help="Only builds that were on this node.")
@click.option("--label", "-l", multiple=True, metavar="K=V", help="Only builds with this label; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), default=SHOWN, show_default=True, help="How many, newest first.")
@calling_options
def list_builds(
    state: str | None, name: str | None, node: str | None, label: tuple[str, ...], limit: int,
    as_json: bool, quiet: bool, project: str | None,
) -> None:  # fmt: skip
    """List builds, newest first."""
    match: dict[str, Any] = {"state": state, "name": name, "node": node, "project": project}
    match["labels"] = pairs(label, "--label")
    found, total = call(lambda client: collect(client.builds.list, match, limit))
    if as_json:
        for one in found:
            print_json(one)
    elif quiet:
        for one in found:
            click.echo(one["id"])
    elif not found:
        narrowed = any((state, name, node, project, label))
        click.echo("No such builds." if narrowed else f"No builds yet. Make one: {program()} deploy DIR")
    else:
        headings = ("ID", "NAME", "STATE", "NODE", "TOOK", "AGE", "KIND", "SIZE", "IMAGE")
        print_table(headings, [_row(one) for one in found], cut_first=("IMAGE", "NAME", "NODE"))
        if total > len(found):
            click.echo(f"{total - len(found)} more: --limit {total} shows them")


def _row(one: Any) -> list[str]:
    took, age = between(one["started_at"], one["finished_at"]), ago(one["created_at"])
    made = size(one["size_bytes"]) if one["size_bytes"] else "-"
    digest = (one["image"] or "").rpartition("@")[2][:19] or "-"
    return [one["id"], one["name"], one["state"], one["node"] or "-", took, age, one["kind"] or "-", made, digest]


@builds.command()
@click.argument("build", metavar="ID|NAME")
@click.option("--dockerfile", is_flag=True, help="The Dockerfile that was made, alone.")
@calling_options
def show(build: str, dockerfile: bool, as_json: bool, quiet: bool, project: str | None) -> None:
    """Everything about a build and its attempts. A name means the newest build for the app of this name."""

    async def look(client: Any) -> Any:
        return await client.builds.get(await _build_id(client, build, project))

    found = call(look)
    if as_json:
        print_json(found)
    elif dockerfile:
        click.echo(plain(found["dockerfile"], keep_lines=True), nl=False)
    elif quiet:
        click.echo(found["state"])
    else:
        print_fields(_fields(found))
        _print_attempts(found["attempts"])


async def _build_id(client: Any, given: str, project: str | None) -> str:
    """The id that is meant by `given`: an id, or the name of an app (its newest build). Raises NotFound."""
    from draas.model.errors import NotFound

    if is_build_id(given):
        return given
    found = (await client.builds.list(name=given, project=project, limit=1))["items"]
    if not found:
        raise NotFound(f"there is no build {plain(given)[:128]!r}, neither as an id nor by the name of its app")
    return str(found[0]["id"])


def _fields(one: Any) -> dict[str, str | None]:
    resources = one["resources"]
    source = one["source"]["digest"] if one["source"] is not None else one["git"]
    return {
        "id": one["id"],
        "app": one["name"],
        "project": one["project"],
        "state": one["state"],
        "reason": one["reason"],
        "image": one["image"],
        "tags": ", ".join(one["tags"]),
        "pushed": "\n".join(one["pushed"]),
        "kind": one["kind"],
        "Dockerfile": f"made; {program()} builds show --dockerfile {one['id']}"
        if one["dockerfile"]
        else one["dockerfile_path"],
        "platform": one["platform"],
        "port": str(one["port"]) if one["port"] is not None else None,
        "size": size(one["size_bytes"]) if one["size_bytes"] else None,
        "source": source,
        "folder": one["folder"],
        "target": one["target"],
        "args": "\n".join(f"{name}={value}" for name, value in one["args"].items()),
        "secrets": ", ".join(one["secrets"]),
        "cache": None if one["cache"] else "not used",
        "resources": f"{cores(resources['cpu_cores'])}, {resources['memory_mb']:g} MiB, {one['disk_mb']} MiB of disk",
        "priority": str(one["priority"]),
        "timeout": f"{one['timeout_s']:g} s" if one["timeout_s"] is not None else None,
        "labels": ", ".join(f"{k}={v}" for k, v in one["labels"].items()),
        "constraints": "; ".join(one["constraints"]),
        "created": f"{one['created_at']} ({ago(one['created_at'])} ago)",
    }


def _print_attempts(attempts: list[Any]) -> None:
    if not attempts:
        return
    click.echo()
    rows = [
        [str(a["number"]), a["state"], a["node"], "-" if a["exit_code"] is None else str(a["exit_code"]),
         between(a["started_at"], a["finished_at"]), a["detail"]]
        for a in attempts
    ]  # fmt: skip
    print_table(("ATTEMPT", "STATE", "NODE", "EXIT", "TOOK", "DETAIL"), rows, cut_first=("DETAIL", "NODE"))


@builds.command()
@click.argument("build", metavar="ID|NAME")
@click.option(
    "-f", "--follow", "following", is_flag=True, help="Go on until the build ends, and end with 1 where it failed."
)
@click.option("--tail", "-n", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.option("--grep", metavar="RE", help="Only lines that match this regular expression.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Which attempt (default: the latest).")
@click.option("--timestamps", "-t", is_flag=True, help="Each line's time before it.")
@calling_options
def logs(
    build: str, following: bool, timestamps: bool, as_json: bool, quiet: bool, project: str | None, **match: Any
) -> None:
    """The output of a build, step by step. Ctrl-C ends the command, not the build."""

    async def copy(client: Any) -> int:
        id = await _build_id(client, build, project)
        if following:
            be_patient(client, Waiting(quiet=quiet or as_json), "the build goes on")
        printing, nothing = Printing(timestamps=timestamps), True
        async for seen in client.builds.follow(id, follow=following, **match):
            if seen.line is not None:
                nothing = False
                print_json(seen.line) if as_json else printing.write(seen.line)
        printing.flush()
        found = await client.builds.get(id)
        if nothing and not following and not quiet and found["state"] in ("queued", "running"):
            say_to_person(f"no output yet, the build is {found['state']}: {program()} builds logs -f {id} follows it")
        return FAILED if following and found["state"] in ("failed", "cancelled") else 0

    flags = {name: f"--{name}" for name in ("tail", "grep", "attempt")}
    if code := call(copy, flags):
        raise SystemExit(code)


@builds.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@calling_options
def cancel(ids: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Cancel builds: queued ones never start, running ones are stopped."""
    for_each(ids, lambda client, id: client.builds.cancel(id), state_line, as_json=as_json, quiet=quiet)


@builds.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@calling_options
def retry(ids: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Build again what has ended, from the same source; earlier attempts are kept. Apps stay as they are."""
    for_each(ids, lambda client, id: client.builds.retry(id), state_line, as_json=as_json, quiet=quiet)


@builds.command("rm")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@calling_options
def remove(ids: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Forget ended builds and their output. Images stay."""

    async def forget(client: Any, id: str) -> dict[str, str]:
        await client.builds.delete(id)
        return {"id": id, "state": "deleted"}

    for_each(ids, forget, state_line, as_json=as_json, quiet=quiet)
