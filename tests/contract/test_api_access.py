"""Every route with every role, and with keys that are none."""

from pathlib import Path

import aiohttp
import pytest
from starlette.websockets import WebSocket

from draas.lib import clock, ids
from draas.model.errors import Forbidden, Invalid, Unauthenticated
from draas.server import attempts
from draas.server.access import (
    ROUTES,
    Caller,
    Need,
    authenticate,
    authenticate_node,
    check_open,
    first_admin_key,
    is_loopback,
)
from draas.server.api.app import check_table, create_app, routes_of
from draas.server.api.config import ApiConfig
from draas.server.registry.images import Images
from draas.store.blob_files import BlobFiles
from draas.store.manifest_files import ManifestFiles
from draas.store.store import Write
from draas.testing.api import ROLES, Served, put_key, serve_api, stored_key
from draas.testing.fake_controller import FakeController

RANK = {"viewer": Need.VIEWER, "deployer": Need.DEPLOYER, "admin": Need.ADMIN}


async def link(socket: WebSocket) -> None:
    await socket.close(4401)


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return Images(blobs=BlobFiles(tmp_path), manifests=ManifestFiles(tmp_path))


@pytest.fixture
async def served(images: Images):
    async with serve_api(link=link, images=images) as started:
        yield started


async def ask(served: Served, method: str, path: str, authorization: str | None, **more: str) -> int:
    headers = {"Authorization": authorization} if authorization is not None else {}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    query = {"since": "0"} if path == "/api/events" else {}
    is_registry = path.startswith("/v2/")
    path = path.replace("{name}", "x-1/x") if is_registry else path
    async with (
        aiohttp.ClientSession(served.url) as session,
        session.request(
            method, path.replace("{id}", "x-1").replace("{name}", "x-1"), headers=headers, params=query
        ) as response,
    ):
        if is_registry and response.status >= 400 and method != "HEAD":
            assert response.content_type == "application/json"
            assert all(error["code"] and error["message"] for error in (await response.json())["errors"])
        elif response.status >= 400 and method != "HEAD":
            assert response.content_type == "application/problem+json"
            assert (await response.json())["detail"]
        return response.status


@pytest.mark.parametrize("role", ROLES)
async def test_every_route_with_every_role(served: Served, role: str) -> None:
    for (method, path), rule in ROUTES.items():
        if method == "WS" or path == "/api/keys/{id}":
            continue
        status = await ask(served, method, path, f"Bearer {served.secrets[role]}")
        allowed = rule.need is Need.PUBLIC or (role in RANK and RANK[role] >= rule.need)
        if role == "node" and rule.nodes:
            allowed = path == "/v2/"  # one on which nothing is placed may read and write no repository
        told = f"{role}: {method} {path} gave {status}"
        if not allowed:
            assert status == 403, told
        elif path in ("/api/join", "/api/apps/{name}/plan") or (method, path) == ("POST", "/api/session"):
            assert status == 400, told  # allowed in, and told that the body is missing
        else:
            assert status not in (401, 403), told
            assert status < 500, told


async def test_no_route_but_health_opens_without_a_good_key(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "BURST", 1_000)  # so that each is told why
    expired = await put_key(served.controller, "admin", ttl_s=-1)
    revoked = await put_key(served.controller, "admin")
    await served.controller.write(Write(gone_keys=(stored_key(served.controller, revoked).id,)))
    good = served.secrets["admin"]
    bad = [None, "", "Bearer", "Bearer ", "Bearer %", "Bearer x", f"Bearer {expired}", f"Bearer {revoked}", good]
    bad += [f"Basic {good}", f"Bearer {good}x", f"Bearer {good[:-1]}", f"Bearer {good.upper()}", "Bearer " + "x" * 5000]
    digest = stored_key(served.controller, good).digest
    bad.append(f"Bearer {digest}")  # what is stored is no key
    for (method, path), rule in ROUTES.items():
        if method == "WS" or rule.need is Need.PUBLIC:
            continue
        for authorization in bad if path == "/api/jobs" else bad[:3]:
            assert await ask(served, method, path, authorization) == 401, (method, path, authorization)


def test_public_routes_are_these() -> None:
    public = {route for route, rule in ROUTES.items() if rule.need is Need.PUBLIC}
    session = {(method, "/api/session") for method in ("GET", "POST", "DELETE")}
    pages = ("/", "/sign-in", "/dashboard", "/dashboard/{path}")  # docs/adr/0009-public-dashboard-files.md
    files = {(method, path) for method in ("GET", "HEAD") for path in pages}
    assert public == {("GET", "/healthz"), ("GET", "/readyz"), ("POST", "/api/join")} | session | files


def test_a_route_that_the_table_lacks_cannot_be_served(images: Images) -> None:
    app = create_app(FakeController(), ApiConfig(), link, images)
    routes = routes_of(app)
    assert routes == set(ROUTES)
    with pytest.raises(RuntimeError, match="/api/secret"):
        check_table(routes | {("GET", "/api/secret")}, with_link=True, with_images=True)
    with pytest.raises(RuntimeError, match="/api/jobs"):
        check_table(routes - {("POST", "/api/jobs")}, with_link=True, with_images=True)


async def test_nodes_authenticate_with_their_own_keys() -> None:
    controller = FakeController()
    node, admin = await put_key(controller, "node"), await put_key(controller, "admin")
    assert authenticate_node(controller, Caller(authorization=f"Bearer {node}")).role == "node"
    with pytest.raises(Forbidden):
        authenticate_node(controller, Caller(authorization=f"Bearer {admin}"))
    with pytest.raises(Unauthenticated):
        authenticate_node(controller, Caller(authorization=None, session="a browser's"))


async def test_the_first_start_makes_one_admin_key() -> None:
    controller = FakeController()
    made = await first_admin_key(controller, None)
    assert made is not None
    assert authenticate(controller, Caller(authorization=f"Bearer {made}"), clock.now()).role == "admin"
    assert await first_admin_key(controller, None) is None
    given = FakeController()
    assert await first_admin_key(given, "correct-horse") is None
    assert given.key(ids.digest("correct-horse")) is not None
    with pytest.raises(Invalid, match="DRAAS_ADMIN_KEY"):
        await first_admin_key(FakeController(), "short")


async def test_open_mode_is_for_this_machine_and_no_foreign_page() -> None:
    async with serve_api(ApiConfig(is_open=True)) as served:
        port = served.url.rsplit(":", 1)[1]
        assert await ask(served, "GET", "/api/jobs", None) == 200
        for host in ("localhost", "127.0.0.1", "[::1]"):
            assert await ask(served, "GET", "/api/jobs", None, Host=f"{host}:{port}") == 200
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "x@y", "[", ""):
            assert await ask(served, "GET", "/api/jobs", None, Host=host) == 403, host
            assert await ask(served, "GET", "/healthz", None, Host=host) == 403, host
        assert await ask(served, "POST", "/api/jobs", None, Origin="http://evil.example") == 403
        assert await ask(served, "POST", "/api/jobs", None, Origin="null") == 403
        assert await ask(served, "GET", "/api/jobs", None, X_Forwarded_For="127.0.0.1") == 403, (
            "a proxy lets anybody in"
        )
        assert await ask(served, "GET", "/api/jobs", None, Forwarded="for=127.0.0.1") == 403
        assert await ask(served, "GET", "/api/jobs", None, Origin=served.url) == 200
        assert await ask(served, "GET", "/api/jobs", "Bearer wrong") == 401
        assert await ask(served, "POST", "/api/join-tokens", f"Bearer {served.secrets['viewer']}") == 403


def test_open_mode_is_refused_elsewhere() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.9.9.9"):
        check_open(True, host)
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", ""):
        check_open(False, host)
        with pytest.raises(Invalid, match="--open"):
            check_open(True, host)
    assert not is_loopback("1270.0.0.1")


def test_open_mode_refuses_another_machine() -> None:
    caller = Caller(authorization=None, peer="10.0.0.9", host="127.0.0.1:8000")
    with pytest.raises(Forbidden, match="this machine"):
        authenticate(FakeController(), caller, 0.0, is_open=True)
