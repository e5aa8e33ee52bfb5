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
    address = _HUB_ADDRESS if login.host == DOCKER_HUB else login.host
    told = {"username": login.username, "password": login.password, "serveraddress": address}
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def auth_headers(login: Login | None) -> dict[str, str]:
    """For a call that concerns a registry; none without a login."""
    return {HEADER: registry_auth(login)} if login is not None else {}


def login_for(registry: str, logins: Iterable[Login]) -> Login | None:
    """The one of `logins` that opens `registry` (as draas.model.registry names it), if any."""
    return next((login for login in logins if login.host == registry), None)
