"""Image care: the agent's loop that makes room: looks at the images, has the core decide, removes what it says."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from draas.agent.core.images import ImageRemoval, Present, Rules, plan_removals
from draas.agent.runtimes.docker.api import EngineAway, EngineError
from draas.agent.runtimes.docker.image_ledger import ImageLedger
from draas.lib import clock, log
from draas.lib.disk import Disk

EVERY_S = 60.0


class Room(Protocol):
    """Where images are (draas.agent.runtimes.docker.image_room)."""

    async def present(self) -> list[Present]: ...

    async def in_use(self) -> set[str]: ...

    async def remove(self, removal: ImageRemoval) -> bool: ...


@dataclass(slots=True, kw_only=True)
class ImageCare:
    """`wanted` names what this node's allocations need; `disk` is the one that holds the images, None where it cannot be seen.

    `keep` is the controller's word on the link that is open; None: none, and then nothing is removed.
    """

    room: Room
    ledger: ImageLedger
    wanted: Callable[[], Collection[str]]
    disk: Callable[[], Disk | None]
    rules: Rules = Rules()
    keep: frozenset[str] | None = None

    def hear(self, keep: frozenset[str] | None) -> None:
        """The controller's word; None: the link is cut."""
        self.keep = keep

    async def run(self) -> None:
        """Make room for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.make_room()
            except (EngineAway, EngineError) as error:
                log.debug("images cannot be looked at now", reason=str(error))

    async def make_room(self) -> list[ImageRemoval]:
        """One round; what went. Raises EngineAway, EngineError."""
        present, in_use = await self.room.present(), await self.room.in_use() | set(self.wanted())
        used = {one.id for one in present if one.id in in_use or in_use & set(one.known_as)}
        self.ledger.see({one.id for one in present}, used, clock.now())
        disk = self.disk() or Disk(used_bytes=0, total_bytes=0)
        gone = []
        for removal in plan_removals(present, self.ledger.owned, self.keep, in_use, clock.now(), disk, self.rules):
            if not _is_wanted(removal.image, self.wanted()) and await self.room.remove(removal):
                gone.append(removal)
        return gone


def _is_wanted(image: Present, wanted: Collection[str]) -> bool:
    return image.id in wanted or bool(set(image.known_as) & set(wanted))
