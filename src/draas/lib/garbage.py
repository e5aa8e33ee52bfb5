"""Garbage: when Python looks for dead cycles. Our values have none, so that reference counts free nearly everything at once.

By default it looks at all objects each time a quarter more have come: 0.1 to 0.4 s of standstill again and again while
some ten thousand jobs arrive, and a fifth of the CPU.
"""

import asyncio
import gc

YOUNG = 20_000  # objects: a look at the young ones takes a millisecond or two
MIDDLE, OLD = 5, 50  # a look at those of middle age after 5 of the young: ten milliseconds; at all after 5 million objects
STARTED_S = 5.0  # imports and what was loaded are there by then; they stay for ever and are not looked at again
ALL_EVERY_S = 600.0  # sessions and connections do leave cycles: no more than these minutes' worth pile up


async def collect_seldom() -> None:
    """For ever. For the whole process, so only for what runs alone in one."""
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    await asyncio.sleep(STARTED_S)
    gc.collect()
    gc.freeze()
    while True:
        await asyncio.sleep(ALL_EVERY_S)
        gc.collect()
