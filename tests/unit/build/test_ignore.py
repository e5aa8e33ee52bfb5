"""What belongs to a folder's source: .gitignore as git has it, .dockerignore as Docker has it, and both together."""

import subprocess
from pathlib import Path

import pytest

from draas.build.context import find_context
from draas.build.dockerignore import docker_patterns, docker_verdict
from draas.model.errors import Invalid


def make(root: Path, *paths: str, **texts: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    for name, text in texts.items():
        (root / f".{name}").write_text(text)
    return root


def belongs(root: Path) -> set[str]:
    return {thing.path for thing in find_context(root) if not thing.is_folder} - {".gitignore", ".dockerignore"}


def test_without_either_file_the_usual_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "app.py", "a/node_modules/x/y", ".venv/bin/python", "__pycache__/a.pyc", ".git/config", ".env")
    assert belongs(tmp_path) == {"app.py", ".env"}


def test_with_one_only_what_it_says_and_git_itself(tmp_path: Path) -> None:
    make(tmp_path, "app.py", "node_modules/x", ".git/config", "sub/.git", dockerignore="")
    assert belongs(tmp_path) == {"app.py", "node_modules/x"}
    (tmp_path / ".dockerignore").write_text("!.git\n!**/.git\n")
    assert belongs(tmp_path) == {"app.py", "node_modules/x"}


def test_dockerignore_has_the_last_word(tmp_path: Path) -> None:
    make(tmp_path, "dist/a", "dist/b/c", "log/x", "app", gitignore="dist/\nlog/\n", dockerignore="!dist\ndist/b\n")
    assert belongs(tmp_path) == {"dist/a", "app"}


def test_an_exception_inside_of_what_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a/b/keep", "a/b/drop", "a/c/drop", "x", dockerignore="*\n!a/b/keep\n")
    assert belongs(tmp_path) == {"a/b/keep"}
    assert [thing.path for thing in find_context(tmp_path) if thing.is_folder] == ["a", "a/b"]


def test_dockerfile_is_always_there(tmp_path: Path) -> None:
    make(tmp_path, "Dockerfile", "a", dockerignore="*\n")
    assert {thing.path for thing in find_context(tmp_path)} == {"Dockerfile", ".dockerignore"}


def test_inner_gitignore_rules_its_folder(tmp_path: Path) -> None:
    make(tmp_path, "a.log", "sub/a.log", "sub/b.tmp", "b.tmp", gitignore="*.log\n")
    (tmp_path / "sub" / ".gitignore").write_text("!a.log\n/b.tmp\n")
    assert belongs(tmp_path) == {"sub/a.log", "b.tmp", "sub/.gitignore"}


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", None),
        ("**/*.md", "docs/README.md", True),
        ("**/*.md", "README.md", True),
        ("*.md\n!README.md", "README.md", False),
        ("!README.md\n*.md", "README.md", True),
        ("/temp", "temp/inside/of", True),
        ("temp/", "temp/inside", True),
        ("*/temp*", "a/temporary.txt", True),
        ("*/temp*", "a/b/temporary.txt", None),
        ("temp?", "tempa", True),
        ("temp?", "temp", None),
        ("temp?", "temp/", None),
        ("a[0-9]", "a5", True),
        ("a[^0-9]", "a5", None),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**", "a/b/c", True),
        ("# comment\n\n", "# comment", None),
        ("./a/../b", "b", True),
        ("\\*", "*", True),
        ("\\*", "a", None),
        ("a.b", "axb", None),
    ],
)
def test_dockerignore_patterns(patterns: str, path: str, expected: bool | None) -> None:
    assert docker_verdict(docker_patterns(patterns), path) is expected


RULES = (
    "*.log\n!keep.log\n/root\nbuild/\na/**\n!a/x\n**/deep/*.c\nmid/*/leaf\ntrail \\ \n\\#hash\n[z-a]\nfoo[\n?q\nw*/\n"
)
TREE = [
    "a.log",
    "d/keep.log",
    "root",
    "d/root",
    "build/x",
    "d/build/y",
    "a/x",
    "a/y/z",
    "p/deep/m.c",
    "deep/n.c",
    "mid/1/leaf",
    "mid/1/2/leaf",
    "#hash",
    "xq",
    "w1/in",
    "w2",
    "plain",
]


@pytest.mark.needs("git")
def test_the_same_as_git(tmp_path: Path) -> None:
    make(tmp_path, *TREE, gitignore=RULES)
    git = ["git", "-c", "core.excludesFile=/dev/null", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True, timeout=20)
    listed = subprocess.run(
        [*git, "ls-files", "-z", "--others", "--exclude-standard"], check=True, timeout=20, capture_output=True
    )
    assert belongs(tmp_path) == set(listed.stdout.decode().strip("\0").split("\0")) - {".gitignore"}


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="is no folder: name the one"):
        find_context(tmp_path / "missing")


@pytest.mark.parametrize("pattern", ["a[", "[z-a]"])
def test_a_malformed_dockerignore_is_an_error(pattern: str, tmp_path: Path) -> None:
    make(tmp_path, "a", dockerignore=f"ok\n{pattern}\n")
    with pytest.raises(Invalid, match=r"dockerignore' has a malformed pattern in line 2 .*: close the bracket"):
        find_context(tmp_path)
