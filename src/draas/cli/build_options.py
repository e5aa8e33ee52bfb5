"""The flags that say how something is built. Pure but for reading what secrets are made of."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from draas.cli.options import pairs

F = TypeVar("F", bound=Callable[..., Any])

# The field of a build that the controller may find wrong > what the user typed.
FLAGS = {
    "args": "--build-arg",
    "secrets": "--build-secret",
    "dockerfile": "--dockerfile",
    "target": "--target",
    "platform": "--platform",
    "git": "the git URL",
}
_NAMES = ("build_args", "dockerfile", "target", "platform", "bases", "no_cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """`bases` are base images by kind; `secrets` values by id, which are in no repr."""

    args: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    dockerfile: str = ""
    target: str = ""
    platform: str = ""
    bases: Mapping[str, str] = field(default_factory=dict)
    cache: bool = True
    force: bool = False  # also where nothing has changed


secret_option = click.option(
    "--build-secret",
    "build_secrets",
    multiple=True,
    metavar="ID=FILE|ID=env:VAR",
    help="For RUN --mount=type=secret,id=ID: in no layer and no log. May be repeated.",
)
force_option = click.option("--force-build", "force_build", is_flag=True, help="Build also what has not changed.")


def build_options(command: F) -> F:
    """How an image is made of a source."""
    for option in reversed(
        (
            click.option("--build-arg", "build_args", multiple=True, metavar="K=V", help="An ARG of the Dockerfile. May be repeated."),
            secret_option,
            click.option("--dockerfile", metavar="FILE", help="Its path inside the source (default: found, or made)."),
            click.option("--target", metavar="STAGE", help="The stage of the Dockerfile to stop at."),
            click.option("--platform", metavar="linux/ARCH", help="Build on a machine of this architecture (default: any)."),
            click.option("--base", "bases", multiple=True, metavar="KIND=IMAGE", help="Another base image for a Dockerfile that is made, as of detect."),
            click.option("--no-cache", is_flag=True, help="Run every step again."),
            force_option,
        )
    ):  # fmt: skip
        command = option(command)
    return command


def said_of_builds(given: Mapping[str, Any]) -> list[str]:
    """Which of the flags about builds were given."""
    flags = {"build_args": "--build-arg", "build_secrets": "--build-secret", "bases": "--base", "force_build": "--force-build"}  # fmt: skip
    names = (*_NAMES, "build_secrets", "force_build")
    return [flags.get(name, f"--{name.replace('_', '-')}") for name in names if given.get(name)]


def options_of(given: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> BuildOptions:
    """What the flags say. Raises click.UsageError."""
    from draas.cli.detect import bases_of

    return BuildOptions(
        args=pairs(given.get("build_args", ()), "--build-arg"),
        secrets=secrets_of(given.get("build_secrets", ()), environ),
        dockerfile=given.get("dockerfile") or "",
        target=given.get("target") or "",
        platform=given.get("platform") or "",
        bases=bases_of(given.get("bases", ())),
        cache=not given.get("no_cache"),
        force=bool(given.get("force_build") or given.get("no_cache")),
    )


def secrets_of(items: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """`npmrc=./.npmrc`, `token=env:TOKEN`. Raises click.UsageError, which never tells a value."""
    found = {}
    for item in items:
        id, equals, place = item.partition("=")
        if not id or not equals or not place:
            raise click.UsageError("--build-secret must be ID=FILE or ID=env:VARIABLE, for example npmrc=./.npmrc")
        if place.startswith("env:"):
            variable = place.removeprefix("env:")
            if variable not in environ:
                raise click.UsageError(f"--build-secret {id}: {variable} is not set here")
            found[id] = environ[variable]
            continue
        try:
            found[id] = Path(place).expanduser().read_text()
        except (OSError, UnicodeDecodeError) as error:
            told = error.strerror if isinstance(error, OSError) else "it is no text"
            raise click.UsageError(f"--build-secret {id}: {place} cannot be read: {told}") from None
    return found
