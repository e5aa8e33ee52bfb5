"""Which of this machine's addresses the ports of replicas are published on."""

import ipaddress
import socket

from draas.agent.runtimes.docker.service_body import ANYWHERE, LOOPBACK
from draas.lib import addresses


def publish_on(address: str, *, local: bool) -> str:
    """The host address for the engine: `address` where it is this machine's own, every one where it is not (a name, or an address behind NAT)."""
    if is_loopback(address):
        return LOOPBACK
    return address if local and is_own(address) else ANYWHERE


def is_loopback(address: str) -> bool:
    """Whether `address` (or none at all) is for this machine alone."""
    return not address or addresses.is_loopback(address)


def is_own(address: str) -> bool:
    """Whether `address` is one of this machine's."""
    try:
        version = ipaddress.ip_address(address).version
        with socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_STREAM) as trying:
            trying.bind((address, 0))
    except (OSError, ValueError):
        return False
    return True


def address_towards(host: str, port: int) -> str:
    """This machine's address on the way to `host`; nothing where there is none, or where `host` is this machine. Sends nothing."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(found[0], socket.SOCK_DGRAM) as trying:
            trying.connect(found[4])
            own = str(trying.getsockname()[0])
    except OSError:
        return ""
    return "" if is_loopback(own) else own
