"""The build's log as text: whole lines, without what steers terminals, and without secrets. Pure."""

import re
from collections.abc import Iterable

MASK = "***"
LEAST_MASKED = 4  # characters; a shorter secret is no secret, and masking it would blank out half of the log
MOST_LINE = 64 * 1024
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_NOISE = re.compile(r"#\d+ sha256:[0-9a-f]{64}(?: .*)?")  # BuildKit names each step's digest, and each layer's progress


class Masks:
    """What must not be seen: whole, or line by line where it has several."""

    def __init__(self, secrets: Iterable[str]) -> None:
        parts = {part for secret in secrets for part in (secret, *secret.splitlines())}
        words = sorted((part for part in parts if len(part.strip()) >= LEAST_MASKED), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, words))) if words else None

    def __call__(self, text: str) -> str:
        """`text` without them."""
        return self._pattern.sub(MASK, text) if self._pattern is not None else text


def clean(line: str) -> str:
    """One line as it would stand on a screen at last."""
    shown = _ESCAPES.sub("", line.rstrip("\r\n"))
    return _CONTROL.sub("", shown.rpartition("\r")[2])


def is_noise(line: str) -> bool:
    """Whether a cleaned line tells nobody anything."""
    return _NOISE.fullmatch(line) is not None


class Lines:
    """Cuts a stream of bytes into lines; one without an end is cut where it gets too long."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that are complete now."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > MOST_LINE:
            whole.append(self._rest[:MOST_LINE])
            self._rest = self._rest[MOST_LINE:]
        return [line.decode(errors="replace") for line in whole]

    def end(self) -> list[str]:
        """What is left."""
        rest, self._rest = self._rest, b""
        return [rest.decode(errors="replace")] if rest else []
