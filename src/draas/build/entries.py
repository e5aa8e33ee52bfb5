"""What an archive holds, one after the other, whatever its format. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["file", "folder", "symlink", "hardlink"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as the archive names it. `content` must be used up before the next entry is asked for; `target` is a link's."""

    name: str
    kind: Kind
    size_bytes: int = 0
    executable: bool = False
    target: str = ""
    content: Iterator[bytes] = iter(())
