"""Sessions of browsers: signing in by key and by link, and everything that must not get in."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from draas.lib import clock
from draas.model.errors import Forbidden, Unauthenticated
from draas.server import sessions
from draas.server.access import Caller, authenticate
from draas.server.api.config import ApiConfig
from draas.server.sessions import LINK_S, SESSION_S, check_own_page, cookie_name, make_session, make_sign_in_link
from draas.store.sql import SqlStore
from draas.store.store import Token, Write
from draas.testing.api import Served, put_key, serve_api, stored_key

OWN = {"Sec-Fetch-Site": "same-origin", "X-Draas-Request": "1"}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_api() as started:
        yield started


class Browser:
    """One that sends what ours sends, unless told otherwise; its cookie is a plain value, to be stolen and bent."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.cookie: str | None = None
        self.set_cookie = ""

    @property
    def name(self) -> str:
        return cookie_name(self.served.url.removeprefix("http://"), secure=False)

    async def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        sent = dict(OWN if headers is None else headers)
        if self.cookie is not None:
            sent["Cookie"] = f"other=1; {self.name}={self.cookie}"
        async with (
            aiohttp.ClientSession(self.served.url, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(method, path, json=body, headers=sent) as response,
        ):
            self.set_cookie = response.headers.get("Set-Cookie", "")
            if self.name in (made := SimpleCookie(self.set_cookie)):
                self.cookie = made[self.name].value or None
            return response.status, await response.json() if response.content_type.endswith("json") else None

    async def sign_in(self, role: str = "admin") -> None:
        status, _ = await self.ask("POST", "/api/session", {"key": self.served.secrets[role]})
        assert status == 200


@pytest.fixture
def browser(served: Served) -> Browser:
    return Browser(served)


async def test_a_key_is_changed_for_a_session(browser: Browser) -> None:
    assert (await browser.ask("GET", "/api/session"))[1]["signed_in"] is False
    assert (await browser.ask("GET", "/api/jobs"))[0] == 401
    status, view = await browser.ask("POST", "/api/session", {"key": f" {browser.served.secrets['deployer']}\n"})
    assert status == 200
    assert (view["signed_in"], view["role"], view["key"]) == (True, "deployer", "test deployer")
    attributes = {part.strip().lower() for part in browser.set_cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/", f"max-age={SESSION_S:.0f}"} <= attributes
    assert browser.served.secrets["deployer"] not in browser.set_cookie
    assert (await browser.ask("GET", "/api/jobs"))[0] == 200
    assert (await browser.ask("POST", "/api/jobs", {"command": "true"}))[0] == 201
    assert (await browser.ask("GET", "/api/keys"))[0] == 403, "a session has no more rights than its key"
    assert (await browser.ask("GET", "/api/session"))[1]["role"] == "deployer"


async def test_signing_out_ends_the_session_everywhere(browser: Browser) -> None:
    await browser.sign_in()
    stolen = Browser(browser.served)
    stolen.cookie = browser.cookie
    assert (await browser.ask("DELETE", "/api/session"))[0] == 204
    assert "max-age=0" in browser.set_cookie.lower()
    assert (await browser.ask("GET", "/api/jobs"))[0] == 401
    assert (await stolen.ask("GET", "/api/jobs"))[0] == 401
    assert (await browser.ask("DELETE", "/api/session"))[0] == 204, "again does nothing"


async def test_a_revoked_key_takes_its_sessions_along_and_ends_its_streams(browser: Browser) -> None:
    secret = await put_key(browser.served.controller, "viewer")
    assert (await browser.ask("POST", "/api/session", {"key": secret}))[0] == 200
    headers = {"Cookie": f"{browser.name}={browser.cookie}", **OWN}
    async with (
        aiohttp.ClientSession(browser.served.url, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get("/api/events", headers=headers) as stream,
    ):
        assert stream.status == 200
        await stream.content.readline()
        await browser.served.controller.write(Write(gone_keys=(stored_key(browser.served.controller, secret).id,)))
        async with aiohttp.ClientSession(browser.served.url) as other:
            admin = {"Authorization": f"Bearer {browser.served.secrets['admin']}"}
            async with other.post("/api/jobs", json={"command": "true"}, headers=admin) as made:
                assert made.status == 201
        rest = await stream.content.read()
    assert b"job." not in rest, "what happened afterwards is not told"
    assert (await browser.ask("GET", "/api/jobs"))[0] == 401
    assert (await browser.ask("GET", "/api/session"))[1]["signed_in"] is False


async def test_a_session_ends_with_its_time_and_with_its_keys(browser: Browser) -> None:
    controller = browser.served.controller
    secret = await put_key(controller, "admin", ttl_s=60)
    key = stored_key(controller, secret)
    token, text = make_session(key)
    assert token.expires_at <= (key.expires_at or 0)
    await controller.write(Write(tokens=(token,)))
    assert authenticate(controller, Caller(authorization=None, session=text), clock.now()) == key
    with pytest.raises(Unauthenticated, match="sign in again"):
        authenticate(controller, Caller(authorization=None, session=text), token.expires_at)
    await controller.write(Write(keys=(replace(key, expires_at=clock.now() - 1),)))
    with pytest.raises(Unauthenticated):
        authenticate(controller, Caller(authorization=None, session=text), clock.now())


async def test_looking_prolongs_a_session(browser: Browser) -> None:
    await browser.sign_in()
    controller = browser.served.controller
    _, token = sessions.session_key(controller, browser.cookie or "", clock.now())
    await browser.ask("GET", "/api/session")
    assert browser.set_cookie == "", "hardly any of its time has passed"
    await controller.write(Write(tokens=(replace(token, expires_at=clock.now() + 3600),)))
    await browser.ask("GET", "/api/session")
    assert f"Max-Age={SESSION_S:.0f}"[:11] in browser.set_cookie
    _, longer = sessions.session_key(controller, browser.cookie or "", clock.now())
    assert longer.expires_at == pytest.approx(clock.now() + SESSION_S, abs=60)


async def test_what_is_no_session(browser: Browser) -> None:
    await browser.sign_in()
    good = browser.cookie or ""
    controller = browser.served.controller
    digest = next(iter(controller._tokens))
    key_id, secret = good.split(".")
    other = stored_key(controller, browser.served.secrets["viewer"]).id
    bad = [
        "x",
        ".",
        key_id,
        f"{key_id}.",
        f"{key_id}.x",
        f"{other}.{secret}",
        good[:-1],
        good + "x",
        good.upper(),
        digest,
    ]
    bad += ["%00", "x" * 5000, f"{secret}.{key_id}", browser.served.secrets["admin"]]
    for cookie in bad:
        browser.cookie = cookie
        assert (await browser.ask("GET", "/api/jobs"))[0] == 401, cookie
    browser.cookie = good
    assert (await browser.ask("GET", "/api/jobs"))[0] == 200


async def test_a_link_signs_in_once(browser: Browser) -> None:
    controller = browser.served.controller
    link = await make_sign_in_link(controller, browser.served.url)
    assert link is not None
    assert link.startswith(f"{browser.served.url}/sign-in#token=")
    token = link.partition("#token=")[2]
    status, view = await browser.ask("POST", "/api/session", {"token": token})
    assert (status, view["role"]) == (200, "admin")
    again = Browser(browser.served)
    status, problem = await again.ask("POST", "/api/session", {"token": token})
    assert status == 401
    assert "used already" in problem["detail"]
    assert again.cookie is None


async def test_two_at_once_use_a_link_once(served: Served) -> None:
    link = await make_sign_in_link(served.controller, served.url)
    body = {"token": (link or "").partition("#token=")[2]}
    answers = await asyncio.gather(*(Browser(served).ask("POST", "/api/session", body) for _ in range(5)))
    assert sorted(status for status, _ in answers) == [200, 401, 401, 401, 401]


async def test_links_sessions_and_join_tokens_do_not_pass_for_each_other(browser: Browser) -> None:
    controller = browser.served.controller
    link = (await make_sign_in_link(controller, browser.served.url) or "").partition("#token=")[2]
    browser.cookie = link
    assert (await browser.ask("GET", "/api/jobs"))[0] == 401
    browser.cookie = None
    await browser.sign_in()
    session = browser.cookie or ""
    visitor = Browser(browser.served)
    assert (await visitor.ask("POST", "/api/session", {"token": session}))[0] == 401
    assert (await visitor.ask("GET", "/api/jobs", headers={"Authorization": f"Bearer {session}"}))[0] == 401
    for token in (session, link, session.partition(".")[2], f"session:{session}"):
        status, _ = await visitor.ask("POST", "/api/join", {"token": token, "name": "evil"})
        assert status == 401, token
    kept = Token(digest="0" * 64, expires_at=clock.now() + 60)
    await controller.write(Write(tokens=(kept,)))
    visitor.cookie = kept.digest
    assert (await visitor.ask("GET", "/api/jobs"))[0] == 401


async def test_a_link_is_old_after_ten_minutes(served: Served) -> None:
    link = (await make_sign_in_link(served.controller, served.url) or "").partition("#token=")[2]
    key, _ = sessions.link_key(served.controller, link, clock.now() + LINK_S - 5)
    assert key.role == "admin"
    with pytest.raises(Unauthenticated, match="10 minutes"):
        sessions.link_key(served.controller, link, clock.now() + LINK_S + 1)


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site", "X-Draas-Request": "1"},
    {"Sec-Fetch-Site": "same-site", "X-Draas-Request": "1"},  # an app on another port of this very host
    {"Origin": "http://evil.example", "X-Draas-Request": "1"},
    {"Origin": "null", "X-Draas-Request": "1"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin", "X-Draas-Request": "1"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_pages_of_others_cannot_use_a_session(browser: Browser, headers: dict[str, str]) -> None:
    await browser.sign_in()
    for method, path in (
        ("POST", "/api/jobs"),
        ("DELETE", "/api/session"),
        ("GET", "/api/jobs"),
        ("GET", "/api/events"),
    ):
        status, problem = await browser.ask(method, path, {"command": "true"} if method == "POST" else None, headers)
        assert status == 403, (method, path)
        assert "other origins" in problem["detail"]
    assert browser.served.controller.commands == []
    assert (await browser.ask("GET", "/api/jobs"))[0] == 200, "and the session lives on"


async def test_a_change_needs_the_header_and_a_page(browser: Browser) -> None:
    await browser.sign_in()
    for headers in (
        {"Sec-Fetch-Site": "same-origin"},
        {"X-Draas-Request": "1"},
        {},
        {"Sec-Fetch-Site": "none", "X-Draas-Request": "1"},
    ):
        assert (await browser.ask("POST", "/api/jobs", {"command": "true"}, headers))[0] == 403, headers
    own = {"Origin": browser.served.url, "X-Draas-Request": "1"}  # browsers before Sec-Fetch-Site
    assert (await browser.ask("POST", "/api/jobs", {"command": "true"}, own))[0] == 201
    bearer = {"Authorization": f"Bearer {browser.served.secrets['admin']}"}
    assert (await browser.ask("POST", "/api/jobs", {"command": "true"}, bearer))[0] == 201, "keys need none of it"


@pytest.mark.parametrize("headers", FOREIGN[:3], ids=str)
async def test_pages_of_others_cannot_sign_somebody_in(browser: Browser, headers: dict[str, str]) -> None:
    status, _ = await browser.ask("POST", "/api/session", {"key": browser.served.secrets["admin"]}, headers)
    assert status == 403
    assert browser.cookie is None


def test_a_websocket_needs_our_own_origin() -> None:
    check_own_page("WS", "host:1", "http://host:1", None, has_header=False)
    for origin, site in (
        (None, None),
        ("http://evil.example", None),
        ("http://host:2", None),
        ("http://host:1", "same-site"),
    ):
        with pytest.raises(Forbidden):
            check_own_page("WS", "host:1", origin, site, has_header=True)


async def test_machines_keys_and_nonsense_do_not_sign_in(browser: Browser) -> None:
    assert (await browser.ask("POST", "/api/session", {"key": browser.served.secrets["node"]}))[0] == 403
    for body in ({}, {"key": "a", "token": "b"}, {"key": ""}, {"key": 1}, {"key": None}, {"password": "x"}, [], "x"):
        assert (await browser.ask("POST", "/api/session", body))[0] == 400, body
    assert (await browser.ask("POST", "/api/session", {"key": "x" * 600}))[0] == 400
    bearer = {"Authorization": f"Bearer {browser.served.secrets['node']}"}
    assert (await browser.ask("GET", "/api/session", headers=bearer))[1]["signed_in"] is False


async def test_over_tls_the_cookie_is_for_tls_alone() -> None:
    assert cookie_name("draas.home:8000", secure=True) == "__Host-draas-8000"
    assert cookie_name("draas.home", secure=True) == "__Host-draas"
    assert cookie_name("[::1]:8000", secure=False) == "draas-8000"
    assert re.fullmatch(r"[A-Za-z_-]+", cookie_name("evil; x=y", secure=False))


async def test_open_mode_asks_nobody(tmp_path: Path) -> None:
    async with serve_api(ApiConfig(is_open=True)) as served:
        browser = Browser(served)
        view = (await browser.ask("GET", "/api/session"))[1]
        assert (view["signed_in"], view["role"], view["is_open"]) == (True, "admin", True)
        assert (await browser.ask("GET", "/api/session", headers={"Host": "evil.example"}))[0] == 403


async def test_a_session_survives_a_restart_as_a_digest(tmp_path: Path, served: Served) -> None:
    key = stored_key(served.controller, served.secrets["admin"])
    token, text = make_session(key)
    store = SqlStore(tmp_path)
    await store.open()
    await store.commit(Write(keys=(key,), tokens=(token,)))
    await store.close()
    assert text.encode() not in content_of(tmp_path)
    again = SqlStore(tmp_path)
    assert (await again.open()).tokens == [token]
    await again.close()


def content_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
