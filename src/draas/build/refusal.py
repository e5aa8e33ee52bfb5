"""How an archive or a folder is refused: which entry, what is wrong, and what to do. Pure."""

from draas.model.errors import Invalid, TooLarge

SHOWN = 120


def refused(entry: str, wrong: str, remedy: str) -> Invalid:
    """The error that names `entry`, for raising."""
    return Invalid(f"{shown(entry)} {wrong}: {remedy}")


def too_large(entry: str, wrong: str, remedy: str) -> TooLarge:
    """The same where a limit is passed."""
    return TooLarge(f"{shown(entry)} {wrong}: {remedy}")


def shown(entry: str) -> str:
    """An entry's name as it can be shown to anybody: quoted, escaped, cut."""
    quoted = ascii(entry) if not entry.isprintable() else repr(entry)
    return quoted if len(quoted) <= SHOWN else quoted[:SHOWN] + "…"
