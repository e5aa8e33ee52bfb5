"""Paths that must not be emptied or written to: system folders, devices, the kernel's controls."""

import re
from fnmatch import fnmatchcase

from draas.agent.core.host_commands.finding import Found
from draas.agent.core.host_commands.shell_words import HOME, MAX_VALUE_CHARS

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


def check_write(path: str, part: str) -> None:
    """Raises Found where `path` must not be written to; `part` is what of the command says so."""
    parts = _resolve(path, None)
    clean = "/" + "/".join(parts) if parts is not None else ""
    if _DEVICE.match(clean):
        raise Found("writes to a block device", part)
    if _KERNEL.match(clean):
        raise Found("writes to the kernel's controls", part)


def what(folder: str) -> str:
    """`folder`, as `protected` gives it, in words."""
    return {"/": "root of the file system", "~": "home folder"}.get(folder, f"system folder {folder}")
