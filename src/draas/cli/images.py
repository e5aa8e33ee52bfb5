"""`draas images`: list, show, prune, rm."""

from typing import Any

import click

from draas.cli.calling import call, calling_options
from draas.cli.each import for_each
from draas.cli.lazy import ListGroup
from draas.cli.output import ago, print_fields, print_json, print_table, program, size
from draas.cli.text import SHORT_DIGEST


@click.group(cls=ListGroup)
def images() -> None:
    """Images that the controller keeps. Without a subcommand: list."""


@images.command("list")
@calling_options
def list_images(as_json: bool, quiet: bool, project: str | None) -> None:
    """List the images, who uses them and how many machines have them."""
    found = _of_project(call(lambda client: client.images())["items"], project)
    if as_json or quiet:
        _print_plain(found, as_json)
        return
    if not found:
        click.echo(f"No images yet. Build one: {program()} deploy FOLDER, or docker push CONTROLLER/PROJECT/NAME:TAG")
        return
    rows = [
        [
            one["repository"],
            ", ".join(one["tags"]) or "-",
            one["digest"][:SHORT_DIGEST],
            size(one["size_bytes"]),
            ago(one["pushed_at"]),
            _first(one["used_by"]),
            str(len(one["nodes"])),
        ]
        for one in found
    ]
    print_table(
        ("REPOSITORY", "TAGS", "DIGEST", "SIZE", "AGE", "USED BY", "NODES"),
        rows,
        cut_first=("TAGS", "USED BY", "REPOSITORY"),
    )


@images.command()
@click.argument("repository", metavar="PROJECT/NAME")
@calling_options
def show(repository: str, as_json: bool, quiet: bool, project: str | None) -> None:
    """Everything about the images of one repository."""
    found = call(lambda client: client.images(repository), {"repository": "PROJECT/NAME"})["items"]
    if as_json or quiet:
        _print_plain(found, as_json)
        return
    if not found:
        raise click.ClickException(f"there are no images of {repository}: {program()} images lists what there is")
    for at, one in enumerate(found):
        if at:
            click.echo()
        print_fields(
            {
                "image": f"{one['repository']}@{one['digest']}",
                "tags": ", ".join(one["tags"]) or "none",
                "size": size(one["size_bytes"]),
                "platforms": str(one["platforms"]) if one["platforms"] else "",
                "pushed": f"{one['pushed_at']} ({ago(one['pushed_at'])} ago)",
                "used by": "\n".join(one["used_by"]) or "nothing",
                "on nodes": ", ".join(one["nodes"]),
            }
        )


@images.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@calling_options
def prune(dry_run: bool, as_json: bool, quiet: bool, project: str | None) -> None:
    """Delete what nothing uses and no tag names; images of kept releases, of work, and with your own tags stay."""
    told = call(lambda client: client.plan_prune() if dry_run else client.prune_images())
    if as_json:
        print_json(told)
        return
    if quiet:
        for one in told["items"]:
            click.echo(one["name"])
        return
    removals = [*told["items"], *told["on_nodes"]]
    if removals:
        rows = [
            [
                one["node"] or "controller",
                one["kind"],
                one["name"] + (f" ({', '.join(one['tags'])})" if one["tags"] else ""),
                size(one["freed_bytes"]),
                one["reason"],
            ]
            for one in removals
        ]
        print_table(("WHERE", "WHAT", "NAME", "SIZE", "REASON"), rows, cut_first=("NAME",))
    verb = "would be freed" if dry_run else "freed"
    click.echo(
        f"{size(told['freed_bytes'])} {verb} on the controller"
        if told["items"]
        else "Nothing to remove on the controller."
    )


@images.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="PROJECT/NAME[:TAG|@DIGEST]...")
@calling_options
def rm(names: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Delete tags, images, or whole repositories. What is in use stays, and is named."""

    async def remove_one(client: Any, name: str) -> dict[str, Any]:
        done = await client.remove_image(name)
        return {"name": name, "state": "removed", "images": [one["digest"] for one in done["items"]]}

    for_each(names, remove_one, lambda name, _: f"{name} removed", as_json=as_json, quiet=quiet)


def _of_project(found: list[Any], project: str | None) -> list[Any]:
    return [one for one in found if project is None or one["repository"].partition("/")[0] == project]


def _print_plain(found: list[Any], as_json: bool) -> None:
    for one in found:
        if as_json:
            print_json(one)
        else:
            click.echo(f"{one['repository']}@{one['digest']}")


def _first(users: list[str]) -> str:
    if not users:
        return "-"
    return users[0] + (f" and {len(users) - 1} more" if len(users) > 1 else "")
