"""`draas detect`: what would be built from a folder, and its Dockerfile. Nothing is sent anywhere."""

from pathlib import Path
from typing import Any, NoReturn

import click

from draas.cli.output import print_fields, print_json, size
from draas.cli.running import FAILED, fail
from draas.cli.text import plain

KINDS = {
    "OwnDockerfile": "dockerfile",
    "PythonRecipe": "python",
    "NodeRecipe": "node",
    "GoRecipe": "go",
    "StaticRecipe": "static",
}


@click.command()
@click.argument("folder", metavar="[DIR]", default=".")
@click.option(
    "--base",
    "bases",
    multiple=True,
    metavar="KIND=IMAGE",
    help="Another base image: python=registry.example/python:3.13. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="The Dockerfile alone.")
def detect(folder: str, bases: tuple[str, ...], as_json: bool, quiet: bool) -> None:
    """Show what would be built from a folder, and the Dockerfile: draas detect ./shop

    What .gitignore and .dockerignore leave out is not looked at. To change the Dockerfile, save it:
    draas detect --quiet >Dockerfile

    Exits with 1, and lists what was looked for, where nothing is recognised.
    """
    from draas.build.context import find_context
    from draas.build.detect import detect as recognise
    from draas.build.dockerfile import render_dockerfile
    from draas.build.recipe import OwnDockerfile
    from draas.build.tree import read_source
    from draas.model.errors import DraasError

    chosen: Any = bases_of(bases)
    try:
        found = find_context(Path(folder))
        source = read_source(Path(folder), found)
        recipe = recognise(source)
        own = isinstance(recipe, OwnDockerfile)
        text = source.text(recipe.path) if isinstance(recipe, OwnDockerfile) else render_dockerfile(recipe, chosen)
    except DraasError as error:
        refuse(error, as_json=as_json)
    files = [thing for thing in found if not thing.is_folder]
    told: dict[str, Any] = {
        "kind": KINDS[type(recipe).__name__],
        "because": list(recipe.because),
        "folder": recipe.folder or ".",
        "port": recipe.port,
        "files": len(files),
        "total_bytes": sum(thing.size_bytes for thing in files),
        "generated": not own,
        "dockerfile": text,
    }
    if as_json:
        print_json(told)
        return
    if not quiet:
        print_fields(_fields(told))
        click.echo()
    click.echo(plain(text, keep_lines=True).rstrip("\n"))


def bases_of(given: tuple[str, ...]) -> dict[str, str]:
    """`python=registry.example/python:3.13` by kind. Raises click.UsageError."""
    from draas.build.recipe import BASES

    pairs = [item.partition("=") for item in given]
    for kind, _, image in pairs:
        if kind not in BASES or not image or not image.isprintable() or " " in image:
            raise click.UsageError(f"--base must be KIND=IMAGE with KIND one of {', '.join(BASES)}, not {kind}={image}")
    return {kind: image for kind, _, image in pairs}


def _fields(told: dict[str, Any]) -> dict[str, str | None]:
    return {
        "kind": told["kind"],
        "found": ", ".join(told["because"]),
        "folder": told["folder"],
        "port": str(told["port"] or "none told by EXPOSE"),
        "source": f"{told['files']} files, {size(told['total_bytes'])}",
        "Dockerfile": "generated, as below" if told["generated"] else "the project's own, as below",
    }


def refuse(error: Any, *, as_json: bool) -> NoReturn:
    """Say why a source cannot be built, with what was looked for where nothing was recognised, and end with 1."""
    looked_for = tuple(getattr(error, "looked_for", ()))
    if as_json:
        print_json({"error": error.detail, "looked_for": list(looked_for)})
        raise SystemExit(FAILED)
    fail("\n  ".join([f"{error.detail}; looked for:" if looked_for else error.detail, *looked_for]), FAILED)
