"""`draas`: the group of all commands."""

import click

from draas.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "up": Lazy("draas.cli.up:up", "Run a controller and an agent on this machine."),
    "server": Lazy("draas.cli.server:server", "Run a controller."),
    "agent": Lazy("draas.cli.agent:agent", "Run this machine's agent."),
    "join": Lazy("draas.cli.agent:join", "Join a cluster and run the agent."),
    "version": Lazy("draas.cli.version:version", "Print the version."),
}


@click.group(cls=LazyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """One cloud out of the machines you own."""
