"""Text for a terminal: without anything that could move a cursor or change a colour, and as wide as it is shown. Pure."""

import unicodedata

ELLIPSIS = "…"

SHORT_DIGEST = 19  # sha256: and twelve digits


def plain(text: str, *, keep_lines: bool = False) -> str:
    """`text` with a blank for each character that is not printed: a job's name must not move anybody's cursor."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() or (keep_lines and c == "\n") else " " for c in text)


def first_line(text: str) -> str:
    """The first line that is not blank, with an ellipsis where there are more."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return "" if not lines else lines[0] + (f" {ELLIPSIS}" if len(lines) > 1 else "")


def width_of(text: str) -> int:
    """Columns that `text` takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(_columns(c) for c in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """`text` in at most `width` columns, with an ellipsis where something was left out."""
    if width_of(text) <= width:
        return text
    if width < 1:
        return ""
    kept, used = [], 0
    for character in text:
        used += _columns(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept).rstrip() + ELLIPSIS


def pad(text: str, width: int) -> str:
    """`text` with blanks up to `width` columns."""
    return text + " " * (width - width_of(text))


def short_image(image: str) -> str:
    """For people: a digest cut to what tells it from others, as tables do."""
    name, at, digest = image.partition("@")
    return f"{name}{at}{digest[:SHORT_DIGEST]}"
