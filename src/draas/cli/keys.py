"""`draas keys`: list, make, revoke."""

import click

from draas.cli.calling import call, calling_options
from draas.cli.output import ago, print_json, print_table


@click.group(invoke_without_command=True)
@click.pass_context
def keys(context: click.Context) -> None:
    """Who may do what."""
    if context.invoked_subcommand is None:
        context.invoke(list_keys)


@keys.command("list")
@calling_options
def list_keys(as_json: bool = False, quiet: bool = False, project: str | None = None) -> None:
    """List the keys; their secrets are not kept anywhere."""
    found = call(lambda client: client.keys())["items"]
    if as_json:
        for key in found:
            print_json(key)
        return
    rows = (
        [k["id"], k["name"] or "-", k["role"], k["project"] or "all", ago(k["created_at"]), k["expires_at"] or "never"]
        for k in found
    )
    print_table(("ID", "NAME", "ROLE", "PROJECT", "AGE", "EXPIRES"), rows)


@keys.command("make")
@click.option("--role", type=click.Choice(["viewer", "deployer", "admin"]), required=True)
@click.option("--name", default="", help="Whose it is.")
@click.option("--ttl", type=float, help="Seconds that it is good for (default: for ever).")
@calling_options
def make(role: str, name: str, ttl: float | None, as_json: bool, quiet: bool, project: str | None) -> None:
    """Make a key; it is shown this once."""
    made = call(lambda client: client.make_key(role, name=name, project=project, ttl_s=ttl))
    print_json(made) if as_json else click.echo(made["key"])


@keys.command("revoke")
@click.argument("ids", nargs=-1, required=True)
@calling_options
def revoke(ids: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Make keys good for nothing, from now on."""

    async def work(client: object) -> None:
        for id in ids:
            await client.revoke_key(id)  # type: ignore[attr-defined]
            if not quiet:
                click.echo(f"{id} revoked")

    call(work)
