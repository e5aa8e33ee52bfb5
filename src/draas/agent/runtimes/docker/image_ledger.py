"""ImageLedger: which images this agent pulled that were not here before, and when each was used last; in one small file."""

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from draas.agent.core.images import Owned
from draas.lib import clock, log
from draas.lib.durable import replace_file

if TYPE_CHECKING:
    from draas.agent.runtimes.docker.api import EngineApi

USED_STEP_S = 300.0  # how exactly the last use is known: each step is a write


class ImageLedger:
    """What is not in it is never removed: a ledger that is lost costs room, no image of anybody's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._owned = _load(path)
        self.pulling: dict[str, int] = {}  # names, as the engine has them

    @property
    def owned(self) -> Mapping[str, Owned]:
        """By image id."""
        return self._owned

    @contextlib.asynccontextmanager
    async def noted(self, api: "EngineApi", name: str) -> AsyncIterator[None]:
        """Around a pull of `name`: what is here afterwards and was not before is ours."""
        before = await _ids(api)
        self.pulling[name] = self.pulling.get(name, 0) + 1
        try:
            yield
            info: dict[str, Any] = await api.call("GET", f"images/{name}/json")
            if info["Id"] not in before or info["Id"] in self._owned:
                self._note(info["Id"], name)
        finally:
            self.pulling[name] -= 1
            if not self.pulling[name]:
                del self.pulling[name]

    def see(self, present: Collection[str], used: Collection[str], now: float) -> None:
        """Of the images `present`, those `used` are; others of ours are gone. Raises nothing: a full disk must not stop removals."""
        owned = {
            id: replace(one, used_at=now) if id in used and now - one.used_at >= USED_STEP_S else one
            for id, one in self._owned.items()
            if id in present
        }
        if owned != self._owned:
            self._owned = owned
            self._save()

    def _note(self, id: str, name: str) -> None:
        known = self._owned.get(id)
        names = tuple(dict.fromkeys((*(known.names if known is not None else ()), _tagged(name))))
        self._owned[id] = Owned(names=names, used_at=clock.now())
        self._save()

    def _save(self) -> None:
        try:
            replace_file(self._path, msgspec.json.encode(self._owned), self._path.parent)
        except OSError as error:
            log.warning("which images are ours cannot be kept", path=str(self._path), reason=str(error))


@contextlib.asynccontextmanager
async def noted_pull(api: "EngineApi", name: str) -> AsyncIterator[None]:
    """Around a pull of `name` through `api`: its ledger, if it has one, notes what comes of it."""
    if api.ledger is None:
        yield
        return
    async with api.ledger.noted(api, name):
        yield


def _tagged(name: str) -> str:
    """As the engine lists it: with the tag that is meant where none is said."""
    return name if "@" in name or ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


async def _ids(api: "EngineApi") -> set[str]:
    return {str(item["Id"]) for item in await api.call("GET", "images/json", all=1)}


def _load(path: Path) -> dict[str, Owned]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Owned])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        log.warning("which images are ours is not known any more; they stay", path=str(path), reason=str(error))
        return {}
