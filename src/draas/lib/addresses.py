"""Addresses of machines."""

import ipaddress


def is_loopback(name: str) -> bool:
    """Whether `name` is an address of this machine alone: localhost, 127.0.0.0/8 or ::1."""
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False
