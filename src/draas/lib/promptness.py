"""Promptness: what carries requests to apps gets the CPU before what merely computes."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
# Ten times the usual weight: a thread that wakes up has the earliest deadline, and need not wait for the end of somebody's slice.
NICE = -10


def hasten(pid: int) -> None:
    """Raise the process, with all its threads and what these start. Without the right to (root has it) nothing changes."""
    with suppress(OSError):
        for thread in (PROC / str(pid) / "task").iterdir():
            if os.getpriority(os.PRIO_PROCESS, int(thread.name)) > NICE:
                os.setpriority(os.PRIO_PROCESS, int(thread.name), NICE)


def find_named(name: str) -> Iterator[int]:
    """The processes of this machine that the kernel calls `name`."""
    for entry in PROC.iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "comm").read_text().strip() == name:
                yield int(entry.name)
