"""Assets: what there is in the folder of the built dashboard, found once; nothing else can be asked for."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CODINGS = (("br", ".br"), ("gzip", ".gz"))  # best first; the build has made them
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".json": "application/json",
}
TEXT = ("text/", "image/svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file: its media type, a hash of its content, and its packed forms by coding."""

    path: Path
    media_type: str
    etag: str
    packed: Mapping[str, Path]

    def choose(self, accept_encoding: str) -> tuple[str, Path]:
        """The coding ("" for none) and file to send to a client that accepts this (RFC 9110, 12.5.3)."""
        accepted = accepted_codings(accept_encoding)
        for coding, _ in CODINGS:
            if coding in self.packed and coding in accepted:
                return coding, self.packed[coding]
        return "", self.path


def accepted_codings(header: str) -> set[str]:
    """The codings that an Accept-Encoding header names with a weight above nothing."""
    found = set()
    for part in header.lower().split(","):
        coding, _, parameters = part.partition(";")
        weight = parameters.strip().removeprefix("q=")
        if weight.strip("0.") or not parameters:
            found.add(coding.strip())
    return found


def find_assets(folder: Path) -> Mapping[str, Asset]:
    """All files of `folder` by their path in it. Links that lead out of it are left out."""
    root = folder.resolve()
    files = [path for path in folder.rglob("*") if path.is_file() and path.resolve().is_relative_to(root)]
    endings = tuple(ending for _, ending in CODINGS)
    return {path.relative_to(folder).as_posix(): _asset(path) for path in files if not path.name.endswith(endings)}


def _asset(path: Path) -> Asset:
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    packed = {coding: path.with_name(path.name + ending) for coding, ending in CODINGS}
    return Asset(
        path=path,
        media_type=f"{kind}; charset=utf-8" if kind.startswith(TEXT) else kind,
        etag=f'"{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}"',
        packed={coding: file for coding, file in packed.items() if file.is_file()},
    )
