"""What goes through this machine's network interfaces."""

from collections.abc import Callable, Collection, Mapping, Set
from pathlib import Path
from typing import NamedTuple

import psutil

CLASS = Path("/sys/class/net")
LOOPBACK = "lo"
LEAST_S = 0.5
# What containers and virtual machines are attached to: it would count their traffic twice. By name, as nothing else tells.
VIRTUAL = ("veth", "docker", "br-", "virbr", "cni", "flannel", "cali", "podman", "lxc", "lxd", "tap", "ifb", "dummy")


class Passed(NamedTuple):
    """Bytes since the interface is up."""

    received: int
    sent: int


def choose_interfaces(names: Collection[str], with_device: Set[str]) -> frozenset[str]:
    """Those that lead out of the machine: with a device behind them; in a container, where none has one, all but what is known to be virtual."""
    real = frozenset(names) & with_device
    return real or frozenset(name for name in names if name != LOOPBACK and not name.startswith(VIRTUAL))


def rates_of(before: Mapping[str, Passed], after: Mapping[str, Passed], seconds: float) -> tuple[float, float]:
    """Bytes a second received and sent. An interface that is new, or counts anew, does so from nothing: it does not count yet."""
    both = [(before[name], passed) for name, passed in after.items() if name in before]
    received = sum(max(new.received - old.received, 0) for old, new in both)
    sent = sum(max(new.sent - old.sent, 0) for old, new in both)
    return received / seconds, sent / seconds


def read_passed() -> dict[str, Passed]:
    """By interface that leads out of the machine."""
    found = psutil.net_io_counters(pernic=True)
    with_device = {name for name in found if (CLASS / name / "device").exists()}
    chosen = choose_interfaces(found.keys(), with_device)
    return {name: Passed(found[name].bytes_recv, found[name].bytes_sent) for name in sorted(chosen)}


class Network:
    """Remembers what had passed, to say how much did since."""

    def __init__(self, read: Callable[[], Mapping[str, Passed]] = read_passed) -> None:
        self._read = read
        self._before: tuple[float, Mapping[str, Passed]] | None = None
        self._last: tuple[float | None, float | None] = (None, None)

    def rates(self, mono: float) -> tuple[float | None, float | None]:
        """Bytes a second received and sent since the last call; None at the first one, and where the machine tells nothing.

        Within LEAST_S the answer is the last one: a rate over less is that of a few packets.
        """
        if self._before is not None and 0 <= mono - self._before[0] < LEAST_S:
            return self._last
        now = self._read()
        before, self._before = self._before, (mono, now)
        if before is None or mono <= before[0] or not now:
            self._last = None, None
        else:
            self._last = rates_of(before[1], now, mono - before[0])
        return self._last
