"""What a lost machine and a killed container cost those who use an app: 200 requests a second, 3 replicas on 3 machines.

`.venv/bin/python bench/apps_lost.py`: power cut: at most 1 request in 10,000 failed, none slower than 1 s, a replacement answers within
6 s of being known to be lost; container killed: replaced and answering within 2 s.
"""

import asyncio
import sys
from typing import Any

from app_rack import app_rack, pause, report
from apps_lost_swarm import compare

from draas.lib import clock
from draas.testing.app_lab import AppLab, app_body

RATE = 200.0
AFTER_S = 45.0  # some 10,000 requests in all


def healthy_but(apps: AppLab, gone: set[str], count: int) -> Any:
    """Wait until so many replicas beside `gone` are healthy."""
    return apps.wait(
        "shop",
        lambda app: sum(one["health"] == "healthy" and one["id"] not in gone for one in app["replicas"]) >= count,
        f"{count} healthy",
    )


def cut_power(apps: AppLab, rack: Any, times: dict[str, float]) -> None:
    gone = {one["id"] for one in apps.app("shop")["replicas"] if one["node"] == "m3"}
    began = clock.monotonic()
    rack.cut_power(apps.lab.agent("m3").machine)
    apps.controller.wait_node("m3", "disconnected", "down")
    healthy_but(apps, gone, 3)
    times["machine"] = clock.monotonic() - began


def kill_container(apps: AppLab, times: dict[str, float]) -> None:
    began = clock.monotonic()
    gone = {apps.kill_replica("shop")}
    times["killing"] = clock.monotonic() - began
    healthy_but(apps, gone, 3)
    times["container"] = clock.monotonic() - began - times["killing"]


async def main() -> int:
    times: dict[str, float] = {}
    with app_rack() as (apps, rack):
        await apps.aside(apps.deploy, "shop", app_body("0", replicas=3))
        await apps.aside(apps.wait_served, "shop", " 0\n")
        async with apps.load("shop", RATE) as load:
            await pause(2)
            await apps.aside(kill_container, apps, times)
            await pause(2)
        good = report("container killed", load, 0)
        print(f"  replaced and healthy after {times['container']:.2f} s (at most 2 s)", flush=True)
        async with apps.load("shop", RATE) as load:
            await pause(2)
            await apps.aside(cut_power, apps, rack, times)
            await pause(AFTER_S)
        tally = load.tally()
        good &= report("power cut of one of three machines", load, tally.sent // 10_000)
        print(f"  replaced and healthy {times['machine']:.1f} s after the cut (at most 6 s)", flush=True)
        good &= tally.worst_s <= 1 and times["machine"] <= 6 and times["container"] <= 2
    compare()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
