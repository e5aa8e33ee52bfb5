"""Programs that can destroy their machine, and how each is asked to."""

import re
from collections.abc import Callable, Sequence

from draas.agent.core.host_commands.finding import Found
from draas.agent.core.host_commands.protected import DATA_FOLDERS, check_write, protected, what
from draas.agent.core.host_commands.shell_words import UNKNOWN

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
            raise Found(f"deletes the {what(folder)}", " ".join(words))


def _check_recursive_change(words: Sequence[str], cwd: str | None) -> None:
    options, operands = _split_options(words)
    if not _has(options, "R", "--recursive"):
        return
    first = 0 if any(option.startswith("--reference") for option in options) else 1
    for operand in operands[first:] or operands:
        if (folder := protected(operand, cwd)) is not None and folder not in DATA_FOLDERS:
            raise Found(f"changes the rights of the {what(folder)}", " ".join(words))


def _check_mv(words: Sequence[str], cwd: str | None) -> None:
    _, operands = _split_options(words)
    for operand in operands[:-1]:
        if (folder := protected(operand, cwd)) is not None:
            raise Found(f"moves the {what(folder)}", " ".join(words))
    _check_copy(words, cwd)


def _check_copy(words: Sequence[str], _: str | None) -> None:
    options, operands = _split_options(words)
    targets = [option.partition("=")[2] for option in options if option.startswith("--target-directory=")]
    for target in (*targets, *operands[-1:]):
        check_write(target, " ".join(words))


def _check_dd(words: Sequence[str], _: str | None) -> None:
    for word in words[1:]:
        if word.startswith("of="):
            check_write(word.removeprefix("of="), " ".join(words))


def _check_operands(words: Sequence[str], _: str | None) -> None:
    for operand in _split_options(words)[1]:
        check_write(operand, " ".join(words))


def check_formatter(words: Sequence[str], _: str | None) -> None:
    """A file system in a file is fine; on a device, or on nobody knows what, it is not."""
    for operand in _split_options(words)[1]:
        if operand.startswith("/dev/") or operand == UNKNOWN:
            raise Found("writes to a block device", " ".join(words))


def _check_partitioner(words: Sequence[str], cwd: str | None) -> None:
    options, operands = _split_options(words)
    if not _has(options, "l", "--list") and "print" not in operands and "--dump" not in options:
        _check_operands(words, cwd)


def check_find(words: Sequence[str], cwd: str | None) -> None:
    """Raises Found where it deletes everything below a protected folder."""
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
            raise Found(f"deletes the {what(known)}", " ".join(words))


def _first_action(tests: Sequence[str]) -> int:
    return next(
        (at for at, word in enumerate(tests) if word in ("-delete", "-exec", "-execdir", "-ok", "-okdir")), len(tests)
    )


def _check_power(words: Sequence[str], _: str | None) -> None:
    if any(word in ("--help", "--version", "-c", "--show", "-w", "--wtmp-only") for word in words[1:]):
        return
    raise Found("turns the machine off or restarts it", " ".join(words))


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
        raise Found("ends every process of the machine", " ".join(words))


def _check_killall5(words: Sequence[str], _: str | None) -> None:
    raise Found("ends every process of the machine", " ".join(words))


def _check_sysctl(words: Sequence[str], _: str | None) -> None:
    if any(word.startswith("kernel.") and "=" in word for word in words[1:]):
        raise Found("writes to the kernel's controls", " ".join(words))


def check_code(words: Sequence[str], said: str | None) -> None:
    """Raises Found for the usual ways to do it in a language: `said` is the program on standard input."""
    for text in (*words[1:], said or ""):
        for pattern, name in _CODE:
            if pattern.search(text):
                raise Found(name, text)


CHECKS: dict[str, Callable[[Sequence[str], str | None], None]] = {
    "rm": _check_rm,
    **dict.fromkeys(("chmod", "chown", "chgrp", "setfacl", "chattr"), _check_recursive_change),
    "mv": _check_mv,
    **dict.fromkeys(("cp", "install", "rsync", "ln"), _check_copy),
    **dict.fromkeys(("dd", "dcfldd"), _check_dd),
    **dict.fromkeys(("tee", "shred", "truncate", "badblocks", "sponge", "fallocate"), _check_operands),
    **dict.fromkeys(_FORMATTERS, check_formatter),
    **dict.fromkeys(_PARTITIONERS, _check_partitioner),
    **dict.fromkeys(_POWER, _check_power),
    "systemctl": _check_systemctl,
    **dict.fromkeys(("init", "telinit"), _check_init),
    "kill": _check_kill,
    "killall5": _check_killall5,
    "sysctl": _check_sysctl,
}
