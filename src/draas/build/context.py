"""The files of a folder on disk that belong to what is built from it, in one order for all machines."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from draas.build.ignore import (
    DOCKERIGNORE,
    GITIGNORE,
    Rules,
    is_left_out,
    is_left_out_by_git,
    must_be_looked_into,
    rules_at_root,
    rules_inside,
)
from draas.build.refusal import refused
from draas.model.errors import Invalid

MOST_IGNORE_BYTES = 1024**2
ALWAYS_IN = ("Dockerfile", DOCKERIGNORE)  # the builder itself needs them, whatever they say of themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing that belongs: `path` with `/`, relative to the folder; `mode` as lstat has it."""

    path: str
    mode: int
    size_bytes: int

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)


def find_context(folder: Path, *, packed: bool = False) -> list[Found]:
    """All that belongs, sorted by path; folders only where they hold something, or nothing of theirs was left out.

    `packed`: the folder is what somebody packed or committed, so that .gitignore has had its say, and .dockerignore alone leaves out.

    Raises Invalid where `folder` is none, cannot be read, or a name in it is not UTF-8.
    """
    if not folder.is_dir():
        raise Invalid(f"{folder} is no folder: name the one with the source")
    try:
        gitignore = "" if packed else _text_of(folder / GITIGNORE)
        rules = rules_at_root(gitignore, _text_of(folder / DOCKERIGNORE))
        found = list(_walk(folder, "", rules, left_out=False, by_git=False, packed=packed))
    except OSError as error:
        raise Invalid(
            f"{error.filename} cannot be read ({error.strerror}): make it readable, or leave it out"
        ) from None
    return sorted(found, key=lambda thing: thing.path.split("/"))


def _walk(root: Path, folder: str, rules: Rules, *, left_out: bool, by_git: bool, packed: bool) -> Iterator[Found]:
    with os.scandir(root / folder) as listing:
        items = list(listing)
    if folder and not by_git and not packed:
        rules = rules_inside(rules, folder, _text_of(root / folder / GITIGNORE))
    for item in items:
        path = f"{folder}/{item.name}" if folder else item.name
        _check_utf8(path)
        status = item.stat(follow_symlinks=False)
        is_folder = stat.S_ISDIR(status.st_mode)
        out = is_left_out(rules, path, is_folder=is_folder, above=by_git) and path not in ALWAYS_IN
        if is_folder:
            git = by_git or is_left_out_by_git(rules, path, is_folder=True)
            if out and not must_be_looked_into(rules, path):
                continue
            inside = list(_walk(root, path, rules, left_out=out, by_git=git, packed=packed))
            if inside or not out:
                yield Found(path=path, mode=status.st_mode, size_bytes=0)
            yield from inside
        elif not out:
            yield Found(path=path, mode=status.st_mode, size_bytes=status.st_size)


def _text_of(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as opened:
        raw = opened.read(MOST_IGNORE_BYTES + 1)
    if len(raw) > MOST_IGNORE_BYTES:
        raise refused(path.name, f"is larger than {MOST_IGNORE_BYTES} bytes", "shorten it")
    return raw.decode(errors="replace")


def _check_utf8(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise refused(path, "has a name that is not UTF-8", "rename it, or leave it out in .dockerignore") from None
