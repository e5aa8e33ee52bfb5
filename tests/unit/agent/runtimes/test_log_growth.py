"""Whoever waits for a log file to grow is woken soon, however long a sweep had to wait for a core."""

import asyncio
import itertools
import math
import os
from pathlib import Path

import pytest

from draas.agent.runtimes.docker.log_file import Growth, sweep_pause_s
from draas.lib import clock
from draas.lib.tasks import Tasks

AN_HOUR_S = 3600.0


async def test_a_sweep_that_stood_still_does_not_put_off_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours, looked = itertools.count(), asyncio.Event()

    def an_hour_later() -> float:
        looked.set()
        return next(hours) * AN_HOUR_S

    monkeypatch.setattr(clock, "monotonic", an_hour_later)
    file = os.open(tmp_path / "container.log", os.O_RDWR | os.O_CREAT)
    try:
        async with Tasks("test") as tasks:
            waiting = tasks.spawn(Growth(tasks).beyond(file, 0, asyncio.Event(), until=math.inf), "wait")
            await looked.wait()
            os.write(file, b"a line")
            await asyncio.wait_for(waiting, 10)
    finally:
        os.close(file)
    assert waiting.done()


@pytest.mark.parametrize(
    ("quiet_s", "files", "pause_s"),
    [(math.inf, 1, 0.05), (0.1, 1, 0.01), (0.5, 1, 0.05), (0.1, 1000, 0.15), (math.inf, 1000, 0.15)],
)
def test_sweeps_come_often_while_lines_do_and_never_cost_much(quiet_s: float, files: int, pause_s: float) -> None:
    assert sweep_pause_s(quiet_s, files) == pytest.approx(pause_s)
