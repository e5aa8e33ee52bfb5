"""An uploaded archive (zip, tar, tar.gz) to a fresh folder, which is removed whole where anything in the archive is refused."""

import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from draas.build.entries import Entry
from draas.build.gunzip import Gunzip
from draas.build.limits import LIMITS, Limits
from draas.build.links import where_leads
from draas.build.names import checked_parts, clash_key
from draas.build.refusal import refused, too_large
from draas.build.tar_entries import tar_entries
from draas.build.zip_entries import MOST_TARGET, zip_entries
from draas.model.errors import Unavailable

_ARCHIVE = "the archive"
_LEAVE_OUT = "leave out what can be made again, for example node_modules, with .dockerignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What came out."""

    entries: int
    total_bytes: int


def unpack(archive: BinaryIO, into: Path, limits: Limits = LIMITS) -> Unpacked:
    """Unpack `archive`, which can be sought, into `into`, which is not there yet. What it is, its first bytes say.

    Folders get mode 755, files 644, or 755 where their owner may run them, whatever the umask. Raises Invalid or TooLarge naming the entry and the remedy, Unavailable where
    the disk is full; then `into` is gone. FileExistsError where `into` is there.
    """
    into.mkdir(mode=0o700)
    try:
        unpacking = _Unpacking(into, limits)
        for entry in entries_of(archive, limits):
            unpacking.take(entry)
        unpacking.make_links()
    except BaseException as error:
        shutil.rmtree(into, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(
                "the disk is full: the archive cannot be unpacked; free some room and try again"
            ) from error
        raise
    return Unpacked(entries=unpacking.entries, total_bytes=unpacking.total_bytes)


def entries_of(archive: BinaryIO, limits: Limits) -> Iterator[Entry]:
    """The entries of `archive`, by the format that its first bytes show. Raises Invalid where they show none."""
    head = archive.read(512)
    archive.seek(0)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return zip_entries(archive, limits)
    if head[:2] == b"\x1f\x8b":
        return tar_entries(Gunzip(archive, limits), limits)
    if head[257:262] == b"ustar" or (len(head) == 512 and not head.strip(b"\0")):
        return tar_entries(archive, limits)
    raise refused(
        _ARCHIVE, "is neither zip nor tar nor tar.gz", "pack the folder with: tar czf source.tar.gz -C FOLDER ."
    )


class _Unpacking:
    """One folder being filled. Links are made last, so that nothing is ever written through one."""

    def __init__(self, into: Path, limits: Limits) -> None:
        self.entries = self.total_bytes = self._names_bytes = 0
        self._into = into
        self._limits = limits
        self._spelt: dict[str, str] = {}  # clash key > path
        self._folders: set[str] = {""}
        self._files: set[str] = set()
        self._links: dict[str, str] = {}

    def take(self, entry: Entry) -> None:
        """Write what `entry` says. Raises Invalid, TooLarge."""
        parts = checked_parts(entry.name, self._limits)
        if entry.kind == "folder":
            self._ensure_folders(parts, entry.name)
            return
        if not parts:
            raise refused(entry.name, "is the folder itself and yet no folder", "pack the folder again")
        self._ensure_folders(parts[:-1], entry.name)
        path = "/".join(parts)
        if path in self._files or path in self._links or path in self._folders:
            raise refused(entry.name, "is there twice", "pack the folder again into a new archive")
        self._claim(path, entry.name)
        if entry.kind == "file":
            self._write(path, entry)
        elif entry.kind == "symlink":
            self._links[path] = self._checked_target(entry)
        else:
            self._link_hard(path, entry)

    def make_links(self) -> None:
        """Make the symbolic links, all of which lead to inside. Raises Invalid."""
        for path in self._links:
            if where_leads(path, self._links) is None:
                told = f"is a link out of the archive (to {self._links[path][:80]!r}), or in a circle"
                raise refused(path, told, "replace it by the file, or leave it out")
        for path, target in self._links.items():
            os.symlink(target, self._into / path)

    def _ensure_folders(self, parts: tuple[str, ...], name: str) -> None:
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            if path in self._folders:
                continue
            if path in self._files or path in self._links:
                raise refused(name, f"goes through {path[:80]!r}, which is no folder", "pack the folder again")
            self._claim(path, name)
            self._folders.add(path)
            (self._into / path).mkdir()
            (self._into / path).chmod(0o755)  # whatever this process's umask is, which mkdir heeds

    def _claim(self, path: str, name: str) -> None:
        """Count one more thing in the folder, and see that no other has its name but for case."""
        other = self._spelt.setdefault(clash_key(path), path)
        if other != path:
            told = f"differs from {other[:80]!r} only in case or composition of letters"
            raise refused(name, told, "rename one of them")
        self.entries += 1
        self._names_bytes += len(path)
        if self._names_bytes > self._limits.names_bytes:
            raise too_large(_ARCHIVE, f"has more than {self._limits.names_bytes} bytes of names", _LEAVE_OUT)
        if self.entries > self._limits.entries:
            raise too_large(_ARCHIVE, f"has more than {self._limits.entries} entries", _LEAVE_OUT)

    def _write(self, path: str, entry: Entry) -> None:
        if entry.size_bytes > self._limits.file_bytes:
            raise too_large(entry.name, f"is larger than {self._limits.file_bytes} bytes", _LEAVE_OUT)
        if self.total_bytes + entry.size_bytes > self._limits.total_bytes:
            raise too_large(entry.name, f"takes the archive over {self._limits.total_bytes} bytes", _LEAVE_OUT)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(self._into / path, flags, 0o600)
        written = 0
        with os.fdopen(descriptor, "wb") as out:
            os.fchmod(descriptor, 0o755 if entry.executable else 0o644)
            for piece in entry.content:
                written += out.write(piece)
        if written != entry.size_bytes:
            raise refused(
                entry.name, f"has {written} bytes, not the {entry.size_bytes} it says", "pack the folder again"
            )
        self.total_bytes += written
        self._files.add(path)

    def _checked_target(self, entry: Entry) -> str:
        target = entry.target
        if not target or len(target) > MOST_TARGET or "\\" in target or not target.isprintable():
            raise refused(entry.name, f"is a link to {target[:80]!r}", "replace it by the file, or leave it out")
        return target

    def _link_hard(self, path: str, entry: Entry) -> None:
        target = "/".join(checked_parts(entry.target, self._limits))
        if target not in self._files:
            told = f"is a hard link to {entry.target[:80]!r}, which is no file before it in the archive"
            raise refused(entry.name, told, "pack with --hard-dereference")
        os.link(self._into / target, self._into / path, follow_symlinks=False)
        self._files.add(path)
