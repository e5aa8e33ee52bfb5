"""A source tree as detection sees it: which files there are, and the text of a few small ones. Pure."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from draas.build.recipe import NotRecognised

READ_NAMES = frozenset(
    [
        "Dockerfile",
        "Procfile",
        "requirements.txt",
        "pyproject.toml",
        "package.json",
        "go.mod",
        ".python-version",
        ".nvmrc",
        ".node-version",
        "runtime.txt",
    ]
)
MOST_READ_BYTES = 256 * 1024  # of one file: a manifest or an entry point is never longer
MOST_READ_FILES = 200
_PYTHON_DEPTH = 3  # shop/src/shop/app.py
_WEB = re.compile(r"^web\s*:\s*(\S.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`files` are paths, with `/`; `texts` holds the content of those of files_to_read that could be read."""

    files: frozenset[str]
    texts: Mapping[str, str]

    def has(self, path: str) -> bool:
        """Whether the file is there."""
        return path in self.files

    def text(self, path: str) -> str:
        """The file's content, "" where it is not there or was not read."""
        return self.texts.get(path, "")

    def inside(self, folder: str) -> "Source":
        """The tree below `folder`."""
        if not folder:
            return self
        head = f"{folder}/"
        return Source(
            files=frozenset(path[len(head) :] for path in self.files if path.startswith(head)),
            texts={path[len(head) :]: text for path, text in self.texts.items() if path.startswith(head)},
        )


def files_to_read(files: frozenset[str]) -> list[str]:
    """Those whose content decides anything, the likeliest first."""
    wanted = [
        path
        for path in files
        if path.rpartition("/")[2] in READ_NAMES
        or (path.endswith(".py") and path.count("/") <= _PYTHON_DEPTH)
        or (path.endswith(".txt") and "/" not in path)
        or (path.endswith("main.go") and path.count("/") <= _PYTHON_DEPTH)
    ]
    return sorted(wanted, key=lambda path: (path.count("/"), path.rpartition("/")[2] not in READ_NAMES, path))[
        :MOST_READ_FILES
    ]


def procfile_web(source: Source) -> str | None:
    """The command of the Procfile's `web:` line."""
    found = _WEB.search(source.text("Procfile"))
    return found[1] if found else None


def toml_of(source: Source, path: str) -> dict[str, Any]:
    """The file's content, {} where it is not there. Raises NotRecognised where it is malformed."""
    try:
        return tomllib.loads(source.text(path))
    except tomllib.TOMLDecodeError as error:
        raise NotRecognised(f"{path} is not valid TOML ({error}): correct it") from None


def json_of(source: Source, path: str) -> dict[str, Any]:
    """The file's content, an object. Raises NotRecognised where it is malformed."""
    try:
        content = json.loads(source.text(path))
    except (ValueError, RecursionError) as error:
        raise NotRecognised(f"{path} is not valid JSON ({error}): correct it") from None
    if not isinstance(content, dict):
        raise NotRecognised(f"{path} is no JSON object: correct it")
    return content


def table(of: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The table at `names`, {} where something else or nothing is there."""
    found: Any = of
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
