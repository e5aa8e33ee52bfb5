"""How the engine is told a login of a registry. Pure. Source: Docker Engine API 1.41, "Authentication"."""

import base64
import json
from collections.abc import Iterable

from draas.model.login import Login
from draas.model.registry import DOCKER_HUB

HEADER = "X-Registry-Auth"
_HUB_ADDRESS = "https://index.docker.io/v1/"  # what Docker's own client sends for it


def registry_auth(login: Login) -> str:
    """The value of X-Registry-Auth: JSON in base64 of the alphabet for URLs."""
    told = {"username": login.username, "password": login.password, "serveraddress": registry_key(login.host)}
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def registry_key(host: str) -> str:
    """What Docker's files and headers call the registry of images at `host`."""
    return _HUB_ADDRESS if host == DOCKER_HUB else host


def auth_headers(login: Login | None) -> dict[str, str]:
    """For a call that concerns a registry; none without a login."""
    return {HEADER: registry_auth(login)} if login is not None else {}


def login_for(registry: str, logins: Iterable[Login]) -> Login | None:
    """The one of `logins` that opens `registry` (as draas.model.registry names it), if any."""
    return next((login for login in logins if login.host == registry), None)
