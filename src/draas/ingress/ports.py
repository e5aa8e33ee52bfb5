"""Which ports this machine's proxy gets, and whether there is IPv6."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass

USUAL_HTTP, SPARE_HTTP = 80, range(8080, 8090)
USUAL_HTTPS, SPARE_HTTPS = 443, range(8443, 8453)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """`port` 0: none is free. `told`: one line where it is not the one that people expect, "" else."""

    port: int
    told: str = ""


def choose_port(wanted: int | None, usual: int, spare: Iterable[int], address: str) -> Chosen:
    """`wanted`, or the usual one where nobody wants another, or a spare one where that cannot be had."""
    if wanted is not None:
        trouble = why_not(wanted, address)
        return Chosen(port=0, told=f"port {wanted} {trouble}") if trouble else Chosen(port=wanted)
    trouble = why_not(usual, address)
    if not trouble:
        return Chosen(port=usual)
    port = next((port for port in spare if not why_not(port, address)), 0)
    return Chosen(port=port, told=f"port {usual} {trouble}" + (f"; using {port}" if port else ""))


def why_not(port: int, address: str = "") -> str:
    """Why nobody can listen there now; "" if one can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except PermissionError:
            return "cannot be bound by this user"
        except OSError as error:
            return f"is taken ({error.strerror})"
    return ""


def has_ipv6() -> bool:
    """Whether a socket can listen on IPv6 here."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(("::", 0))
    except OSError:
        return False
    return True
