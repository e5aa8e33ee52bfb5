""".dockerignore: patterns from the root, the last one that matches decides, `!` takes back. Pure.

Source: "Dockerfile reference", section .dockerignore file; Go's filepath.Match plus `**`.
"""

import re
from dataclasses import dataclass
from typing import Any

import re2

from draas.build.refusal import refused

_WILD = re.compile(r"[*?\[\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerPattern:
    """One line. `literal` is what stands before its first wildcard, by which a folder is known to hold no match."""

    takes_back: bool
    literal: str
    expression: Any


def docker_patterns(text: str) -> tuple[DockerPattern, ...]:
    """The patterns of a .dockerignore. Raises Invalid for a line that is none, as Docker does: what was meant to stay out must not go along."""
    found = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if line.startswith("#") or not line.strip():
            continue
        takes_back = line.strip().startswith("!")
        pattern = _cleaned(line.strip().removeprefix("!").strip())
        if not pattern:
            continue
        try:
            expression = re2.compile(_expression(pattern))
        except re2.error:
            told = f"has a malformed pattern in line {number} ({line.strip()[:40]!r})"
            raise refused(".dockerignore", told, "close the bracket, or write \\[ for the character") from None
        literal = _WILD.split(pattern, maxsplit=1)[0]
        found.append(DockerPattern(takes_back=takes_back, literal=literal, expression=expression))
    return tuple(found)


def docker_verdict(patterns: tuple[DockerPattern, ...], path: str) -> bool | None:
    """True: left out; False: taken back; None: no pattern matches `path` or a folder above it."""
    verdict: bool | None = None
    for pattern in patterns:
        if pattern.expression.fullmatch(path):
            verdict = not pattern.takes_back
    return verdict


def may_be_taken_back(patterns: tuple[DockerPattern, ...], folder: str) -> bool:
    """Whether something inside of `folder` may be taken back by a pattern."""
    inside = f"{folder}/"
    return any(
        pattern.takes_back and (inside.startswith(pattern.literal) or pattern.literal.startswith(inside))
        for pattern in patterns
    )


def _cleaned(pattern: str) -> str:
    """Without slashes at its ends, `.` and `..` as Go's filepath.Clean has it; "" where nothing is left."""
    parts: list[str] = []
    for part in pattern.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)


def _expression(pattern: str) -> str:
    """As a regular expression that also matches everything inside of what it names."""
    out, at = [], 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            out.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("**", at):
            out.append(".*")
            at += 2
        elif pattern[at] == "*":
            out.append("[^/]*")
            at += 1
        elif pattern[at] == "?":
            out.append("[^/]")
            at += 1
        elif pattern[at] == "[":
            end = pattern.find("]", at + 2)
            out.append(pattern[at : end + 1] if end > 0 else "[")  # an open one does not compile
            at = end + 1 if end > 0 else at + 1
        elif pattern[at] == "\\" and at + 1 < len(pattern):
            out.append(re.escape(pattern[at + 1]))
            at += 2
        else:
            out.append(re.escape(pattern[at]))
            at += 1
    return f"(?s){''.join(out)}(?:/.*)?"
