"""Host names: which are well formed, which lead to one machine only, and which a certificate's name covers. Pure."""

import ipaddress
import re

from draas.model.errors import Invalid

MAX_HOST = 253  # RFC 1035
WILDCARD = "*."
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Ends under which no public authority gives out certificates: RFC 6761, 6762, 7686, 8375 and 9476, what home routers use, and
# names that spell an address and so belong to everybody.
_PRIVATE_ENDS = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "test",
    "example",
    "invalid",
    "onion",
    "alt",
    "home.arpa",
    "sslip.io",
    "nip.io",
    "xip.io",
    "traefik.me",
]


def is_host_name(text: str) -> bool:
    """Whether `text` is a host name in lower case and ASCII, and no address."""
    labels = text.split(".")
    return len(text) <= MAX_HOST and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def check_domain(text: str, where: str) -> str:
    """The domain as it is kept: lower case, no dots at its ends. Raises Invalid naming `where`."""
    domain = text.strip().strip(".").lower()
    if domain.startswith(WILDCARD):
        raise Invalid(f"{where} must be the domain alone, without *.: {domain[len(WILDCARD) :]}")
    if "://" in domain or not is_host_name(domain):
        raise Invalid(f"{where} must be a domain such as apps.home or apps.example.org, not {text[:100]!r}")
    return domain


def is_public(host: str) -> bool:
    """Whether a public authority may give out a certificate for `host`."""
    if not is_host_name(host) or "." not in host:
        return False
    return not any(host == end or host.endswith(f".{end}") for end in _PRIVATE_ENDS)


def covers(name: str, host: str) -> bool:
    """Whether a certificate's DNS name is good for `host` (RFC 6125: a wildcard stands for exactly one label)."""
    name = name.lower()
    if name == host:
        return True
    return (
        name.startswith(WILDCARD) and not host.startswith(WILDCARD) and host.partition(".")[2] == name[len(WILDCARD) :]
    )


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
