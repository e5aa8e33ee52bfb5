"""What reaches a terminal: safe, one line a row, and no wider than it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draas.cli.output import cores
from draas.cli.table import NARROWEST, lay_out, narrow
from draas.cli.text import cut, first_line, pad, plain, short_image, width_of


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\x1b[31mred", "a [31mred"),
        ("a\r\nb\tc", "a  b c"),
        ("title\x1b]0;x\x07", "title ]0;x "),
        ("c1\x9b31m", "c1 31m"),
        ("turned\u202egnp.exe", "turned gnp.exe"),
        ("Grüße 日本 🙂", "Grüße 日本 🙂"),
    ],
)
def test_nothing_moves_the_cursor(hostile: str, shown: str) -> None:
    assert plain(hostile) == shown


@given(st.text())
def test_plain_text_prints_only_what_is_printed(text: str) -> None:
    assert plain(text).isprintable()
    assert len(plain(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "line"), [("one", "one"), ("one\ntwo", "one …"), ("\n  one\n\n", "one"), ("", ""), ("\n \n", "")]
)
def test_the_first_line_says_that_there_are_more(text: str, line: str) -> None:
    assert first_line(text) == line


@given(st.text(), st.integers(1, 30))
def test_cut_text_fits(text: str, width: int) -> None:
    assert width_of(cut(plain(text), width)) <= width


def test_wide_characters_count_twice_and_combining_ones_not() -> None:
    assert width_of("日本") == 4
    assert width_of("e\u0301") == 1
    assert cut("日本語", 4) == "日…"
    assert pad("日本", 6) == "日本  "


def test_a_row_is_one_line_whatever_its_cells_hold() -> None:
    table = lay_out(("ID", "COMMAND"), [["j-1", "echo a\necho b"], ["j-2", "x\x1b[2J"]], None, ())
    assert table.rows == (("j-1", "echo a …"), ("j-2", "x [2J"))
    assert table.widths == (3, 8)


def test_what_may_be_cut_is_cut_to_the_room() -> None:
    table = lay_out(("ID", "COMMAND"), [["j-123456789012", "x" * 200]], 40, ("COMMAND",))
    assert table.rows == (("j-123456789012", "x" * 23 + "…"),)
    assert sum(table.widths) + 2 == 40


def test_ids_stay_whole_even_where_they_do_not_fit() -> None:
    table = lay_out(("ID", "COMMAND"), [["j-" + "1" * 30, "x" * 50]], 20, ("COMMAND",))
    assert table.rows[0][0] == "j-" + "1" * 30
    assert table.widths[1] == NARROWEST


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), st.integers(0, 400), st.data())
def test_columns_shrink_together_and_no_further_than_needed(widths: list[int], room: int, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.sampled_from(range(len(widths))), unique=True))
    found = narrow(widths, places, room)
    assert all(now <= before for now, before in zip(found, widths, strict=True))
    assert all(found[at] == widths[at] for at in range(len(widths)) if at not in places)
    assert sum(found) <= room or all(found[at] <= NARROWEST for at in places)
    assert sum(found) >= min(room, sum(widths))


@pytest.mark.parametrize(("count", "words"), [(1, "1 core"), (0.5, "0.5 cores"), (2, "2 cores")])
def test_cores_for_people(count: float, words: str) -> None:
    assert cores(count) == words


def test_a_digest_is_cut_to_what_tells_it_from_others() -> None:
    assert (
        short_image(f"draas.internal/a/b@sha256:{'0123456789abcdef' * 4}") == "draas.internal/a/b@sha256:0123456789ab"
    )
    assert short_image("nginx:1.25") == "nginx:1.25"
