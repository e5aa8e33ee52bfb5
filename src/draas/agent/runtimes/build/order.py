"""What crosses between agent and build program: the order, in a file that only they can read, and the result."""

import os
from pathlib import Path
from typing import Literal

import msgspec

from draas.model.allocation import Cause
from draas.model.build import Built
from draas.model.login import Login
from draas.wire.link import BuildOrder

ORDER, RESULT, SOURCE = "order", "result", "source"  # files in a build's folder
PRIVATE, TREE = (
    "private",
    "tree",
)  # folders there, until the build ends: what it needs that nobody may see, and the unpacked source
SHARES = "shares"  # a folder beside that of all builds' folders

Builder = Literal["buildkit", "classic"]


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """The Docker Engine that builds. `cli` is the docker command that can speak BuildKit with it, `group` the control group of its
    containers ("/docker"); both are empty for the classic builder.
    """

    url: str
    version: str
    platform: str  # "linux/amd64"
    builder: Builder
    root: str  # its data folder on this machine
    cli: str = ""
    group: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """All that one build needs. `registry` is the cluster's as this machine's engine reaches it."""

    id: str
    job_id: str
    project: str
    owner: str
    build: BuildOrder
    registry: Login
    logins: tuple[Login, ...]
    engine: Engine
    cpu_millis: int
    memory_bytes: int

    def __repr__(self) -> str:
        return f"Order(id={self.id!r})"  # never the secrets


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended. `cpu_s` and `peak_memory_bytes` are those of the engine's steps, where they could be measured."""

    built: Built | None = None
    cause: Cause = Cause.NONE
    detail: str = ""
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0


def write_order(folder: Path, order: Order) -> None:
    """Replace the order in `folder`. Raises OSError."""
    _write(folder / ORDER, msgspec.msgpack.encode(order))


def take_order(folder: Path) -> Order:
    """The order in `folder`, which is there no longer: it holds secrets. Raises OSError, msgspec.MsgspecError."""
    path = folder / ORDER
    raw = path.read_bytes()
    path.unlink()
    return msgspec.msgpack.decode(raw, type=Order)


def write_result(folder: Path, result: Result) -> None:
    """Whole or not at all. Raises OSError."""
    _write(folder / RESULT, msgspec.msgpack.encode(result))


def read_result(folder: Path) -> Result | None:
    """None where there is none: the program was killed."""
    try:
        return msgspec.msgpack.decode((folder / RESULT).read_bytes(), type=Result)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.replace(fresh, path)
