"""EngineWatch: one subscription to the engine's events that wakes whoever waits for a container.

An event says "look again"; the truth is what the engine answers then. Only of a container that was begun under the subscription, which has
not broken since, an event is believed without a look: that saves calls, which are what a short job costs. A lost event costs time (RECHECK_S),
never correctness, and one connection serves any number of waiting allocations.
"""

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError, filters
from draas.agent.runtimes.docker.container_body import OWNER
from draas.lib import clock, log
from draas.lib.backoff import full_jitter
from draas.lib.tasks import Tasks

RECHECK_S = 15.0
RECONNECT_CAP_S = 2.0
# The engine says that the subscription is there just before it is: ask for the last moments again.
OVERLAP_S = 5.0


@dataclass(slots=True, kw_only=True)
class Life:
    """What the events told of one container. `over` is set when its end was told, or when nothing more will be: then `exit_code` is None."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int | None = None
    died_at: float = 0.0  # Unix seconds
    oom: bool = False

    @property
    def ended(self) -> bool:
        return self.exit_code is not None

    @property
    def is_followed(self) -> bool:
        """Whether its end has been told, or will be."""
        return self.ended or not self.over.is_set()


class EngineWatch:
    """`with watch.waiting(name) as changed: look(); await changed()` misses nothing that happens after the look."""

    def __init__(self, api: EngineApi, owner: str, tasks: Tasks) -> None:
        self._api = api
        self._filters = filters(type=["container"], event=["start", "die", "oom"], label=[f"{OWNER}={owner}"])
        self._tasks = tasks
        self._task: asyncio.Task[None] | None = None
        self._events: dict[str, set[asyncio.Event]] = {}
        self._lives: dict[str, Life] = {}
        self._subscribed = False
        self.lost_at = 0.0  # when the engine was last seen to go away, Unix seconds

    @contextmanager
    def waiting(self, name: str) -> Iterator[asyncio.Event]:
        """An Event that is set when something happens to the container `name`, or when the engine is back."""
        self._begin()
        event = asyncio.Event()
        self._events.setdefault(name, set()).add(event)
        try:
            yield event
        finally:
            waiters = self._events[name]
            waiters.discard(event)
            if not waiters:
                del self._events[name]

    def follow(self, container_id: str) -> Life:
        """The life of a container that has been created and not yet started, told until `forget`."""
        self._begin()
        life = Life()
        if self._subscribed:
            self._lives[container_id] = life
        else:
            life.over.set()
        return life

    def forget(self, container_id: str) -> None:
        """Nobody asks for this container's life any more. Unknown ones are fine."""
        self._lives.pop(container_id, None)

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = self._tasks.spawn(self._follow(), "engine events")

    async def _follow(self) -> None:
        failures = 0
        while True:
            try:
                since = f"{clock.now() - OVERLAP_S:.3f}"
                async with self._api.stream("GET", "events", filters=self._filters, since=since) as stream:
                    failures = 0
                    self._subscribed = True
                    self._wake_all()
                    async for line in stream:
                        self._wake(line)
            except (EngineAway, EngineError) as error:
                log.info("engine events ended", reason=str(error))
            finally:
                self._lose()
            if failures == 0:
                self.lost_at = clock.now()
            await asyncio.sleep(full_jitter(failures, base_s=0.1, cap_s=RECONNECT_CAP_S, chance=random.random()))
            failures += 1

    def _wake(self, line: bytes) -> None:
        if not line.strip():
            return
        told = json.loads(line)
        actor = told.get("Actor", {})
        self._tell(self._lives.get(actor.get("ID", "")), told)
        for event in self._events.get(actor.get("Attributes", {}).get("name", ""), ()):
            event.set()

    @staticmethod
    def _tell(life: Life | None, told: dict[str, Any]) -> None:
        if life is None:
            return
        if told["Action"] == "oom":
            life.oom = True
        elif told["Action"] == "die":
            life.exit_code, life.died_at = int(told["Actor"]["Attributes"]["exitCode"]), told["timeNano"] / 1e9
            life.over.set()

    def _lose(self) -> None:
        self._subscribed = False
        for life in self._lives.values():
            life.over.set()
        self._lives.clear()

    def _wake_all(self) -> None:
        for events in self._events.values():
            for event in events:
                event.set()


async def woken(event: asyncio.Event, timeout_s: float = RECHECK_S) -> bool:
    """Whether `event` came within `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
