"""What changes cost those who use an app: requests failed of 200 a second, 2 replicas on 2 machines, asked 0 for each change.

`.venv/bin/python bench/apps_changes.py [DEPLOYS]`: 20 deploys in a row; a restart, scaling up and down, a drained machine, a renewed certificate.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from app_rack import app_rack, pause, report

from draas.testing.app_lab import AppLab, app_body
from draas.testing.certificates import TestAuthority

RATE = 200.0
HOST = "shop.example.org"
AUTHORITY = TestAuthority()


def deploys(apps: AppLab, count: int) -> None:
    for number in range(count):
        apps.deploy("shop", app_body(f"v{number}"))


def restart(apps: AppLab) -> None:
    before = {one["id"] for one in apps.app("shop")["replicas"]}
    apps.call("POST", "/api/apps/shop/restart")
    apps.wait(
        "shop", lambda app: app["state"] == "live" and not before & {one["id"] for one in app["replicas"]}, "restarted"
    )


def scale(apps: AppLab) -> None:
    for count in (4, 1, 2):
        apps.call("POST", "/api/apps/shop/scale", {"replicas": count})
        apps.wait_live("shop", count)


def drain(apps: AppLab) -> None:
    node = apps.app("shop")["replicas"][0]["node"]
    apps.call("PATCH", f"/api/nodes/{node}", {"state": "draining"})
    apps.wait(
        "shop",
        lambda app: app["state"] == "live" and node not in {one["node"] for one in app["replicas"]},
        f"not on {node}",
    )
    apps.call("PATCH", f"/api/nodes/{node}", {"state": "ready"})


def renew(apps: AppLab) -> None:
    for _ in range(3):
        chain, key = AUTHORITY.sign(HOST)
        apps.call("PUT", f"/api/certificates/{HOST}", {"chain": chain, "key": key})
        asyncio.run(pause(2))  # until the proxies have loaded it


async def measure(apps: AppLab, what: str, change: Callable[..., Any], *words: Any) -> bool:
    async with apps.load("shop", RATE) as load:
        await pause(1)
        await apps.aside(change, apps, *words)
        await pause(1)
    return report(what, load, 0)


async def main(count: int) -> int:
    with app_rack() as (apps, _):
        await apps.aside(apps.deploy, "shop", app_body("0"))
        await apps.aside(apps.wait_served, "shop", " 0\n")
        good = [
            await measure(apps, "quiet", lambda _: asyncio.run(pause(5))),
            await measure(apps, f"{count} deploys in a row, each with another environment", deploys, count),
            await measure(apps, "restart", restart),
            await measure(apps, "scale 2 > 4 > 1 > 2", scale),
            await measure(apps, "drain", drain),
            await measure(apps, "three renewals of a certificate", renew),
        ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)))
