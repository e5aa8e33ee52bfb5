"""Which files of a folder belong to what is built: .gitignore first, then .dockerignore, and never .git. Pure.

Where both say something, .dockerignore does: `!dist` there brings back what .gitignore leaves out.
"""

import re
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from draas.build.dockerignore import DockerPattern, docker_patterns, docker_verdict, may_be_taken_back

GITIGNORE, DOCKERIGNORE = ".gitignore", ".dockerignore"
ALWAYS_OUT = ".git"  # a folder, or in a worktree or submodule a file
# Without either file: what is made again on any machine, and does not run on another one.
USUAL = "node_modules/\n.venv/\nvenv/\n__pycache__/\n.DS_Store\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRules:
    """One .gitignore and the folder it stands in ("" is the root)."""

    folder: str
    spec: GitIgnoreSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds in one folder: the .gitignore files from the root down to it, and the root's .dockerignore."""

    git: tuple[GitRules, ...] = ()
    docker: tuple[DockerPattern, ...] = ()


def rules_at_root(gitignore: str | None, dockerignore: str | None) -> Rules:
    """From the texts of the root's files; None where there is no such file."""
    if gitignore is None and dockerignore is None:
        gitignore = USUAL
    return Rules(git=_git_rules("", gitignore), docker=docker_patterns(dockerignore or ""))


def rules_inside(rules: Rules, folder: str, gitignore: str | None) -> Rules:
    """The rules in `folder`, given those above it and the text of its own .gitignore."""
    own = _git_rules(folder, gitignore)
    return Rules(git=(*rules.git, *own), docker=rules.docker) if own else rules


def is_left_out(rules: Rules, path: str, *, is_folder: bool, above: bool = False) -> bool:
    """Whether `path` does not belong. `above`: whether git leaves out the folder it is in, which no .gitignore takes back."""
    if path.rpartition("/")[2] == ALWAYS_OUT:
        return True
    verdict = docker_verdict(rules.docker, path)
    return verdict if verdict is not None else above or is_left_out_by_git(rules, path, is_folder=is_folder)


def is_left_out_by_git(rules: Rules, path: str, *, is_folder: bool) -> bool:
    """What the innermost .gitignore with a matching pattern says."""
    for ruling in reversed(rules.git):
        inside = path[len(ruling.folder) + 1 :] if ruling.folder else path
        verdict = ruling.spec.check_file(f"{inside}/" if is_folder else inside).include
        if verdict is not None:
            return verdict
    return False


def must_be_looked_into(rules: Rules, folder: str) -> bool:
    """Whether a folder that is left out may still hold something that belongs."""
    return folder.rpartition("/")[2] != ALWAYS_OUT and may_be_taken_back(rules.docker, folder)


def _git_rules(folder: str, text: str | None) -> tuple[GitRules, ...]:
    if text is None:
        return ()
    # `a/**` leaves out what is in `a` and not `a` itself; as `a/*` the library has it so too.
    lines = [re.sub(r"/\*\*$", "/*", line) for line in text.removeprefix("\ufeff").splitlines()]
    # RE2: a pattern from an upload must not take the controller's time.
    spec = GitIgnoreSpec.from_lines([line for line in lines if _is_pattern(line)], backend="re2")
    return (GitRules(folder=folder, spec=spec),)


def _is_pattern(line: str) -> bool:
    """Whether the library takes the line; git itself takes a malformed one for a pattern that matches nothing."""
    try:
        GitIgnoreSpec.from_lines([line], backend="re2")
    except (ValueError, re.error):
        return False
    return True
