"""`draas`: the group of all commands."""

import click

from draas.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "version": Lazy("draas.cli.version:version", "Print the version."),
}


@click.group(cls=LazyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """One cloud out of the machines you own."""
