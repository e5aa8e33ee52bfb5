"""What is known while a script is read: its variables, and the folder that it is in."""

import re
from collections.abc import Mapping, Sequence

from draas.agent.core.host_commands.shell_words import HOME, MAX_VALUE_CHARS, MAX_VALUES, SELF, UNKNOWN

# Set by shells themselves, so never known to be empty.
_SHELLS_OWN = frozenset(
    [
        "PWD",
        "OLDPWD",
        "RANDOM",
        "SRANDOM",
        "SECONDS",
        "LINENO",
        "UID",
        "EUID",
        "PPID",
        "HOSTNAME",
        "HOSTTYPE",
        "OSTYPE",
        "MACHTYPE",
        "SHLVL",
        "OPTARG",
        "OPTIND",
        "REPLY",
        "PIPESTATUS",
        "FUNCNAME",
        "DIRSTACK",
        "GROUPS",
        "EPOCHSECONDS",
        "EPOCHREALTIME",
        "BASH",
        "BASHPID",
        "BASH_SOURCE",
        "BASH_VERSION",
        "COLUMNS",
        "LINES",
        "TERM",
        "SHELL",
        "USER",
        "LOGNAME",
    ]
)


class Scope:
    """Variables and the current folder, with a way back for what a subshell changes. `env` None: nothing of the environment is known."""

    def __init__(self, env: Mapping[str, str] | None = None, mentioned: frozenset[str] = frozenset()) -> None:
        self._env = env
        self._mentioned = mentioned
        self._values: dict[str, tuple[str, ...]] = {}
        self._undo: list[tuple[str, tuple[str, ...] | None, str | None]] = []
        self.cwd: str | None = None

    def value(self, name: str) -> tuple[str, ...]:
        """The values that the variable may have."""
        if (known := self._values.get(name)) is not None:
            return known
        if name == "IFS":
            return (" ",)
        if name == "HOME":
            return (HOME,)
        if self._env is None or name in self._mentioned or name in _SHELLS_OWN:
            return (UNKNOWN,)
        return (self._env.get(name, ""),)

    def assign(self, name: str, values: Sequence[str]) -> None:
        self._undo.append((name, self._values.get(name), self.cwd))
        self._values[name] = tuple(one if len(one) <= MAX_VALUE_CHARS else UNKNOWN for one in values[:MAX_VALUES]) or (
            "",
        )

    def go(self, folder: str | None) -> None:
        self._undo.append(("", None, self.cwd))
        self.cwd = folder

    def mark(self) -> int:
        return len(self._undo)

    def back_to(self, mark: int) -> None:
        while len(self._undo) > mark:
            name, before, self.cwd = self._undo.pop()
            if before is not None:
                self._values[name] = before
            else:
                self._values.pop(name, None)


def mentioned_names(script: str) -> frozenset[str]:
    """Names that the script may give a value to: those that stand anywhere but behind a `$`."""
    return frozenset(re.findall(r"(?<![$\w{])[A-Za-z_]\w*", script))


def join_folder(cwd: str | None, folder: str) -> str | None:
    """Where `cd folder` leads; None where that is not known."""
    if UNKNOWN in folder or SELF in folder or len(folder) > MAX_VALUE_CHARS:
        return None
    if folder.startswith(("/", HOME)):
        return folder
    joined = f"{cwd}/{folder}" if cwd is not None else None
    return joined if joined is not None and len(joined) <= MAX_VALUE_CHARS else None
