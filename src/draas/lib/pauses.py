"""Pauses: what makes a process of Python stand still, set for one on which many wait.

Dead cycles: our values have none, so that reference counts free nearly everything at once; by default Python looks at all
objects each time a quarter more have come: 0.1 to 0.4 s again and again while some ten thousand jobs arrive, and a third
of the CPU. The interpreter's lock: a thread that commits gives it up for each step of SQLite, and by default gets it back
from a busy event loop only after 5 ms: a commit of 100 jobs takes 35 ms so, and 12 with a tenth of that.
"""

import asyncio
import gc
import sys

LOCK_S = 0.0005
YOUNG = 20_000  # objects: a look at the young ones takes a millisecond or two
MIDDLE = 5  # a look at those of middle age after so many at the young: ten milliseconds
OLD = 50  # at all after five million objects
STARTED_S = 5.0  # imports and what was loaded are there by then; they stay for ever and are not looked at again
ALL_EVERY_S = 600.0  # sessions and connections do leave cycles: no more than these minutes' worth pile up


async def avoid_pauses() -> None:
    """For ever. It concerns the whole process, so it is for what runs alone in one."""
    sys.setswitchinterval(LOCK_S)
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    await asyncio.sleep(STARTED_S)
    gc.freeze()  # without a look at them before: that finds a hundred dead ones, for a pause of 0.1 s, or 0.6 on a busy machine
    while True:
        await asyncio.sleep(ALL_EVERY_S)
        gc.collect()
