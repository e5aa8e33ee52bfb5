"""Constraints as users write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draas.model.constraint import MAX_LENGTH, parse_constraint
from draas.model.errors import Invalid
from draas.testing.builders import a_node

NODE = a_node("alpha", labels={"disk": "ssd", "zone/name": "a b"}, arch="arm64")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("node.arch == arm64", True),
        ("node.arch == aarch64", True),
        ("node.arch == amd64", False),
        ("node.arch != x86_64", True),
        ("node.os == linux", True),
        ("node.name == alpha", True),
        ("node.id == n-alpha", True),
        ("node.name in bravo, alpha", True),
        ("node.name not in bravo, alpha", False),
        ("node.name  not   in  bravo", True),
        ("node.labels.disk==ssd", True),
        ('node.labels.disk == "ssd"', True),
        ("node.labels.disk in nvme,ssd", True),
        ("node.labels.disk != ssd", False),
        ("node.labels.gpu == a100", False),
        ("node.labels.gpu != a100", True),
        ("node.labels.gpu not in a100, h100", True),
        ("node.labels.zone/name == 'a b'", True),
    ],
)
def test_what_holds_of_a_node(text: str, holds: bool) -> None:
    assert parse_constraint(text).holds(NODE) is holds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a constraint"),
        ("node.arch", "is not a constraint"),
        ("node.arch = amd64", "is not a constraint"),
        ("node.arch === amd64", "too many equals signs"),
        ("node.arch ==", "lacks a value"),
        ("node.name in alpha,,bravo", "lacks a value"),
        ("node.arhc == amd64", "did you mean node.arch"),
        ("arch == amd64", "did you mean node.arch"),
        ("node.labels. == x", "is not a label name"),
        ("node.labels.-x == x", "is not a label name"),
        ("node.arch == amd64\nnode.os == linux", "one line"),
        ("node.name == \0", "printable"),
        ("node.name in " + "a" * MAX_LENGTH, "use a label instead"),
    ],
)
def test_what_is_refused_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        parse_constraint(text)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    try:
        parsed = parse_constraint(text)
    except Invalid:
        return
    assert parse_constraint(str(parsed)).holds(NODE) is parsed.holds(NODE)


@given(
    st.sampled_from(["node.arch", "node.name", "node.labels.disk"]),
    st.sampled_from(["==", "!=", "in", "not in"]),
    st.lists(st.text("abcdefgh0123456789.-", min_size=1, max_size=8), min_size=1, max_size=3),
)
def test_a_constraint_written_out_reads_as_itself(attribute: str, operator: str, values: list[str]) -> None:
    given_values = values if "in" in operator else values[:1]
    parsed = parse_constraint(f"{attribute} {operator} {', '.join(given_values)}")
    assert parse_constraint(str(parsed)) == parsed
