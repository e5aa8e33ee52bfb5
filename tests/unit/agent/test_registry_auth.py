"""How the engine is told a login, and which login it is."""

import base64
import json

import pytest

from draas.agent.runtimes.docker.registry_auth import auth_headers, login_for, registry_auth
from draas.model.login import Login

WORD = "p>ß?/"


@pytest.mark.parametrize(
    ("host", "address"), [("ghcr.io", "ghcr.io"), ("docker.io", "https://index.docker.io/v1/"), ("r:5000", "r:5000")]
)
def test_a_login_is_json_in_base64_for_urls(host: str, address: str) -> None:
    told = registry_auth(Login(host=host, username="ü~?", password=WORD))
    assert "/" not in told
    assert "+" not in told
    read = json.loads(base64.urlsafe_b64decode(told))
    assert read == {"username": "ü~?", "password": WORD, "serveraddress": address}


def test_no_login_no_header() -> None:
    assert auth_headers(None) == {}


def test_the_login_of_the_registry_is_chosen() -> None:
    hub, own = (Login(host=host, username="u", password=WORD) for host in ("docker.io", "registry.example:5000"))
    assert login_for("docker.io", (own, hub)) == hub
    assert login_for("registry.example:5000", (hub, own)) == own
    assert login_for("registry.example", (hub, own)) is None
    assert login_for("docker.io", ()) is None
