"""From the flags of `draas deploy` to the fields of an app; what is not said stays as it is. Pure but for `--env NAME`."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from draas.cli.app_build import without_build_labels
from draas.cli.job_body import env_of
from draas.cli.units import memory_mb

F = TypeVar("F", bound=Callable[..., Any])

# The field that the controller may find wrong > what the user typed.
FLAGS = {
    "image": "--image",
    "name": "--name",
    "port": "--port",
    "replicas": "--replicas",
    "env": "--env",
    "domains": "--domain",
    "resources.cpu_cores": "--cpu",
    "resources.memory_mb": "--memory (in MiB)",
    "health": "--health",
    "command": "--command",
    "project": "--project",
}
_RANGE = re.compile(r"([0-9]{1,6})(?:\.\.([0-9]{1,6}))?")


def app_options(command: F) -> F:
    """The flags that say what an app is."""
    for option in reversed(
        (
            click.option("--image", help="What to run, for example nginx:1.25."),
            click.option("--name", help="Its name, which is part of its address (default: the folder's or the image's)."),
            click.option("--port", type=int, help="Where it listens inside the container (default: what a build finds); without one it serves nothing."),
            click.option("--replicas", metavar="N|MIN..MAX", help="How many (default 1)."),
            click.option("--env", "-e", multiple=True, metavar="K=V", help="May be repeated; K alone: as it is set here; K-: not any more."),
            click.option("--domain", "domains", multiple=True, metavar="HOST[/PATH]", help="May be repeated; replaces those there are."),
            click.option("--cpu", type=float, help="Cores for each replica (default 0.5)."),
            click.option("--memory", metavar="SIZE", help="For each replica: 512m, 2g (default 256m)."),
            click.option("--health", metavar="PATH|tcp|none|exec:CMD", help="How to find out whether it serves (default: the port answers)."),
            click.option("--command", "words", metavar="CMD", help="Run by the image's sh -c (default: the image's own)."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def name_of_image(image: str) -> str:
    """`registry.example/team/My_Shop:2` > `my-shop`."""
    last = image.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", last).strip("-")[:40].rstrip("-")


def app_body(
    given: Mapping[str, Any], old: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """The app's fields: `old` (of the app that is there, or none) with what was said. Raises click.UsageError."""
    body = dict(old)
    if given["image"] is not None and body.get("labels"):
        body["labels"] = without_build_labels(body["labels"])
    for flag, field in (("image", "image"), ("port", "port"), ("words", "command")):
        if given[flag] is not None:
            body[field] = given[flag]
    if given["replicas"] is not None:
        body["replicas"] = replicas_of(given["replicas"])
    if given["domains"]:
        body["domains"] = list(given["domains"])
    if given["health"] is not None:
        body["health"] = health_of(given["health"], body.get("health"))
    elif given["port"] is not None and "none" in (body.get("health") or {}):
        body["health"] = None  # it was none because there was no port
    resources = {
        "cpu_cores": given["cpu"],
        "memory_mb": memory_mb(given["memory"]) if given["memory"] is not None else None,
    }
    if said := {name: value for name, value in resources.items() if value is not None}:
        body["resources"] = {**(body.get("resources") or {}), **said}
    if given["env"]:
        gone = {item[:-1] for item in given["env"] if "=" not in item and item.endswith("-")}
        kept = {name: value for name, value in body.get("env", {}).items() if name not in gone}
        body["env"] = {**kept, **env_of([item for item in given["env"] if item[:-1] not in gone], environ)}
    return body


def replicas_of(text: str) -> int | dict[str, int]:
    """`3`, or `2..6`. Raises click.UsageError."""
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise click.UsageError(f"--replicas must be a number, or MIN..MAX such as 2..6, not {text!r}")
    low = int(found[1])
    return low if found[2] is None else {"min": low, "max": int(found[2])}


def health_of(text: str, old: Mapping[str, Any] | None) -> dict[str, Any]:
    """`/healthz`, `tcp`, `none` or `exec:test -e /ok`; how often and how long stay as they are. Raises click.UsageError."""
    kept = {name: old[name] for name in ("every_s", "timeout_s", "failures") if name in old} if old else {}
    if text in ("tcp", "none"):
        return {text: True, **kept}
    if text.startswith("/"):
        return {"http": text, **kept}
    if text.startswith("exec:") and text[5:].strip():
        return {"exec": text[5:].strip(), **kept}
    raise click.UsageError(f"--health must be a path such as /healthz, tcp, none or exec:COMMAND, not {text!r}")
