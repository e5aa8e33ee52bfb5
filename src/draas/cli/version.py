"""`draas version`."""

import click

from draas import __version__


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"draas {__version__}")
