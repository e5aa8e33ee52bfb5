"""Host commands that are refused: those that would destroy the machine they run on. Pure.

A seat belt against mistakes, judged on the parsed command (draas.agent.core.shell_words). It does not stop whoever wants around it, a program
that was compiled or a script that was fetched: that wall is the sandbox (docs/concepts/host-jobs.md).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from draas.agent.core.shell_words import (
    HOME,
    MAX_DEPTH,
    MAX_VALUE_CHARS,
    SELF,
    UNKNOWN,
    Reader,
    Scope,
    Simple,
    TooDeep,
    echoed,
    mentioned_names,
)

_TOP = "bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys usr var"
_BELOW = "usr/bin usr/lib usr/lib32 usr/lib64 usr/libexec usr/local usr/sbin usr/share var/lib var/run"
PROTECTED = frozenset(tuple(path.split("/")) for path in (*_TOP.split(), *_BELOW.split())) | {()}
DATA_FOLDERS = frozenset({"/home", "/media", "/mnt", "/opt", "/srv", "~"})  # handed over to a user of their own, often
_ANY = re.compile(r"[*?.]*\*[*?]*|\.\?\?*|\.\[!\.\]\*")  # matches most names: the folder above is what is meant
_DEVICE = re.compile(
    r"/dev/(?:(?:s|h|v|xv|ub)d[a-z*?\[]|nvme|mmcblk|loop|dm-|md|mapper/|disk/|nbd|rbd|bcache|zram|ram[0-9*?]|pmem|sr[0-9]|drbd|(?:k?mem|port)$)"
)
_KERNEL = re.compile(
    r"/proc/(?:sysrq-trigger|sys/kernel/|kcore|\d+/mem$)|/sys/(?:power/|firmware/|block/[^/]+/device/delete)"
)
_CODE = (
    (
        re.compile(r"while\b[^\n]{0,200}\bfork\b|\bfork\b[^\n]{0,40}\bwhile\b|loop[^\n]{0,20}\bfork\b", re.IGNORECASE),
        "a fork bomb",
    ),
    (re.compile(r"while\b[^\n]{0,40}:\s*\n?[^\n]{0,40}os\.fork\("), "a fork bomb"),
    (re.compile(r"(?:rmtree|rm_rf|rm_r|rmSync)[(\s]{1,4}['\"]/+(?:\*|['\"])"), "deletes the root of the file system"),
)
_UNSAFE_FIND_TESTS = frozenset(
    {"-delete", "-exec", "-execdir", "-ok", "-okdir", "-type", "-xdev", "-mount", "-print", "-depth", "-mindepth", "-o"}
)
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "mksh", "fish", "rbash"})
_POWER = frozenset({"shutdown", "reboot", "halt", "poweroff", "kexec"})
_POWER_UNITS = frozenset(
    [
        "poweroff",
        "reboot",
        "halt",
        "kexec",
        "soft-reboot",
        "suspend",
        "hibernate",
        "hybrid-sleep",
        "emergency",
        "rescue",
    ]
)
_FORMATTERS = frozenset(
    [
        "mke2fs",
        "mkswap",
        "mkdosfs",
        "wipefs",
        "blkdiscard",
        "pvcreate",
        "pvremove",
        "vgremove",
        "lvremove",
        "cryptsetup",
        "zpool",
    ]
)
_PARTITIONERS = frozenset(["fdisk", "sfdisk", "cfdisk", "gdisk", "sgdisk", "parted", "partprobe"])


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A program that runs another: its options that take a value, and how many words of its own come before the other's."""

    valued: str = ""
    long_valued: tuple[str, ...] = ()
    words: int = 0


_WRAPPERS: dict[str, Wrapper] = {
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


@dataclass(frozen=True, slots=True)
class Refusal:
    """`pattern` names what was recognised, `reason` is the sentence for the user, with the remedy."""

    pattern: str
    reason: str


class _Found(Exception):
    def __init__(self, pattern: str, part: str) -> None:
        super().__init__(pattern)
        self.pattern = pattern
        self.part = part


def check_command(command: str | tuple[str, ...], env: Mapping[str, str] | None = None) -> Refusal | None:
    """Why a host job's command is refused, or None. `env` is all that the command finds in its environment; None: that is not known.

    Never raises, and takes time in proportion to the command's length.
    """
    try:
        if isinstance(command, str):
            _check_script(command, env, 0)
        else:
            _check(Simple(words=list(command)), env, 0)
    except TooDeep:
        return _render("nested too deep to be judged", "")
    except _Found as found:
        return _render(found.pattern, found.part)
    return None


def _render(pattern: str, part: str) -> Refusal:
    shown = part.replace(UNKNOWN, "?").replace(SELF, "$0").replace(HOME, "~")
    shown = shown if len(shown) <= 120 else shown[:119] + "…"
    quoted = f" (`{shown}`)" if shown else ""
    return Refusal(
        pattern,
        f"host commands like this are refused: {pattern}{quoted}; name exactly what you mean, or run it in a container (--image)",
    )


def _check_script(text: str, env: Mapping[str, str] | None, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TooDeep
    scope = Scope(env, mentioned_names(text) if env is not None else frozenset())
    read = Reader(text, scope, depth).read()
    if read.bombs:
        raise _Found("a fork bomb", f"{read.bombs[0]}() calls itself without end")
    for simple in read.commands:
        _check(simple, env, depth)


def _check(simple: Simple, env: Mapping[str, str] | None, depth: int) -> None:
    for target in simple.writes:
        _check_write(target, f"> {target}")
    words = simple.words
    piped = echoed(simple.piped_from.words) if simple.piped_from is not None else None
    said = piped if piped is not None else simple.stdin
    for _ in range(MAX_DEPTH):
        if not words:
            return
        name = words[0].rpartition("/")[2]
        if name == "env" and (script := _env_split(words)) is not None:
            words = script.split()
            continue
        wrapper = _WRAPPERS.get(name)
        if wrapper is None:
            break
        if name in ("flock", "watch", "parallel") and len(words) > 1 and " " in words[-1]:
            _check_script(words[-1], env, depth + 1)
        words = _unwrap(words, wrapper)
        if name == "xargs" and said is not None:
            words = [*words, *said.split()]
    if not words:
        return
    _check_program(words, simple, said, env, depth)


def _check_program(
    words: list[str], simple: Simple, said: str | None, env: Mapping[str, str] | None, depth: int
) -> None:
    name = words[0].rpartition("/")[2]
    for script in _scripts(name, words, said):
        _check_script(script, env, depth + 1)
    if words[0] == SELF and (simple.background or simple.piped_from is not None):
        raise _Found("a fork bomb", "$0 starts itself")
    if re.match(r"(?:python|perl|ruby|node|php|lua)[\d.]*$", name):
        _check_code(words, said)
    if name == "find":
        _check_find(words, simple.cwd)
    check = _CHECKS.get(name) or (_check_formatter if name.startswith("mkfs") else None)
    if check is not None:
        check(words, simple.cwd)


# --- what runs what ---


def _unwrap(words: Sequence[str], wrapper: Wrapper) -> list[str]:
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


def _env_split(words: Sequence[str]) -> str | None:
    for at, word in enumerate(words[1:4], 1):
        if word in ("-S", "--split-string"):
            return " ".join(words[at + 1 :])
        if word.startswith(("-S", "--split-string=")):
            return " ".join([word.removeprefix("-S").removeprefix("--split-string="), *words[at + 1 :]])
    return None


def _scripts(name: str, words: Sequence[str], said: str | None) -> Iterator[str]:
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


# --- paths ---


def _resolve(path: str, cwd: str | None) -> tuple[str, ...] | None:
    """The components of the absolute path that is meant; None where it is not known. `(HOME,)` is the home folder."""
    if len(path) > MAX_VALUE_CHARS or not path:
        return None
    if not path.startswith(("/", HOME)):
        if cwd is None:
            return None
        path = f"{cwd}/{path}"
    found: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if found[-1:] == [HOME]:
                return None
            found = found[:-1]
        elif part not in ("", "."):
            found.append(part)
    return tuple(found)


def protected(path: str, cwd: str | None = None) -> str | None:
    """The root, system or home folder that `path` (a pattern, perhaps) means or empties, as people write it; else None."""
    parts = _resolve(path, cwd)
    if parts is None:
        return None
    meant = parts
    while meant and _ANY.fullmatch(meant[-1]):
        meant = meant[:-1]
    if meant == (HOME,):
        return "~"
    if meant in PROTECTED:
        return "/" + "/".join(meant)
    if any(set(part) & set("*?[") for part in parts):
        for one in sorted(PROTECTED):
            if len(one) == len(parts) and all(map(fnmatchcase, one, parts)):
                return "/" + "/".join(one)
    return None


def _is_device(path: str) -> bool:
    parts = _resolve(path, None)
    return parts is not None and _DEVICE.match("/" + "/".join(parts)) is not None


def _check_write(path: str, part: str) -> None:
    parts = _resolve(path, None)
    clean = "/" + "/".join(parts) if parts is not None else ""
    if _DEVICE.match(clean):
        raise _Found("writes to a block device", part)
    if _KERNEL.match(clean):
        raise _Found("writes to the kernel's controls", part)


# --- programs ---


def _split_options(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """(options, operands): options may stand anywhere before `--`."""
    options: list[str] = []
    operands: list[str] = []
    for at, word in enumerate(words[1:], 1):
        if word == "--":
            return options, operands + list(words[at + 1 :])
        (options if word.startswith("-") and len(word) > 1 else operands).append(word)
    return options, operands


def _has(options: Sequence[str], letters: str, long: str) -> bool:
    """Whether an option of these letters is there, alone or in a cluster, or the long one or a start of it."""
    for option in options:
        if option.startswith("--"):
            if len(option) > 2 and long.startswith(option):
                return True
        elif set(option[1:]) & set(letters):
            return True
    return False


def _check_rm(words: Sequence[str], cwd: str | None) -> None:
    options, operands = _split_options(words)
    recursive = _has(options, "rR", "--recursive")
    for operand in operands:
        folder = protected(operand, cwd)
        if folder is not None and (recursive or set(operand) & set("*?[")):
            raise _Found(f"deletes the {_what(folder)}", " ".join(words))


def _what(folder: str) -> str:
    return {"/": "root of the file system", "~": "home folder"}.get(folder, f"system folder {folder}")


def _check_recursive_change(words: Sequence[str], cwd: str | None) -> None:
    options, operands = _split_options(words)
    if not _has(options, "R", "--recursive"):
        return
    first = 0 if any(option.startswith("--reference") for option in options) else 1
    for operand in operands[first:] or operands:
        if (folder := protected(operand, cwd)) is not None and folder not in DATA_FOLDERS:
            raise _Found(f"changes the rights of the {_what(folder)}", " ".join(words))


def _check_mv(words: Sequence[str], cwd: str | None) -> None:
    _, operands = _split_options(words)
    for operand in operands[:-1]:
        if (folder := protected(operand, cwd)) is not None:
            raise _Found(f"moves the {_what(folder)}", " ".join(words))
    _check_copy(words, cwd)


def _check_copy(words: Sequence[str], _: str | None) -> None:
    options, operands = _split_options(words)
    targets = [option.partition("=")[2] for option in options if option.startswith("--target-directory=")]
    for target in (*targets, *operands[-1:]):
        _check_write(target, " ".join(words))


def _check_dd(words: Sequence[str], _: str | None) -> None:
    for word in words[1:]:
        if word.startswith("of="):
            _check_write(word.removeprefix("of="), " ".join(words))


def _check_operands(words: Sequence[str], _: str | None) -> None:
    for operand in _split_options(words)[1]:
        _check_write(operand, " ".join(words))


def _check_formatter(words: Sequence[str], _: str | None) -> None:
    """A file system in a file is fine; on a device, or on nobody knows what, it is not."""
    for operand in _split_options(words)[1]:
        if operand.startswith("/dev/") or operand == UNKNOWN:
            raise _Found("writes to a block device", " ".join(words))


def _check_partitioner(words: Sequence[str], cwd: str | None) -> None:
    options, operands = _split_options(words)
    if not _has(options, "l", "--list") and "print" not in operands and "--dump" not in options:
        _check_operands(words, cwd)


def _check_find(words: Sequence[str], cwd: str | None) -> None:
    first = next(
        (
            at
            for at, word in enumerate(words[1:], 1)
            if word.startswith(("-", "(", "!")) and word not in ("-L", "-P", "-H")
        ),
        len(words),
    )
    folders, tests = words[1:first], words[first:]
    deletes = "-delete" in tests
    for at, word in enumerate(tests):
        if word in ("-exec", "-execdir", "-ok", "-okdir"):
            run = [one for one in tests[at + 1 :] if one not in (";", "+")]
            deletes = deletes or (bool(run) and run[0].rpartition("/")[2] in ("rm", "shred", "unlink"))
    narrowed = any(test.startswith("-") and test not in _UNSAFE_FIND_TESTS for test in tests[: _first_action(tests)])
    if not deletes or narrowed:
        return
    for folder in folders:
        if (known := protected(folder, cwd)) is not None:
            raise _Found(f"deletes the {_what(known)}", " ".join(words))


def _first_action(tests: Sequence[str]) -> int:
    return next(
        (at for at, word in enumerate(tests) if word in ("-delete", "-exec", "-execdir", "-ok", "-okdir")), len(tests)
    )


def _check_power(words: Sequence[str], _: str | None) -> None:
    if any(word in ("--help", "--version", "-c", "--show", "-w", "--wtmp-only") for word in words[1:]):
        return
    raise _Found("turns the machine off or restarts it", " ".join(words))


def _check_systemctl(words: Sequence[str], cwd: str | None) -> None:
    _, operands = _split_options(words)
    unit = operands[1].removesuffix(".target") if operands[:1] in (["isolate"], ["start"]) and len(operands) > 1 else ""
    if operands[:1] and (operands[0] in _POWER_UNITS or unit in _POWER_UNITS):
        _check_power(["systemctl"], cwd)


def _check_init(words: Sequence[str], cwd: str | None) -> None:
    if len(words) > 1 and words[1] in ("0", "1", "6", "s", "S"):
        _check_power(words[:1], cwd)


def _check_kill(words: Sequence[str], _: str | None) -> None:
    rest, number = list(words[1:]), ""
    if rest[:1] in (["-s"], ["-n"], ["--signal"]):
        number, rest = "".join(rest[1:2]), rest[2:]
    elif len(rest) > 1 and re.match(r"-[A-Za-z0-9]", rest[0]):
        number, rest = rest[0][1:], rest[1:]
    if number not in ("0", "l", "L") and {"1", "-1"} & set(rest):
        raise _Found("ends every process of the machine", " ".join(words))


def _check_killall5(words: Sequence[str], _: str | None) -> None:
    raise _Found("ends every process of the machine", " ".join(words))


def _check_sysctl(words: Sequence[str], _: str | None) -> None:
    if any(word.startswith("kernel.") and "=" in word for word in words[1:]):
        raise _Found("writes to the kernel's controls", " ".join(words))


def _check_code(words: Sequence[str], said: str | None) -> None:
    for text in (*words[1:], said or ""):
        for pattern, name in _CODE:
            if pattern.search(text):
                raise _Found(name, text)


_CHECKS: dict[str, Callable[[Sequence[str], str | None], None]] = {
    "rm": _check_rm,
    **dict.fromkeys(("chmod", "chown", "chgrp", "setfacl", "chattr"), _check_recursive_change),
    "mv": _check_mv,
    **dict.fromkeys(("cp", "install", "rsync", "ln"), _check_copy),
    **dict.fromkeys(("dd", "dcfldd"), _check_dd),
    **dict.fromkeys(("tee", "shred", "truncate", "badblocks", "sponge", "fallocate"), _check_operands),
    **dict.fromkeys(_FORMATTERS, _check_formatter),
    **dict.fromkeys(_PARTITIONERS, _check_partitioner),
    **dict.fromkeys(_POWER, _check_power),
    "systemctl": _check_systemctl,
    **dict.fromkeys(("init", "telinit"), _check_init),
    "kill": _check_kill,
    "killall5": _check_killall5,
    "sysctl": _check_sysctl,
}
