"""What of a route may get into a proxy's configuration: one strict pattern a field, checked here again whoever checked it before. Pure."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from draas.model.route import MAX_WEIGHT, AppRoute, Endpoint, HostPath

MAX_HOLD_S = 3600.0
MAX_HOST, MAX_PATH = 253, 512

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_APP = re.compile(_LABEL)
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_NAME_OF_CERTIFICATE = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)*{_LABEL}")
_PATH = re.compile(r"/[A-Za-z0-9._~@+:,=/-]*")
_CHECK_PATH = re.compile(r"/[A-Za-z0-9._~@+:,=/?&-]*")
_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")
_ANSWER = re.compile(r"[A-Za-z0-9._-]{1,1024}")


def check_route(route: AppRoute) -> str:
    """Why `route` must not be rendered, naming the field; "" if it may."""
    if not _APP.fullmatch(route.app):
        return f"app {route.app[:80]!r}: a name is lower-case letters, digits and dashes, at most 63"
    if not 0 <= route.hold_s <= MAX_HOLD_S:
        return f"hold_s {route.hold_s!r}: from 0 to {MAX_HOLD_S:.0f}"
    if route.check_path is not None and not _fits(_CHECK_PATH, route.check_path, MAX_PATH):
        return f"check path {route.check_path[:80]!r}: begins with / and holds letters, digits and ._~@+:,=/?&- only"
    reasons = (*map(_check_host_path, route.hosts), *map(check_endpoint, route.endpoints))
    return next(filter(None, reasons), "")


def _check_host_path(at: HostPath) -> str:
    if not _fits(_HOST, at.host, MAX_HOST):
        return f"host {at.host[:80]!r}: labels of lower-case letters, digits and dashes, with dots between them"
    if not _fits(_PATH, at.path, MAX_PATH):
        return f"path {at.path[:80]!r}: begins with / and holds letters, digits and ._~@+:,=/- only"
    return ""


def check_endpoint(endpoint: Endpoint) -> str:
    """Why it cannot be rendered, "" if it can. Addresses are numbers by now: names are resolved before."""
    if not _ENDPOINT.fullmatch(endpoint.id):
        return f"endpoint {endpoint.id[:80]!r}: letters, digits and ._- only"
    if split_address(endpoint.address) is None:
        return f"address {endpoint.address[:80]!r}: IPv4:PORT or [IPv6]:PORT"
    if not 0 <= endpoint.weight <= MAX_WEIGHT:
        return f"weight {endpoint.weight!r}: from 0 to {MAX_WEIGHT}"
    return ""


def split_address(address: str) -> tuple[str, int] | None:
    """`10.0.0.1:80` or `[fd00::1]:80` as address and port; None for anything else."""
    host, _, port = address.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        return None
    try:
        if host.startswith("[") and host.endswith("]") and "%" not in host:
            return str(IPv6Address(host[1:-1])), int(port)
        return str(IPv4Address(host)), int(port)
    except AddressValueError:
        return None


def is_certificate_name(name: str) -> bool:
    """Whether a certificate can be served under `name`: a host name, or `*.` and one."""
    return _fits(_NAME_OF_CERTIFICATE, name, MAX_HOST)


def good_challenges(challenges: dict[str, str]) -> dict[str, str]:
    """Those of the ACME challenges that are what RFC 8555 says: base64url, and in the answer a dot. Others cannot be answered."""
    return {
        token: answer for token, answer in challenges.items() if _TOKEN.fullmatch(token) and _ANSWER.fullmatch(answer)
    }


def _fits(pattern: "re.Pattern[str]", text: str, most: int) -> bool:
    return len(text) <= most and pattern.fullmatch(text) is not None
