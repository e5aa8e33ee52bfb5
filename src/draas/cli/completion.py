"""`draas completion`: the script that makes a shell complete commands and flags."""

import click

from draas.cli.program import COMPLETE

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  eval "$(draas completion bash)"         in ~/.bashrc
    zsh:   eval "$(draas completion zsh)"          in ~/.zshrc, after compinit
    fish:  draas completion fish > ~/.config/fish/completions/draas.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} is not supported; known are {', '.join(SHELLS)}")
    click.echo(kind(context.find_root().command, {}, "draas", COMPLETE).source())
