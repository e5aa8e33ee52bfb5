"""Command groups: one that imports a subcommand only when it is used, so that `draas --help` stays cheap; one that lists by default."""

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class Lazy(NamedTuple):
    """Where a command is ("package.module:attribute") and the line that `--help` shows for it."""

    target: str
    summary: str


class LazyGroup(click.Group):
    """A group over a table of Lazy commands. Raises ImportError or AttributeError at use where the table is wrong."""

    def __init__(self, *args: Any, commands_at: Mapping[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = self.commands_at.get(cmd_name)
        if lazy is None:
            return None
        module, _, attribute = lazy.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.commands_at and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, self.commands_at, n=1)
            told = f"did you mean {near[0]}?" if near else "known are " + ", ".join(self.commands_at)
            raise click.UsageError(f"there is no command {name!r}; {told}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self.commands_at.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[Any]":
        from click.shell_completion import CompletionItem

        found = [name for name in self.commands_at if name.startswith(incomplete)]
        names = [CompletionItem(name, help=self.commands_at[name].summary) for name in found]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


class ListGroup(click.Group):
    """A group whose `list` is meant where no subcommand is named: `draas jobs --state failed` is `draas jobs list --state failed`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)
