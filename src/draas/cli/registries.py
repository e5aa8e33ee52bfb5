"""`draas registries`: list, add, remove."""

import sys
from typing import Any

import click

from draas.cli.calling import call, calling_options
from draas.cli.each import for_each
from draas.cli.lazy import ListGroup
from draas.cli.output import ago, print_json, print_table


@click.group(cls=ListGroup)
def registries() -> None:
    """Logins to registries of others, for private images. Without a subcommand: list."""


@registries.command("list")
@calling_options
def list_registries(as_json: bool, quiet: bool, project: str | None) -> None:
    """List the logins; their passwords are never shown."""
    found = call(lambda client: client.registries(project))["items"]
    if as_json:
        for one in found:
            print_json(one)
        return
    if quiet:
        for one in found:
            click.echo(one["host"])
        return
    rows = [[one["host"], one["username"], one["project"], ago(one["created_at"])] for one in found]
    print_table(("HOST", "USERNAME", "PROJECT", "AGE"), rows, cut_first=("USERNAME",))


@registries.command("add")
@click.argument("host")
@click.option("--username", "-u", required=True, help="The account's name, or that of an access token.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@calling_options
def add(host: str, username: str, password_stdin: bool, as_json: bool, quiet: bool, project: str | None) -> None:
    """Log a project in to the registry HOST (ghcr.io, docker.io, registry.example:5000); a login that is there is replaced."""
    name = _host(host)
    password = _read_password(password_stdin)
    flags = {"username": "--username", "password": "the password", "project": "--project"}
    done = call(lambda client: client.put_registry(name, username, password, project), flags)
    if as_json:
        print_json(done)
    elif not quiet:
        click.echo(f"{done['host']}: project {done['project']} pulls as {done['username']}")


@registries.command("rm")
@click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
@calling_options
def rm(hosts: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Remove logins."""

    async def remove_one(client: Any, host: str) -> dict[str, str]:
        await client.remove_registry(host, project)
        return {"host": host, "state": "removed"}

    names = [_host(host) for host in hosts]
    for_each(names, remove_one, lambda host, _: f"{host} removed", as_json=as_json, quiet=quiet)


def _host(given: str) -> str:
    """Judged here, for the path of the call cannot carry everything that people give. Raises click.UsageError."""
    from draas.model.errors import Invalid
    from draas.model.registry import parse_registry

    try:
        return parse_registry(given)
    except Invalid as error:
        raise click.UsageError(error.detail) from None


def _read_password(from_stdin: bool) -> str:
    """From a pipe, less the newline at its end, or asked for without an echo: what is in a command line, other users can see."""
    if from_stdin:
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for the password: give it with --password-stdin")
    password: str = click.prompt("Password", hide_input=True, err=True)
    return password
