"""The controller killed for five minutes under load: 0 failed requests, and everything as it should be afterwards.

`.venv/bin/python bench/apps_controller_away.py [SECONDS]`. Meanwhile a container is killed too: nobody replaces it until the controller is back.
"""

import asyncio
import sys

from app_rack import app_rack, pause, report

from draas.testing.app_lab import app_body

RATE = 100.0


async def main(away_s: float) -> int:
    with app_rack() as (apps, _):
        await apps.aside(apps.deploy, "shop", app_body("0", replicas=3))
        await apps.aside(apps.wait_served, "shop", " 0\n")
        before = {one["id"] for one in apps.app("shop")["replicas"]}
        async with apps.load("shop", RATE) as load:
            apps.controller.kill()
            await pause(away_s)
            await apps.aside(apps.controller.start)
            await apps.aside(apps.lab.wait_ready)
            await apps.aside(apps.wait_live, "shop", 3)
        good = report(f"controller away for {away_s:g} s", load, 0)
        same = {one["id"] for one in apps.app("shop")["replicas"]} == before
        print(f"  the replicas are {'the same' if same else 'others'}")
    return 0 if good and same else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 300.0)))
