"""A changed copy of a frozen value."""

import dataclasses

import pytest

from draas.lib.values import replace


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int | None = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    x: int

    def __post_init__(self) -> None:
        assert self.x


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    kind: str
    old: str = ""
    make: str = ""
    same: str = ""


def test_a_field_may_have_any_name() -> None:
    assert replace(Odd(kind="a", old="b", make="c", same="d"), old="e") == Odd(kind="a", old="e", make="c", same="d")


def test_only_what_is_named_changes() -> None:
    point = Point(x=1, y=2)
    assert replace(point, y=5) == Point(x=1, y=5)
    assert point == Point(x=1, y=2)


def test_none_is_a_value() -> None:
    assert replace(Point(x=1), y=None) == Point(x=1, y=None)


def test_the_copy_is_as_frozen_as_the_first() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        replace(Point(x=1), y=2).x = 3  # type: ignore[misc]


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="z"):
        replace(Point(x=1), z=3)


def test_a_class_that_checks_its_values_is_refused() -> None:
    with pytest.raises(TypeError, match="Checked"):
        replace(Checked(1), x=0)
