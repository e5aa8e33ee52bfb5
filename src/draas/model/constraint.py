"""Constraint: one condition that a job puts on its node, such as `node.arch == amd64`."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache

from draas.model.errors import Invalid
from draas.model.node import Node

ATTRIBUTES = ("node.arch", "node.id", "node.name", "node.os")
LABEL_PREFIX = "node.labels."
MAX_LENGTH = 512  # a list of some forty node names; longer ones belong into a label
# What uname and some tools call an architecture, and what Docker and therefore nodes call it.
_ARCH_ALIASES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armv8": "arm64",
    "i386": "386",
    "i686": "386",
}
_SHAPE = re.compile(
    r"(?P<attribute>[^\s=!<>]+)\s*(?P<operator>==|!=|(?<=\s)not\s+in(?=\s)|(?<=\s)in(?=\s))(?P<values>.*)"
)
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")
_EXAMPLE = 'for example "node.arch == amd64" or "node.labels.disk in ssd, nvme"'


class Operator(StrEnum):
    IS = "=="
    IS_NOT = "!="
    IN = "in"
    NOT_IN = "not in"


_DENIALS = frozenset({Operator.IS_NOT, Operator.NOT_IN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """`attribute` of the node must (not) be one of `values`. A label that the node lacks equals nothing."""

    attribute: str
    operator: Operator
    values: tuple[str, ...]

    def holds(self, node: Node) -> bool:
        """Whether `node` satisfies it."""
        return (value_of(self.attribute, node) in self.values) != (self.operator in _DENIALS)

    def __str__(self) -> str:
        return f"{self.attribute} {self.operator} {', '.join(self.values)}"


def value_of(attribute: str, node: Node) -> str | None:
    """What `node` has there; None for a label that it lacks."""
    match attribute:
        case "node.arch":
            return _ARCH_ALIASES.get(node.facts.arch, node.facts.arch)
        case "node.id":
            return node.id
        case "node.name":
            return node.name
        case "node.os":
            return node.facts.os
        case _:
            return node.label(attribute.removeprefix(LABEL_PREFIX))


@lru_cache(maxsize=4096)
def parse_constraint(text: str) -> Constraint:
    """Read `attribute operator value[, value …]`; values may stand in quotes.

    Raises Invalid, which says what is wrong with it and how it is written.
    """
    if len(text) > MAX_LENGTH:
        raise Invalid(f"a constraint may have {MAX_LENGTH} characters, this one has {len(text)}: use a label instead")
    if not text.isprintable():
        raise Invalid(f"a constraint is one line of printable characters, {_EXAMPLE}")
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        raise Invalid(
            f'"{_shorten(text)}" is not a constraint: write an attribute, one of ==, !=, in, not in, and a value, {_EXAMPLE}'
        )
    attribute = _check_attribute(found["attribute"])
    operator = Operator(" ".join(found["operator"].split()))
    values = _read_values(text, operator, found["values"])
    if attribute == "node.arch":
        values = tuple(_ARCH_ALIASES.get(value, value) for value in values)
    return Constraint(attribute=attribute, operator=operator, values=values)


def _check_attribute(name: str) -> str:
    if name in ATTRIBUTES:
        return name
    if name.startswith(LABEL_PREFIX):
        label = name.removeprefix(LABEL_PREFIX)
        if _LABEL.fullmatch(label):
            return name
        raise Invalid(f'"{_shorten(label)}" is not a label name: use letters, digits and . _ / - between them')
    known = (*ATTRIBUTES, f"{LABEL_PREFIX}NAME")
    near = get_close_matches(name, known, n=1) or get_close_matches(f"node.{name}", known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise Invalid(f'"{_shorten(name)}" is not known of a node: {hint}(known: {", ".join(known)})')


def _read_values(text: str, operator: Operator, given: str) -> tuple[str, ...]:
    pieces = given.split(",") if operator in {Operator.IN, Operator.NOT_IN} else [given]
    values = tuple(_unquote(piece.strip()) for piece in pieces)
    if not all(values):
        raise Invalid(f'"{_shorten(text)}" lacks a value after "{operator}", {_EXAMPLE}')
    if any(value.startswith("=") for value in values):
        raise Invalid(f'"{_shorten(text)}" has too many equals signs: write ==')
    return values


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'" else text


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
