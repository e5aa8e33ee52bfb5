"""What an idle DRaaS takes: memory and CPU of controller and agent over 20 s, as a user runs them. `python bench/idle.py [SECONDS]`.

Targets: controller 120 MB, agent 60 MB, each under 1 % of a core.
"""

import asyncio
import os
import sys

from whole import whole

SETTLE_S = 8.0  # start-up, and the one look at all objects after it


async def main(seconds: float) -> None:
    async with whole("--allow-host-jobs=plain") as draas:
        await asyncio.sleep(SETTLE_S)
        processes = {"controller": draas.controller, "agent": draas.agent}
        before = {name: draas.cpu_s(pid) for name, pid in processes.items()}
        await asyncio.sleep(seconds)
        print(f"idle for {seconds:.0f} s, load {os.getloadavg()[0]:.1f}")
        for name, pid in processes.items():
            spent = (draas.cpu_s(pid) - before[name]) / seconds
            print(f"{name:10}  {draas.rss_mb(pid):5.1f} MB  {spent * 100:.2f} % CPU")


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0))
