"""What the agent lets through to the controller's registry, and what it does not."""

import base64

import pytest

from draas.agent.images.passing import answered_headers, asked_headers, opens, status_of_target
from draas.model.login import Login

WORD = "secret"
D = "sha256:" + "a" * 64
LOGIN = Login(host="127.0.0.1:5", username="draas", password=WORD)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v2/"),
        ("HEAD", f"/v2/p/n/manifests/{D}"),
        ("GET", "/v2/p/n/manifests/v1.0_x-2"),
        ("PUT", "/v2/p/n/manifests/latest"),
        ("GET", f"/v2/p/a/b/c/blobs/{D}"),
        ("POST", "/v2/p/n/blobs/uploads/"),
        ("POST", f"/v2/p/n/blobs/uploads/?mount={D}&from=p/base"),
        ("POST", f"/v2/p/n/blobs/uploads/?mount={D.replace(':', '%3A')}&from=p%2Fbase"),
        ("PATCH", "/v2/p/n/blobs/uploads/u-4711_ab"),
        ("PUT", f"/v2/p/n/blobs/uploads/u-1?digest={D}"),
        ("DELETE", "/v2/p/n/blobs/uploads/u-1"),
        ("GET", "/v2/p/n/tags/list?n=5&last=v1"),
        ("GET", "/v2/p/blobs/uploads/manifests/v1"),  # a repository whose parts are words of the API
    ],
)
def test_what_engines_ask_passes(method: str, target: str) -> None:
    assert status_of_target(method, target) == 200


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v2", 404),
        ("GET", "/v1/search", 404),
        ("GET", "/v2/_catalog", 404),
        ("GET", "/api/jobs", 404),
        ("GET", "/v2/../api/jobs", 404),
        ("GET", "/v2/p/n/../../../api/keys", 404),
        ("GET", "/v2/p/../q/manifests/v1", 404),
        ("GET", "/v2/p/./n/manifests/v1", 404),
        ("GET", "/v2/p//n/manifests/v1", 404),
        ("GET", "/v2/p/n/manifests/..%2f..%2fapi", 404),
        ("GET", "/v2/%2e%2e/api/manifests/v1", 404),
        ("GET", "/v2/P/N/manifests/v1", 404),
        ("GET", "/v2/n/manifests/v1", 404),  # no project
        ("GET", "/v2/p/n/blobs/sha256:abc", 404),
        ("GET", f"/v2/p/n/blobs/{D}/x", 404),
        ("GET", "/v2/p/n/referrers/" + D, 404),
        ("GET", "http://elsewhere.example/v2/", 404),
        ("GET", "//elsewhere.example/v2/", 404),
        ("GET", "/v2/\r\nX: y", 404),
        ("GET", "/v2/?x=\r\n", 404),
        ("GET", "/v2/p/n/manifests/v1#x", 404),
        ("GET", "/v2/?" + "x" * 2000, 404),
        ("GET", "/v2/" + "p/" * 200 + "n/manifests/v1", 404),
        ("POST", "/v2/", 405),
        ("DELETE", f"/v2/p/n/manifests/{D}", 405),
        ("DELETE", f"/v2/p/n/blobs/{D}", 405),
        ("PUT", f"/v2/p/n/blobs/{D}", 405),
        ("CONNECT", "/v2/", 405),
        ("PATCH", "/v2/p/n/manifests/v1", 405),
        ("GET", "/v2/p/n/blobs/uploads/", 405),
    ],
)
def test_nothing_else_passes(method: str, target: str, status: int) -> None:
    assert status_of_target(method, target) == status


def test_headers_of_a_request_say_nothing_of_who_asks() -> None:
    given = {"Authorization": "Basic x", "Cookie": "a", "Host": "h", "Range": "bytes=5-", "Accept": "a/b", "X-Y": "z"}
    assert asked_headers(given) == {"Accept": "a/b", "Range": "bytes=5-"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("/v2/p/n/blobs/uploads/u-1", "/v2/p/n/blobs/uploads/u-1"),
        ("https://controller:8000/v2/p/n/blobs/uploads/u-1?x=y", "/v2/p/n/blobs/uploads/u-1?x=y"),
    ],
)
def test_a_location_leads_back_here(given: str, told: str) -> None:
    answered = answered_headers({"Location": given, "Set-Cookie": "a", "Server": "b", "Docker-Content-Digest": D})
    assert answered == {"Location": told, "Docker-Content-Digest": D}


def test_only_the_login_opens() -> None:
    def basic(text: str) -> str:
        return "Basic " + base64.b64encode(text.encode()).decode()

    assert opens(basic("draas:secret"), LOGIN)
    assert opens(basic("draas:secret").replace("B", "b", 1), LOGIN)
    for wrong in (None, "", "Basic", "Basic ", basic("draas:"), basic("draas:secret2"), basic("x:secret"), basic(":"),
                  "Bearer secret", basic("draas:secret") + "x", "Basic é"):  # fmt: skip
        assert not opens(wrong, LOGIN), wrong
