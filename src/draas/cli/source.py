"""What is given to be built: a folder, an archive, or the URL of a git repository; and the name that an app gets from it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import click

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")
_GIT = re.compile(r"(?:https?|ssh|git)://\S+|[\w.-]+@[\w.-]+:\S+")
MAX_NAME = 40  # as of an app's name: draas.wire.app_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder on this machine."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A zip, tar or tar.gz on this machine, sent as it is."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """A repository that the builder fetches; #BRANCH, #TAG or #COMMIT may follow the URL."""

    url: str


Given = Folder | Archive | Git


def source_of(text: str) -> Given:
    """What `text` means. Raises click.UsageError."""
    if _GIT.fullmatch(text):
        return Git(url=text)
    path = Path(text)
    if path.is_dir():
        return Folder(path=path)
    if path.is_file() and path.name.lower().endswith(ARCHIVES):
        return Archive(path=path)
    if path.exists():
        raise click.UsageError(f"{text} is neither a folder nor an archive ({', '.join(ARCHIVES)})")
    raise click.UsageError(f"{text} is not there: name a folder, an archive ({', '.join(ARCHIVES)}) or a git URL")


def name_of_source(given: Given) -> str:
    """The app's name where none is given: `./My_Shop` > my-shop. "" where there is nothing to make one of."""
    match given:
        case Folder(path=path):
            return valid_name(path.resolve().name)
        case Archive(path=path):
            lower = path.name.lower()
            ending = next(ending for ending in ARCHIVES if lower.endswith(ending))
            return valid_name(lower.removesuffix(ending))
        case Git(url=url):
            last = re.split(r"[/:]", url.partition("#")[0].rstrip("/"))[-1]
            return valid_name(last.removesuffix(".git"))
        case _:
            assert_never(given)


def valid_name(text: str) -> str:
    """`text` as an app's name: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_NAME].rstrip("-")
