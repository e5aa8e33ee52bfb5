"""The peer of bench/apps_lost.py, which runs it: Docker Swarm on three machines of the same kind, 3 replicas, one loses its power.

The replica is replaced when its task elsewhere runs; whether requests are answered meanwhile is not measured, as Swarm's routing mesh
does not work on these machines. `tuned`: its dispatcher's heartbeat at 1 s, as far down as it goes.
"""

import sys

from draas.lib import clock
from draas.model.job import SAMPLE_IMAGE
from draas.testing.app_lab import SERVE
from draas.testing.machines import Machine
from draas.testing.rack import Rack
from draas.testing.waiting import wait_for


def running(manager: Machine) -> list[str]:
    """The machines that have a running task, as the manager sees it."""
    lines = manager.docker("service", "ps", "shop", "--format", "{{.Node}} {{.CurrentState}} {{.DesiredState}}")
    return [line.split()[0] for line in lines.splitlines() if " Running " in line and line.endswith("Running")]


def lose(manager: Machine, rack: Rack, lost: Machine) -> float:
    """Seconds from the power cut until three tasks run on the machines that are left."""
    began = clock.monotonic()
    rack.cut_power(lost)
    wait_for(
        lambda: running(manager),
        lambda nodes: len(nodes) >= 3 and lost.name not in nodes,
        "three tasks elsewhere",
        90,
    )
    return clock.monotonic() - began


def build_image(machine: Machine) -> None:
    """The sample image, as an agent builds it."""
    machine.run(sys.executable, "-c", LOAD_IMAGE, timeout_s=60)


LOAD_IMAGE = """
import asyncio
from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.sample_image import load_sample_image

async def load():
    api = EngineApi(None)
    await load_sample_image(api)
    await api.close()

asyncio.run(load())
"""


def measure(rack: Rack, *, tuned: bool) -> float:
    """Seconds from the power cut until the lost replica is replaced."""
    manager, worker, lost = rack.machines
    manager.docker("swarm", "init", "--advertise-addr", manager.address)
    if tuned:
        manager.docker("swarm", "update", "--dispatcher-heartbeat", "1s")
    token = manager.docker("swarm", "join-token", "-q", "worker").strip()
    for machine in (worker, lost):
        machine.docker("swarm", "join", "--token", token, f"{manager.address}:2377")
    for machine in rack.machines:
        build_image(machine)
    create = ("service", "create", "--detach", "--name", "shop", "--replicas", "3", "--no-resolve-image")
    manager.docker(*create, "--env", "VERSION=0", SAMPLE_IMAGE, "sh", "-c", SERVE)
    wait_for(lambda: running(manager), lambda nodes: len(nodes) == 3, "three tasks", 90)
    return lose(manager, rack, lost)


def compare() -> None:
    """Print how long Swarm takes."""
    for tuned in (False, True):
        with Rack(3) as rack:
            print(
                f"Docker Swarm{', tuned' if tuned else ''}: replaced {measure(rack, tuned=tuned):.1f} s after the cut",
                flush=True,
            )


if __name__ == "__main__":
    compare()
