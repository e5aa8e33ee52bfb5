"""Words of a script: what stands for the unknown in them, how far they are followed, and how one grows into fields."""

import re
from collections.abc import Sequence

UNKNOWN = "\x00"  # no command can hold these three, so nothing that is written can be mistaken for them
SELF = "\x01"  # $0
HOME = "\x02"  # the home folder
MAX_VALUES = 64  # alternatives of one word
MAX_VALUE_CHARS = 4096  # a path may have no more; keeps x=$x$x from growing for ever

ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}
_BRACES = re.compile(r"\{([^{}]*)\}")


class Building:
    """A word as it grows: fields that are whole, and the alternatives of the one at the end."""

    def __init__(self, splits: bool) -> None:
        self._splits = splits
        self._whole: list[str] = []
        self._ends: list[list[str]] = []
        self._began = False

    def add(self, values: Sequence[str], unquoted: bool = False) -> None:
        """One of `values` stands next."""
        if (
            unquoted
            and self._splits
            and any(character.isspace() for value in values for character in value[:MAX_VALUE_CHARS])
        ):
            for value in values:
                self._add_split(value)
            return
        self._began = self._began or not unquoted or any(values)
        self._ends.append(list(values))

    def _add_split(self, value: str) -> None:
        parts = value.split()
        if not parts or value[:1].isspace():
            self._cut()
        for number, part in enumerate(parts):
            if number:
                self._cut()
            self._ends.append([part])
            self._began = True
        if parts and value[-1:].isspace():
            self._cut()

    def _cut(self) -> None:
        self._whole += self._last()
        self._ends, self._began = [], False

    def _last(self) -> list[str]:
        if not self._began:
            return []
        count = 1
        for values in self._ends:
            count *= len(values)
            if count > MAX_VALUES:
                return [UNKNOWN]
        pieces, found = [], [""]
        for (
            values
        ) in self._ends:  # runs of single values are joined at once, so that a word of many pieces stays linear
            if len(values) == 1:
                pieces.append(values[0])
                continue
            found = [one + "".join(pieces) + value for one in found for value in values]
            pieces = []
        return [one + "".join(pieces) for one in found]

    def fields(self) -> list[str]:
        """The fields, with braces expanded."""
        self._cut()
        return [one for word in self._whole for one in expand_braces(word)]


def expand_braces(word: str) -> list[str]:
    """`/{bin,usr}` as bash expands it, as far as MAX_VALUES."""
    if "{" not in word or len(word) > MAX_VALUE_CHARS:
        return [word]
    done: list[str] = []
    todo = [word]
    while todo and len(done) + len(todo) <= MAX_VALUES:
        one = todo.pop()
        found = next((braces for braces in _BRACES.finditer(one) if "," in braces[1]), None)
        if found is None:
            done.append(one)
        else:
            todo += [one[: found.start()] + part + one[found.end() :] for part in found[1].split(",")]
    return done + todo


def unescape(found: re.Match[str]) -> str:
    """What an ESCAPE within `$'…'` stands for."""
    if found[1] or found[2]:
        return chr(int(found[1] or found[2], 16))
    if found[3]:
        return chr(int(found[3], 8) & 0xFF)
    return _ESCAPES.get(found[4], found[4])
