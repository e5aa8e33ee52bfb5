"""What is built of an unpacked source: which folder, by which Dockerfile."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from draas.build.context import find_context
from draas.build.detect import detect, only_folder
from draas.build.dockerfile import MADE_BY, render_dockerfile
from draas.build.recipe import KINDS, NotRecognised, OwnDockerfile, Recipe
from draas.build.source import Source
from draas.build.tree import read_source
from draas.model.errors import Invalid

MOST_DOCKERFILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`context` is the folder that goes to the builder; `text` the Dockerfile, `made` whether it was made: here, or (`sent`) for whoever
    sent it along and saw it.

    `ignore` is the text of a .dockerignore that belongs to this Dockerfile alone.
    """

    context: Path
    text: str
    made: bool
    sent: bool
    kind: str
    because: tuple[str, ...]
    port: int | None
    ignore: str | None = None


def plan_build(tree: Path, folder: str, dockerfile: str) -> Plan:
    """What to build in `tree`. Raises Invalid, NotRecognised with what was looked for."""
    root = _find(tree, folder, "folder") if folder else tree
    source = read_source(root, find_context(root, packed=True))
    if dockerfile:
        path = _find(root, dockerfile, "dockerfile")
        top = "" if path == root / dockerfile else only_folder(source)
        recipe: Recipe = OwnDockerfile(path=path.relative_to(root).as_posix(), folder=top, because=(dockerfile,))
    else:
        recipe = detect(source)
    own = isinstance(recipe, OwnDockerfile)
    text = _read(root, root / recipe.path) if isinstance(recipe, OwnDockerfile) else render_dockerfile(recipe)
    sent = own and text.startswith(MADE_BY)
    told = (_made_for(source, recipe) if sent else None) or recipe
    ignore = root / f"{recipe.path}.dockerignore" if isinstance(recipe, OwnDockerfile) else None
    return Plan(
        context=root / recipe.folder,
        text=text,
        made=sent or not own,
        sent=sent,
        kind=KINDS[type(told)],
        because=told.because,
        port=recipe.port or told.port,
        ignore=_read(root, ignore) if ignore is not None and ignore.is_file() else None,
    )


def _made_for(source: Source, recipe: Recipe) -> Recipe | None:
    """What a Dockerfile that came along was made for; None where it is nothing that is recognised."""
    assert isinstance(recipe, OwnDockerfile)
    try:
        return detect(Source(files=source.files - {recipe.path}, texts=source.texts))
    except NotRecognised:
        return None


def _find(tree: Path, path: str, field: str) -> Path:
    """`path` in `tree`, or in the only folder there, as in archives that code hosts make. Raises Invalid where it is not there or leads out."""
    if path.startswith("/") or ".." in PurePosixPath(path).parts or not path.isprintable():
        raise Invalid(f"{path[:120]!r} leads out of the source: give its {field} as a path inside of it")
    entries = list(tree.iterdir())
    tops = [tree, *(entry for entry in entries if len(entries) == 1)]
    for found in (top / path for top in tops):
        if _is_inside(tree, found) and (found.is_dir() if field == "folder" else found.is_file()):
            return found
    raise Invalid(f"the source has no {field} {path[:120]!r}: give its path as it is in the source")


def _is_inside(tree: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(tree.resolve())


def _read(root: Path, path: Path) -> str:
    if not _is_inside(root, path):
        raise Invalid(f"{path.name} is a link out of the folder that is built: replace it by the file")
    if path.stat().st_size > MOST_DOCKERFILE_BYTES:
        raise Invalid(f"{path.name} is larger than {MOST_DOCKERFILE_BYTES} bytes: it should be a text of some lines")
    return path.read_bytes().decode(errors="replace")


def explain(wrong: Invalid) -> str:
    """The sentence, with what was looked for."""
    looked_for = wrong.looked_for if isinstance(wrong, NotRecognised) else ()
    return wrong.detail + (f" (looked for: {'; '.join(looked_for)})" if looked_for else "")


def size_of(folder: Path) -> tuple[int, int]:
    """How many files there are, and their bytes together."""
    sizes = [os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names]
    return len(sizes), sum(sizes)
