"""Attempts: how often somebody may fail to sign in."""

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Callable

from draas.lib import clock

FAILURES, WINDOW_S = 10, 60.0
MAX_ADDRESSES = 10_000  # the longest without a failure are forgotten first


class Attempts:
    """Failures by address within the last WINDOW_S seconds."""

    def __init__(self, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._monotonic = monotonic
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until `address` may try again; 0 where it may."""
        failures = self._failures.get(network_of(address))
        if failures is None or len(failures) < FAILURES:
            return 0.0
        return max(0.0, failures[0] + WINDOW_S - self._monotonic())

    def failed(self, address: str) -> None:
        """Note a failure."""
        network = network_of(address)
        self._failures.setdefault(network, deque(maxlen=FAILURES)).append(self._monotonic())
        self._failures.move_to_end(network)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)


def network_of(address: str) -> str:
    """An IPv6 address stands for its /64: that is what one machine has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
