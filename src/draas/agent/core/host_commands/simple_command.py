"""One simple command of a script, as it was read."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Simple:
    """One simple command: its words as expanded, what it writes by redirection, what it reads, where it runs (None: not known)."""

    words: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    stdin: str | None = None
    cwd: str | None = None
    piped_from: "Simple | None" = None
    background: bool = False
