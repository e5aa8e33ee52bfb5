"""What is kept of an ingress on disk: the routes that are served and the ports, so that a restart goes on where it was."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from draas.ingress.folder import write_file
from draas.lib import log
from draas.model.route import AppRoute

FILE = "served.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """`proxy` is haproxy or nginx; "" where nothing was served yet."""

    proxy: str = ""
    http_port: int = 0
    https_port: int = 0
    routes: Mapping[str, AppRoute] = field(default_factory=dict)
    challenges: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, str] = field(default_factory=dict)


def load(folder: Path) -> Saved:
    """What was saved; nothing where that cannot be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Saved)
    except FileNotFoundError:
        return Saved()
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("what the ingress served is not known; the controller will say", reason=str(error))
        return Saved()


def save(folder: Path, saved: Saved) -> None:
    """Replace what was saved. The file is as private as the keys in it."""
    write_file(folder / FILE, msgspec.json.encode(saved).decode())
