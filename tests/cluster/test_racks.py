"""The machines themselves: several racks at once do not clash, and what a killed run left is gone when the next one starts."""

import signal
import subprocess
import sys
from pathlib import Path

from draas.testing.control_group import ControlGroup
from draas.testing.rack import STATE, Rack

ABANDON = """
import os, signal
from draas.testing.rack import Rack
rack = Rack(1)
rack.open()
rack.machines[0].pause()
print(rack.number, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def traces(number: int) -> list[str]:
    """What there is of a rack on this host."""
    found = [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"{STATE}/{number}/" in line]
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    found += [line for line in links.splitlines() if line.startswith((f"draas{number}n", f"draas{number}c"))]
    found += [str(pid) for pid in ControlGroup(f"/draas-rack-{number}").pids()]
    return found + [str(path) for path in (STATE / str(number),) if path.exists()]


def test_two_racks_do_not_clash_and_leave_nothing(rack: Rack) -> None:
    with Rack(1) as other:
        assert other.number != rack.number
        assert other.machines[0].run("hostname") == rack.machines[0].run("hostname") == "m1\n"
        assert other.machines[0].address != rack.machines[0].address
        assert traces(other.number)
    assert traces(other.number) == []


def test_what_a_killed_run_left_is_removed_by_the_next(rack: Rack) -> None:
    """Also a machine that was frozen when its run was killed."""
    killed = subprocess.run([sys.executable, "-c", ABANDON], capture_output=True, text=True, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    number = int(killed.stdout)
    assert traces(number)
    with Rack(0):
        pass
    assert traces(number) == []
    assert all(machine.run("true") == "" for machine in rack.machines)  # those of a living run are left alone
