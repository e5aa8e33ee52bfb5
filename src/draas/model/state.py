"""State machines as tables: what may follow what, and the one function that moves."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

S = TypeVar("S", bound=StrEnum)
Table = Mapping[S, frozenset[S]]


class IllegalMove(Exception):
    """A move that the table does not have: a defect of ours, told with the object's whole story."""


def advance(table: Mapping[S, frozenset[S]], old: S, new: S, story: object) -> S:
    """Return `new` if the table allows `old` > `new`.

    Raises IllegalMove with `story` (the object as it stands) otherwise.
    """
    if new not in table[old]:
        raise IllegalMove(f"{type(old).__name__} cannot go from {old} to {new}: {story!r}")
    return new


def is_final(table: Mapping[S, frozenset[S]], state: S) -> bool:
    """Whether nothing can follow `state`."""
    return not table[state]


def render_mermaid(table: Mapping[S, frozenset[S]]) -> str:
    """The table as a Mermaid state diagram; the pictures in docs/internals/states.md are made by this."""
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(table))}"]
    for old, followers in table.items():
        lines += [f"    {old} --> {new}" for new in sorted(followers)]
        lines += [f"    {old} --> [*]"] if not followers else []
    return "\n".join(lines) + "\n"
