"""Which bytes a Range asks for, and where a chunk belongs."""

import pytest

from draas.model.errors import Invalid
from draas.server.registry.ranges import Unsatisfiable, parse_content_range, parse_range


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=3-5", 3, 5),
        ("bytes=3-", 3, 9),
        ("bytes=3-99", 3, 9),
        ("bytes=-3", 7, 9),
        ("bytes=-99", 0, 9),
        (" Bytes=9-9 ", 9, 9),
    ],
)
def test_a_part_of_ten_bytes(header: str, first: int, last: int) -> None:
    part = parse_range(header, 10)
    assert part is not None
    assert (part.first, part.last, part.length) == (first, last, last - first + 1)


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=5-3", "bytes=0-1,4-5", "lines=0-1", "bytes=a-b", "bytes=٣-٥"],
)
def test_all_of_it_where_no_single_range_is_asked_for(header: str | None) -> None:
    assert parse_range(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_a_range_with_nothing_in_it(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, size)


def test_the_end_of_an_empty_blob_is_not_satisfiable() -> None:
    with pytest.raises(Unsatisfiable):
        parse_range("bytes=-5", 0)


def test_the_place_of_a_chunk() -> None:
    assert parse_content_range("0-0").length == 1
    assert parse_content_range("10-19") == (10, 19)
    for wrong in ("", "5-4", "a-b", "0-", "-5", "bytes 0-5/10", "bytes=0-5", "0-5/10", "-1-5", "0-" + "9" * 40, "٣-٥"):
        with pytest.raises(Invalid, match="FIRST-LAST"):
            parse_content_range(wrong)
