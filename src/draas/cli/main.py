"""`draas`: the group of all commands."""

import click

from draas.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "up": Lazy("draas.cli.up:up", "Run a controller and an agent on this machine."),
    "server": Lazy("draas.cli.server:server", "Run a controller."),
    "agent": Lazy("draas.cli.agent:agent", "Run this machine's agent."),
    "join": Lazy("draas.cli.agent:join", "Join a cluster and run the agent."),
    "run": Lazy("draas.cli.run:run", "Run a command somewhere and follow its output."),
    "jobs": Lazy("draas.cli.jobs:jobs", "Jobs: list, show, logs, cancel, retry, rm."),
    "logs": Lazy("draas.cli.jobs:top_logs", "A job's output."),
    "explain": Lazy("draas.cli.jobs:explain", "Why a job waits, or why it runs where it runs."),
    "nodes": Lazy("draas.cli.nodes:nodes", "Machines: list, show, drain, ready, label, rm, token."),
    "keys": Lazy("draas.cli.keys:keys", "Keys: list, make, revoke."),
    "version": Lazy("draas.cli.version:version", "Print the version."),
}


@click.group(cls=LazyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """One cloud out of the machines you own."""
