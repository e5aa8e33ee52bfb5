"""`draas certs`: list, add, remove."""

from pathlib import Path
from typing import Any

import click

from draas.cli.calling import call, calling_options
from draas.cli.each import for_each
from draas.cli.lazy import ListGroup
from draas.cli.output import print_json, print_table

PEM = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.group(cls=ListGroup)
def certs() -> None:
    """Certificates that ingresses show. Without a subcommand: list."""


@certs.command("list")
@calling_options
def list_certs(as_json: bool, quiet: bool, project: str | None) -> None:
    """List the certificates; their keys are never shown."""
    found = call(lambda client: client.certificates())["items"]
    if as_json:
        for one in found:
            print_json(one)
        return
    if quiet:
        for one in found:
            click.echo(one["host"])
        return
    rows = [[one["host"], one["expires_at"][:10], one["issuer"], one["source"]] for one in found]
    print_table(("HOST", "EXPIRES", "ISSUER", "FROM"), rows, cut_first=("ISSUER",))


@certs.command("add")
@click.argument("host")
@click.option("--chain", type=PEM, required=True, help="PEM of HOST's certificate, then its issuers'.")
@click.option("--key", type=PEM, required=True, help="PEM of its private key, without a passphrase.")
@calling_options
def add(host: str, chain: Path, key: Path, as_json: bool, quiet: bool, project: str | None) -> None:
    """Have ingresses show a certificate for HOST, which may be '*.DOMAIN'; one that is there is replaced."""
    chain_pem, key_pem = _read(chain, "--chain"), _read(key, "--key")
    flags = {"chain": f"--chain {chain}:", "key": f"--key {key}:", "host": "HOST"}
    done = call(lambda client: client.put_certificate(host, chain_pem, key_pem), flags)
    if as_json:
        print_json(done)
    elif not quiet:
        click.echo(f"{done['host']}: good until {done['expires_at'][:10]}, issued by {done['issuer']}")


@certs.command("rm")
@click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
@calling_options
def rm(hosts: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Remove certificates."""

    async def remove_one(client: Any, host: str) -> dict[str, str]:
        await client.remove_certificate(host)
        return {"host": host, "state": "removed"}

    for_each(hosts, remove_one, lambda host, _: f"{host} removed", as_json=as_json, quiet=quiet)


def _read(path: Path, flag: str) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{flag} {path} cannot be read as text: {error}") from None
