"""From the flags of `draas run` to the API's job body. Pure but for `--env NAME`, which reads this process's environment."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from draas.cli.options import pairs
from draas.cli.units import memory_mb, seconds

F = TypeVar("F", bound=Callable[..., Any])

# The field that the controller may find wrong > what the user typed.
FLAGS = {
    "command": "COMMAND",
    "name": "--name",
    "image": "--image",
    "resources.cpu_cores": "--cpu",
    "resources.memory_mb": "--memory (in MiB)",
    "resources.gpus": "--gpu",
    "env": "--env",
    "priority": "--priority",
    "retries": "--retries",
    "timeout_s": "--timeout",
    "labels": "--label",
    "constraints": "--constraint",
    "needs": "--need",
    "node": "--node",
    "project": "--project",
}


def job_options(command: F) -> F:
    """The flags that say what a job is."""
    for option in reversed(
        (
            click.option("--image", help="Default: the controller's default image."),
            click.option("--cpu", type=float, help="Cores (default 1)."),
            click.option("--memory", metavar="SIZE", help="512m, 2g; without a unit MiB (default 256m)."),
            click.option("--gpu", type=int, help="GPUs (default 0)."),
            click.option("--name", help="A name for people."),
            click.option("--priority", type=int, help="0 to 100, larger runs earlier (default 50)."),
            click.option("--retries", type=int, help="0 to 3 more attempts when it fails (default 0)."),
            click.option("--timeout", metavar="TIME", help="30s, 5m, 1h30m; without a unit seconds (default: none)."),
            click.option("--env", "-e", multiple=True, metavar="K=V", help="May be repeated; K alone: as it is set here."),
            click.option("--label", "-l", multiple=True, metavar="K=V", help="May be repeated."),
            click.option("--constraint", multiple=True, metavar="RULE", help="For example: 'node.arch == amd64'."),
            click.option(
                "--need", "--needs", "needs", multiple=True, metavar="ID", help="Run after this job has succeeded; may be repeated."
            ),
            click.option("--exclusive", is_flag=True, help="Never two attempts at once, even when machines are lost."),
            click.option("--host", is_flag=True, help="Run on the host itself, where its owner allows it."),
            click.option("--node", help="Run on this node only."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def job_body(
    command: Sequence[str], given: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """The API's job body. Raises click.UsageError."""
    if given["host"] and given["image"]:
        raise click.UsageError("--host runs without a container and so without an image: give --host or --image")
    resources = {
        "cpu_cores": given["cpu"],
        "memory_mb": memory_mb(given["memory"]) if given["memory"] is not None else None,
        "gpus": given["gpu"],
    }
    fields = {
        "command": command[0] if len(command) == 1 else list(command),
        "resources": {name: value for name, value in resources.items() if value is not None} or None,
        "image": given["image"],
        "name": given["name"],
        "priority": given["priority"],
        "retries": given["retries"],
        "timeout_s": seconds(given["timeout"]) if given["timeout"] is not None else None,
        "env": env_of(given["env"], environ) or None,
        "labels": pairs(given["label"], "--label") or None,
        "constraints": list(given["constraint"]) or None,
        "needs": list(given["needs"]) or None,
        "node": given["node"],
        "exclusive": given["exclusive"] or None,
        "runtime": "process" if given["host"] else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def env_of(items: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """`K=V`, or `K` with the value that it has here. Raises click.UsageError."""
    found = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not name:
            raise click.UsageError(f"--env must be NAME=VALUE or NAME, not {item!r}")
        if not equals and name not in environ:
            raise click.UsageError(f"--env {name}: it is not set here; give {name}=VALUE")
        found[name] = value if equals else environ[name]
    return found
