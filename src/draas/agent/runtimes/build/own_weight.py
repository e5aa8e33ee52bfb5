"""The build program steps back behind apps: its own control group, in which the supervisor has put it, gets a low weight.

Sources: the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst. A nice value alone counts within a group only.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from draas.agent.runtimes.process.cgroup_files import Setting, parse_mounts, parse_own

# An eighth of an app that asked for one core: unpacking and hashing wait for it, and a stop is still heard at once.
SHARES_V1, WEIGHT_V2, NICE = 128, 12, 10


def step_back() -> None:
    """Lower what this process and those it starts weigh, as far as this machine lets it."""
    os.nice(NICE)
    own = parse_own(Path("/proc/self/cgroup").read_text())
    for folder, setting in render_own_weight(own, parse_mounts(Path("/proc/self/mounts").read_text())):
        try:
            if _is_alone(folder):
                Path(folder, setting.name).write_text(setting.value)
        except OSError:
            continue


def render_own_weight(own: Mapping[str, str], mounts: Mapping[str, str]) -> list[tuple[str, Setting]]:
    """What is written where, for a process in the groups `own`; nothing for one in the topmost group. Pure."""
    found = []
    for controller, name, value in (("cpu", "cpu.shares", SHARES_V1), ("", "cpu.weight", WEIGHT_V2)):
        path = own.get(controller, "/").rstrip("/")
        if controller in mounts and path:
            found.append((f"{mounts[controller]}{path}", Setting(controller, name, str(value), optional=True)))
    return found


def _is_alone(folder: str) -> bool:
    """Where the supervisor has no groups for its jobs, they are in the agent's."""
    return Path(folder, "cgroup.procs").read_text().split() == [str(os.getpid())]
