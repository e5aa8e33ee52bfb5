"""A step of load on an app that scales itself: decision within 10 s, a new replica serves within 15 s, back to the minimum after calm.

`.venv/bin/python bench/apps_autoscale.py`.
"""

import asyncio
import sys

from app_rack import app_rack, pause, report

from draas.lib import clock
from draas.testing.app_lab import AppLab, app_body

TARGET, STEP = 40.0, 150.0


def watch(apps: AppLab, times: dict[str, float], began: float) -> None:
    apps.wait("shop", lambda app: app["wanted"] > 1, "more are wanted")
    times["decided"] = clock.monotonic() - began
    apps.wait("shop", lambda app: sum(one["health"] == "healthy" for one in app["replicas"]) > 1, "a new one serves")
    times["serves"] = clock.monotonic() - began


async def main() -> int:
    times: dict[str, float] = {}
    body = app_body("0", replicas={"min": 1, "max": 4}, autoscale={"requests_per_s": TARGET})
    with app_rack() as (apps, _):
        await apps.aside(apps.deploy, "shop", body)
        await apps.aside(apps.wait_served, "shop", " 0\n")
        await pause(5)
        async with apps.load("shop", STEP) as load:
            await apps.aside(watch, apps, times, clock.monotonic())
            await pause(5)
        good = report(f"step from 0 to {STEP:g} requests/s", load, 0)
        print(
            f"  decided after {times['decided']:.1f} s (at most 10 s), a new replica serves after {times['serves']:.1f} s (15 s)"
        )
        began = clock.monotonic()
        await apps.aside(apps.wait, "shop", lambda app: app["wanted"] == 1 and len(app["replicas"]) == 1, "calm", 300)
        print(f"  back to the minimum {clock.monotonic() - began:.0f} s after the load ended")
        for scaling in reversed(apps.call("GET", "/api/apps/shop/scalings")["items"]):
            print(f"  {scaling['reason']}")
    return 0 if good and times["decided"] <= 10 and times["serves"] <= 15 else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
