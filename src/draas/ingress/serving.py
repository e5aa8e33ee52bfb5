"""What a proxy is rendered from: Listening (where and as whom it runs) and Serving (what it answers)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from draas.model.route import AppRoute

CONNECT_MS = 500  # a black-holed machine costs a request this, then another replica is asked
UNACKNOWLEDGED_MS = 600  # bytes sent to a replica and not acknowledged for so long: its machine is gone
IDLE = "10m"  # nothing in either direction, of a request under way
TUNNEL = "24h"  # the same, of a WebSocket: TCP keep-alive finds the dead ones
HELD_FOLDER = "held"  # of the activator's sockets, under the proxy's working folder
HERE_SOCKET = f"{HELD_FOLDER}/_here.sock"  # listens while the activator does; no app's name has a _
DEFAULT_CERTIFICATE = "tls/default.pem"
CHALLENGE_PATH = "/.well-known/acme-challenge/"
UNKNOWN_PAGE = "<!doctype html><title>Not found</title><h1>No app has this name</h1><p>It may have been removed, or the name is wrong.</p>"
MAINTENANCE_PAGE = (
    "<!doctype html><title>Maintenance</title><h1>Down for maintenance</h1><p>Please try again in a few minutes.</p>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFile:
    """PEM of chain and key, in a file under the proxy's working folder. `names`: the hosts that it is for."""

    file: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """`address` "" is all of the machine's. `user`: whom the workers run as, where we are root ("": as we are)."""

    http_port: int
    https_port: int
    address: str = ""
    ipv6: bool = False
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Routes by app, checked by draas.ingress.checks; ACME challenges by token; certificates besides the default one."""

    listening: Listening
    routes: Mapping[str, AppRoute] = field(default_factory=dict)
    challenges: Mapping[str, str] = field(default_factory=dict)
    certificates: tuple[CertificateFile, ...] = ()


def held_socket(app: str) -> str:
    """The activator's socket for `app`, under the proxy's working folder."""
    return f"{HELD_FOLDER}/{app}.sock"
