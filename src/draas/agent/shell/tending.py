"""Tending a replica: probing it as long as it runs, and telling when what is known of it changes."""

import asyncio
import random
from collections.abc import Callable

from draas.agent.core.health import first_verdict, judge_probe, wait_s
from draas.agent.observe.probing import Way, probe_replica
from draas.agent.runtimes.runtime import Door, Runtime, RuntimeFailure
from draas.lib import clock
from draas.model.allocation import AllocationId
from draas.model.probe import Served
from draas.wire.link import Service

AGAIN_S = 0.5


async def tend(
    runtime: Runtime, id: AllocationId, service: Service, known: Served | None, way: Way, say: Callable[[Served], None]
) -> None:
    """Until cancelled. `known` is what was told before; `say` gets what is new, beginning with the first probe's word."""
    door = await _find_door(runtime, id)
    verdict = first_verdict(known, door.endpoint, clock.now())
    told = known
    while True:
        try:
            outcome = await probe_replica(runtime, id, service, door, way)
        except RuntimeFailure:  # an engine that is away says nothing about the replica; of its end the watch tells
            await asyncio.sleep(AGAIN_S)
            continue
        now = clock.now()
        verdict = judge_probe(verdict, outcome, service.probe, now)
        if verdict.served != told:
            told = verdict.served
            say(told)
        await asyncio.sleep(wait_s(verdict, service.probe, now, random.random()))


async def _find_door(runtime: Runtime, id: AllocationId) -> Door:
    while True:
        try:
            return await runtime.door(id)
        except RuntimeFailure:
            await asyncio.sleep(AGAIN_S)
