"""The disks loop: tells, once, of each disk that fills, is full, or has room again (draas.scheduler.disks)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from draas.lib import clock, log
from draas.model.errors import DraasError
from draas.model.event import Event
from draas.model.node import Node
from draas.scheduler.disks import CONTROLLER, DiskLevel, disks_of, judge_disks
from draas.server.services.own_disk import OwnDisk

EVERY_S = 5.0


class Disks:
    """`nodes` gives all nodes as they are; `note` keeps events."""

    def __init__(
        self, own: OwnDisk, nodes: Callable[[], Iterable[Node]], note: Callable[[Sequence[Event]], Awaitable[None]]
    ) -> None:
        self._own = own
        self._nodes = nodes
        self._note = note
        self._levels: dict[str, DiskLevel] = {}

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Tell what has changed since the last look. What cannot be kept now is told by the next one."""
        disks = {**disks_of(self._nodes()), CONTROLLER: (CONTROLLER, self._own.look())}
        known = {subject: level for subject, level in self._levels.items() if subject in disks}
        levels, events = judge_disks(disks, known, clock.now())
        if events:
            try:
                await self._note(events)
            except DraasError as error:
                log.warning("news of disks cannot be kept now", reason=error.detail)
                return
            for event in events:
                log.warning("a disk", kind=event.kind, of=event.detail["name"], percent=event.detail["percent"])
        self._levels = levels
