"""`draas keys`: list, make, rotate, revoke."""

from typing import Any

import click

from draas.cli.calling import call, calling_options
from draas.cli.each import for_each
from draas.cli.lazy import ListGroup
from draas.cli.output import ago, print_json, print_table
from draas.cli.units import seconds


@click.group(cls=ListGroup)
def keys() -> None:
    """Who may do what. Without a subcommand: list."""


@keys.command("list")
@calling_options
def list_keys(as_json: bool, quiet: bool, project: str | None) -> None:
    """List the keys; their secrets are not kept anywhere."""
    found = call(lambda client: client.keys())["items"]
    if as_json:
        for key in found:
            print_json(key)
        return
    if quiet:
        for key in found:
            click.echo(key["id"])
        return
    rows = [
        [k["id"], k["name"] or "-", k["role"], k["project"] or "all", ago(k["created_at"]), k["expires_at"] or "never"]
        for k in found
    ]
    print_table(("ID", "NAME", "ROLE", "PROJECT", "AGE", "EXPIRES"), rows, cut_first=("NAME", "PROJECT"))


@keys.command("make")
@click.option("--role", type=click.Choice(["viewer", "deployer", "admin"]), required=True)
@click.option("--name", default="", help="Whose it is.")
@click.option("--ttl", metavar="TIME", help="How long it is good for: 12h, 30d (default: for ever).")
@calling_options
def make(role: str, name: str, ttl: str | None, as_json: bool, quiet: bool, project: str | None) -> None:
    """Make a key; it is shown this once."""
    ttl_s = seconds(ttl, "--ttl") if ttl is not None else None
    flags = {"ttl_s": "--ttl", "name": "--name", "project": "--project"}
    made = call(lambda client: client.make_key(role, name=name, project=project, ttl_s=ttl_s), flags)
    print_json(made) if as_json else click.echo(made["key"])


@keys.command("rotate")
@click.argument("id")
@click.option("--keep", metavar="TIME", help="How long the old one is good for still: 1h (default: it ends at once).")
@calling_options
def rotate(id: str, keep: str | None, as_json: bool, quiet: bool, project: str | None) -> None:
    """Make another key in the place of one; it is shown this once."""
    keep_s = seconds(keep, "--keep") if keep is not None else 0.0
    made = call(lambda client: client.rotate_key(id, keep_s=keep_s), {"keep_s": "--keep"})
    print_json(made) if as_json else click.echo(made["key"])


@keys.command("revoke")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@calling_options
def revoke(ids: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Make keys good for nothing, from now on."""

    async def revoke_one(client: Any, id: str) -> dict[str, str]:
        await client.revoke_key(id)
        return {"id": id, "state": "revoked"}

    for_each(ids, revoke_one, lambda id, _: f"{id} revoked", as_json=as_json, quiet=quiet)
