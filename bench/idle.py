"""What controller and agent cost while nothing happens: resident memory and CPU over some seconds. `uv run python bench/idle.py [SECONDS]`.

One agent with host jobs allowed, and with Docker where an engine answers on DOCKER_HOST or /var/run/docker.sock. A process of the same Python that
only sleeps in asyncio is the floor.
"""

import asyncio
import os
import sys

import psutil
from one_machine import cpu_s, memory_mb, one_machine

SETTLE_S = 5.0


async def main(seconds: float) -> None:
    docker_host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    sleeper = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import asyncio; asyncio.run(asyncio.sleep(3600))"
    )
    try:
        async with one_machine("plain", docker_host) as machine:
            await asyncio.sleep(SETTLE_S)
            parts = {name: machine.process(name) for name in machine.processes}
            if (supervisor := machine.supervisor()) is not None:
                parts["supervisor"] = supervisor
            parts["floor"] = psutil.Process(sleeper.pid)
            before = {name: cpu_s(process) for name, process in parts.items()}
            await asyncio.sleep(seconds)
            for name, process in parts.items():
                percent = (cpu_s(process) - before[name]) / seconds * 100
                print(f"{name:11}{memory_mb(process):6.1f} MB RSS  {percent:5.2f} % of one core over {seconds:g} s")
    finally:
        sleeper.kill()
        await sleeper.wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20))
