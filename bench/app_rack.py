"""Three machines with their engines, a controller, agents and an ingress on the first two, for the benches of apps."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from draas.testing.load import Load

from draas.testing.app_lab import AppLab
from draas.testing.controller_process import ControllerProcess
from draas.testing.lab import AgentOn, Lab
from draas.testing.rack import Rack

WORKER, INGRESS = ("worker", "builder"), ("worker", "builder", "ingress")


@contextmanager
def app_rack() -> Iterator[tuple[AppLab, Rack]]:
    """All of it, ready; needs root and Debian's docker.io, haproxy, iproute2 and iptables."""
    with tempfile.TemporaryDirectory() as folder, Rack(3) as rack:
        controller = ControllerProcess(Path(folder) / "controller", rack.address)
        try:
            controller.start()
            agents = [AgentOn(m, roles=INGRESS if m.number < 3 else WORKER) for m in rack.machines]
            lab = Lab(controller, agents)
            lab.join_all()
            yield AppLab(lab), rack
        finally:
            controller.close()


def report(what: str, load: Load, most_failed: int) -> bool:
    """Print what came of the requests. Whether no more failed than may."""
    tally = load.tally()
    good = tally.failed <= most_failed
    print(
        f"{what}: {tally.failed} of {tally.sent} requests failed (at most {most_failed}), "
        f"p99 {tally.p99_s * 1000:.0f} ms, slowest {tally.worst_s * 1000:.0f} ms{'' if good else f' {dict(tally.lost)} {dict(tally.statuses)}'}",
        flush=True,
    )
    return good


async def pause(duration_s: float) -> None:
    """Let the load go on."""
    await asyncio.sleep(duration_s)
