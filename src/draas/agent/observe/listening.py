"""Who listens on which TCP port, from what the kernel says of a network namespace. Source: Linux Documentation/networking/proc_net_tcp.rst."""

import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path

from draas.agent.runtimes.runtime import Listener

_LISTEN = "0A"


def parse_listeners(table: str) -> Iterator[Listener]:
    """The listening sockets of a /proc/net/tcp or tcp6."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] == _LISTEN:
            address, _, port = fields[1].partition(":")
            yield Listener(_address(address), int(port, 16))


def read_listeners(pid: int, proc: Path = Path("/proc")) -> tuple[Listener, ...] | None:
    """What listens in the network namespace of process `pid`; None where it cannot be seen."""
    found: set[Listener] = set()
    seen = False
    for name in ("tcp", "tcp6"):
        try:
            found.update(parse_listeners((proc / str(pid) / "net" / name).read_text()))
        except OSError:  # no such process, no leave to look, or no IPv6
            continue
        seen = True
    return tuple(sorted(found)) if seen else None


def _address(text: str) -> str:
    """The kernel prints addresses as words of 32 bits in the machine's byte order."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
