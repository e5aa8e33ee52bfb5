"""Tables: columns that fit a terminal, one line a row whatever the cells hold. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from draas.cli.text import cut, first_line, plain, width_of

GAP = 2
NARROWEST = 8  # a column that is cut keeps this many characters: less says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What is to be written: headings and rows of safe text, and how wide each column is."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]


def lay_out(
    headings: Sequence[str], rows: Sequence[Sequence[str]], room: int | None, cut_first: Sequence[str]
) -> Table:
    """Columns as wide as their widest cell; where they need more than `room` (None: there is no end), those whose heading
    is in `cut_first` are cut, the widest first. What then still does not fit goes beyond the edge: ids must stay whole.
    """
    cells = [[plain(first_line(cell)) for cell in row] for row in rows]
    widths = [max(map(width_of, column)) for column in zip(headings, *cells, strict=True)]
    places = [place for place, heading in enumerate(headings) if heading in cut_first]
    if room is not None:
        widths = narrow(widths, places, room - GAP * (len(widths) - 1))
    fitted = tuple(tuple(cut(cell, width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return Table(headings=tuple(headings), rows=fitted, widths=tuple(widths))


def narrow(widths: Sequence[int], places: Sequence[int], room: int) -> list[int]:
    """`widths`, those at `places` made smaller until all fit into `room` or none of them can give more."""
    found = list(widths)
    while (excess := sum(found) - room) > 0:
        wide = sorted((found[place] for place in places if found[place] > NARROWEST), reverse=True)
        if not wide:
            break
        widest = next(place for place in places if found[place] == wide[0])
        # Down to the next one, so that equals shrink together.
        floor = max(NARROWEST, wide[1] if len(wide) > 1 and wide[1] < wide[0] else NARROWEST, wide[0] - excess)
        found[widest] = max(floor, wide[0] - excess) if floor < wide[0] else wide[0] - 1
    return found
