"""Door: the port on loopback and the password of it, kept in the agent's folder so that they are the same after a restart."""

import os
import secrets
import socket
from pathlib import Path

import msgspec

from draas.lib import log
from draas.model.login import Login

LOOPBACK = "127.0.0.1"  # engines take registries there without TLS, whatever their daemon.json says
USER = "draas"
BUILDER = "draas-build"  # with the same password: whoever pushes as this one sends its layers in turns
FILE = "registry.json"
_BACKLOG = 128


class _Kept(msgspec.Struct):
    port: int
    password: str


def open_door(folder: Path, listening: socket.socket | None = None) -> tuple[socket.socket, Login]:
    """A listening socket, and the login that what is served there asks for. `listening`: in place of one of our own.

    Another port than the last time, where that is taken, is said in the log: the engine then pulls what it needs under new names.
    """
    path = folder / FILE
    kept = _load(path)
    sock = listening or _listen(kept.port if kept is not None else 0)
    port = int(sock.getsockname()[1])
    if kept is not None and kept.port != port and listening is None:
        log.warning(
            "the port of the images is taken; images are pulled again under another one", before=kept.port, now=port
        )
    now = _Kept(port=port, password=kept.password if kept is not None else secrets.token_urlsafe(32))
    if kept != now:
        _save(path, now)
    return sock, Login(host=f"{LOOPBACK}:{port}", username=USER, password=now.password)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port), backlog=_BACKLOG)
    except OSError:
        if port == 0:
            raise
        return socket.create_server((LOOPBACK, 0), backlog=_BACKLOG)


def _load(path: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None  # a damaged one is made anew: nothing else knows what was in it


def _save(path: Path, kept: _Kept) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(msgspec.json.encode(kept))
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, path)
