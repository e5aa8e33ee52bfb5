"""Names of entries: which may become files, and which two would be one file on another machine. Pure."""

import re
import unicodedata

from draas.build.limits import Limits
from draas.build.refusal import refused, too_large

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_RENAME = "rename it and pack again"


def checked_parts(name: str, limits: Limits) -> tuple[str, ...]:
    """The parts of an entry's name, without `.` and empty ones; () is the folder itself. Raises Invalid, TooLarge."""
    if _CONTROL.search(name):
        raise refused(name, "has a control character in its name", _RENAME)
    if "\\" in name:
        raise refused(name, "has a backslash in its name", "pack with a tool that separates folders by /")
    if name.startswith("/") or _DRIVE.match(name):
        raise refused(name, "is an absolute path", "pack the folder from inside, with relative names")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise refused(name, "leads out of the archive", "pack the folder from inside, without ..")
    if len(parts) > limits.depth:
        raise too_large(name, f"is more than {limits.depth} folders deep", "flatten the tree, or leave that part out")
    if len(_encoded(name)) > limits.path_bytes or any(len(_encoded(part)) > limits.part_bytes for part in parts):
        told = f"has a name longer than {limits.part_bytes} bytes, or a path longer than {limits.path_bytes}"
        raise too_large(name, told, "shorten it")
    return parts


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise refused(text, "has a name that is not UTF-8", _RENAME) from None


def clash_key(path: str) -> str:
    """Equal for two paths that are one file where case or composition of letters does not count (macOS, Windows)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
