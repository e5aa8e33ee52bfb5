"""Images without a registry or a builder: the archive that `docker load` reads, written in memory."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

MADE_AT = "2026-01-01T00:00:00Z"  # fixed, so that the same content gives the same image id everywhere


class Entry(NamedTuple):
    """A file (`data`), a symbolic link (`link`) or, with neither, a folder. `path` has no leading slash."""

    path: str
    data: bytes | None = None
    link: str | None = None
    mode: int = 0o755


def layer(entries: Iterable[Entry]) -> bytes:
    """The entries as an uncompressed tar, owned by root."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for entry in entries:
            info = tarfile.TarInfo(entry.path)
            info.mode = entry.mode
            if entry.link is not None:
                info.type, info.linkname = tarfile.SYMTYPE, entry.link
            elif entry.data is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(entry.data)
            tar.addfile(info, io.BytesIO(entry.data) if entry.data is not None else None)
    return out.getvalue()


def image_archive(
    entries: Iterable[Entry], *, tag: str, arch: str, command: Sequence[str], env: Mapping[str, str] | None = None
) -> bytes:
    """An image of one layer for POST /images/load. `arch` is in Docker's words (amd64, arm64).

    Source: the Docker Image Specification v1.2 ("Combined Image JSON + Filesystem Changeset Format").
    """
    content = layer(entries)
    config = json.dumps(
        {
            "architecture": arch,
            "os": "linux",
            "created": MADE_AT,
            "config": {"Cmd": list(command), "Env": [f"{name}={value}" for name, value in (env or {}).items()]},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(content).hexdigest()]},
            "history": [{"created": MADE_AT, "created_by": "draas"}],
        }
    ).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [tag], "Layers": ["layer.tar"]}]
    files = {config_name: config, "layer.tar": content, "manifest.json": json.dumps(manifest).encode()}
    return layer(Entry(path, data, mode=0o644) for path, data in files.items())
