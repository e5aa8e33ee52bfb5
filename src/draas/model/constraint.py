"""Constraint: what a job demands of its node, such as `node.arch == amd64`."""

import re
from typing import NamedTuple

from draas.model.errors import Invalid

_FORM = re.compile(r"^\s*(node\.[A-Za-z0-9][A-Za-z0-9._/-]*)\s*(==|!=)\s*(\S.*?)\s*$")


class Constraint(NamedTuple):
    """`attribute` of the node compared with `value`."""

    attribute: str
    operator: str
    value: str


def parse_constraint(text: str) -> Constraint:
    """The constraint that `text` states. Raises Invalid where it is none."""
    found = _FORM.match(text)
    if found is None:
        raise Invalid(
            f"{text[:80]!r} is no constraint: write for example node.arch == amd64 or node.labels.disk != ssd"
        )
    return Constraint(found[1], found[2], found[3])
