"""The whole program: every error is one line on stderr and its exit code, also where output or standard streams are closed."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from draas.cli.lazy import LazyGroup
from draas.cli.output import program
from draas.cli.text import plain

USAGE, INTERRUPTED = 2, 130
BROKEN_PIPE = 141  # 128 + SIGPIPE, as of a program that did not ask to survive it
COMPLETE = "_DRAAS_COMPLETE"


class Program(LazyGroup):
    """`draas` itself. Where click shows four lines for a wrong command line, this says one."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run and exit: 0, or the command's own code, 2 for wrong usage, 130 when interrupted, 141 where nobody reads."""
        _be_lenient()
        extra = {"complete_var": COMPLETE, **extra, "standalone_mode": False}
        try:
            code = super().main(args, prog_name or program(), **extra)
            sys.stdout.flush()
        except click.ClickException as error:
            click.echo(render_error(error), err=True)
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            _give_up_stdout()
            sys.exit(BROKEN_PIPE)
        sys.exit(code if isinstance(code, int) else 0)


def render_error(error: click.ClickException) -> str:
    """One line: which command, what is wrong, and where help is."""
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else program()
    told = plain(" ".join(error.format_message().split())).rstrip(".")
    return f"{where}: {told}" + (f" (see {where} --help)" if isinstance(error, click.UsageError) else "")


def _be_lenient() -> None:
    """A locale that lacks a character must not end a command half-way."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _give_up_stdout() -> None:
    """So that the interpreter's last flush does not complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
