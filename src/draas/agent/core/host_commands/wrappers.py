"""Programs that run others: `sudo`, `env`, `xargs`, shells; and what they are given to run."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "mksh", "fish", "rbash"})


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A program that runs another: its options that take a value, and how many words of its own come before the other's."""

    valued: str = ""
    long_valued: tuple[str, ...] = ()
    words: int = 0


WRAPPERS: dict[str, Wrapper] = {
    "sudo": Wrapper(
        "ugpCcrtTUDRhag", ("--user", "--group", "--prompt", "--chdir", "--chroot", "--host", "--role", "--type")
    ),
    "doas": Wrapper("uC"),
    "env": Wrapper("uC", ("--unset", "--chdir")),
    "nice": Wrapper("n", ("--adjustment",)),
    "ionice": Wrapper("cnpPu", ("--class", "--classdata")),
    "chrt": Wrapper("TPD", words=1),
    "timeout": Wrapper("ks", ("--kill-after", "--signal"), 1),
    "stdbuf": Wrapper("ioe", ("--input", "--output", "--error")),
    "time": Wrapper("fo", ("--format", "--output")),
    "taskset": Wrapper(words=1),
    "flock": Wrapper("wE", ("--timeout", "--wait", "--conflict-exit-code"), 1),
    "unshare": Wrapper("SGR", ("--setuid", "--setgid", "--root", "--wd", "--propagation")),
    "nsenter": Wrapper("tSG", ("--target", "--setuid", "--setgid")),
    "systemd-run": Wrapper("pEtuH", ("--property", "--setenv", "--unit", "--slice", "--description")),
    "strace": Wrapper("eopasSuEI"),
    "watch": Wrapper("n", ("--interval",)),
    "xargs": Wrapper(
        "IdEnLPsa", ("--max-args", "--max-procs", "--max-lines", "--delimiter", "--arg-file", "--replace")
    ),
    "parallel": Wrapper("jN"),
    "exec": Wrapper("a"),
    **{
        name: Wrapper()
        for name in [
            "nohup",
            "setsid",
            "command",
            "builtin",
            "busybox",
            "toybox",
            "setpriv",
            "prlimit",
            "catchsegv",
            "unbuffer",
            "eatmydata",
            "fakeroot",
        ]
    },
}


def unwrap(words: Sequence[str], wrapper: Wrapper) -> list[str]:
    """The command that `wrapper` is given to run."""
    at, own = 1, wrapper.words
    while at < len(words):
        word = words[at]
        if word == "--":
            at += 1
            break
        if word.startswith("--"):
            at += 2 if word in wrapper.long_valued else 1
        elif word.startswith("-") and len(word) > 1:
            at += 2 if word[-1] in wrapper.valued and word[1] in wrapper.valued else 1
        elif re.match(r"[A-Za-z_]\w*=", word):
            at += 1
        elif own:
            own -= 1
            at += 1
        else:
            break
    return list(words[at:])


def env_split(words: Sequence[str]) -> str | None:
    """What `env -S` is given; None where there is no such option."""
    for at, word in enumerate(words[1:4], 1):
        if word in ("-S", "--split-string"):
            return " ".join(words[at + 1 :])
        if word.startswith(("-S", "--split-string=")):
            return " ".join([word.removeprefix("-S").removeprefix("--split-string="), *words[at + 1 :]])
    return None


def scripts(name: str, words: Sequence[str], said: str | None) -> Iterator[str]:
    """Scripts that this program is given to run."""
    if name in _SHELLS or name in ("su", "script", "runuser"):
        yield from _shell_scripts(words, said if name in _SHELLS else None)
    elif name == "eval":
        yield " ".join(words[1:])
    elif name == "trap":
        yield from words[1:2]
    elif name == "alias":
        yield from (word.partition("=")[2] for word in words[1:])


def _shell_scripts(words: Sequence[str], said: str | None) -> Iterator[str]:
    for at, word in enumerate(words[1:], 1):
        if word == "--command" or (word.startswith("-") and not word.startswith("--") and word.endswith("c")):
            yield from [one for one in words[at + 1 : at + 3] if one != "--"][:1]
            return
        if word.startswith("--command="):
            yield word.partition("=")[2]
            return
    if said is not None and all(word.startswith("-") or word == "/dev/stdin" for word in words[1:]):
        yield said
