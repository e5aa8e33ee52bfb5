"""Keys over the API and the command line: made, rotated, revoked, told of; sign-in links; and what the controller says of itself."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from cli_world import environment
from click.testing import CliRunner, Result

from draas.cli.main import main
from draas.client.api import Client
from draas.client.settings import Settings
from draas.lib import clock
from draas.model.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from draas.server.api.config import ApiConfig
from draas.server.config import DockerHub
from draas.testing.api import Served, put_key, serve_api, stored_key

Draas = Callable[..., Awaitable[Result]]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_api() as started:
        yield started


@pytest.fixture
async def admin(served: Served) -> AsyncIterator[Client]:
    async with Client(served.settings()) as client:
        yield client


@pytest.fixture
def draas(served: Served, tmp_path: Path) -> Draas:
    async def run(*words: str, **more: str) -> Result:
        variables = environment(served, tmp_path, **more)
        return await asyncio.to_thread(CliRunner().invoke, main, list(words), env=variables)

    return run


async def can(served: Served, secret: str) -> bool:
    async with Client(Settings(url=served.url, key=secret)) as client:
        try:
            await client.jobs(limit=1)
        except Unauthenticated:
            return False
        return True


async def sign_in(url: str, token: str) -> tuple[int, dict[str, object]]:
    async with aiohttp.ClientSession(url) as session, session.post("/api/session", json={"token": token}) as answer:
        return answer.status, await answer.json()


# --- rotating ---


async def test_a_rotated_key_is_another_with_the_same_rights(served: Served, admin: Client) -> None:
    old = await admin.make_key("deployer", name="ci", project="red", ttl_s=3600)
    new = await admin.rotate_key(old["id"])
    assert (new["name"], new["role"], new["project"]) == ("ci", "deployer", "red")
    assert new["id"] != old["id"]
    assert new["key"] != old["key"]
    kept = stored_key(served.controller, new["key"])
    assert kept.expires_at == pytest.approx(clock.now() + 3600, abs=30), "as long as the old one was good for"
    assert await can(served, new["key"])
    assert not await can(served, old["key"])
    assert old["id"] not in {key["id"] for key in (await admin.keys())["items"]}


async def test_the_old_key_may_be_good_for_a_while(served: Served, admin: Client) -> None:
    old = await admin.make_key("viewer")
    new = await admin.rotate_key(old["id"], keep_s=600)
    assert await can(served, old["key"])
    assert await can(served, new["key"])
    assert stored_key(served.controller, old["key"]).expires_at == pytest.approx(clock.now() + 600, abs=30)
    short = await admin.make_key("viewer", ttl_s=60)
    await admin.rotate_key(short["id"], keep_s=3600)
    left = stored_key(served.controller, short["key"]).expires_at
    assert left is not None
    assert left <= clock.now() + 60, "not longer than it was good for anyhow"


async def test_the_last_admin_can_be_rotated(served: Served, admin: Client) -> None:
    mine = stored_key(served.controller, served.secrets["admin"])
    with pytest.raises(Conflict, match="last admin key"):
        await admin.revoke_key(mine.id)
    new = await admin.rotate_key(mine.id)
    assert not await can(served, served.secrets["admin"])
    async with Client(Settings(url=served.url, key=new["key"])) as client:
        assert (await client.keys())["total"] == len(served.secrets)


async def test_what_cannot_be_rotated(served: Served, admin: Client) -> None:
    with pytest.raises(NotFound, match="no key 'k-none'"):
        await admin.rotate_key("k-none")
    node = stored_key(served.controller, served.secrets["node"])
    with pytest.raises(Conflict, match="draas nodes rm"):
        await admin.rotate_key(node.id)
    for keep_s in (-1, 1e9):
        with pytest.raises(Invalid, match="keep_s"):
            await admin.rotate_key(stored_key(served.controller, served.secrets["viewer"]).id, keep_s=keep_s)
    for role in ("viewer", "deployer"):
        async with Client(served.settings(role)) as client:
            with pytest.raises(Forbidden):
                await client.rotate_key(node.id)


async def test_a_repeated_rotation_rotates_once(served: Served, admin: Client) -> None:
    old = await admin.make_key("viewer")
    path = f"/api/keys/{old['id']}/rotate"
    first = await admin.transport.call("POST", path, {"keep_s": 60}, once="same")
    assert await admin.transport.call("POST", path, {"keep_s": 60}, once="same") == first


async def test_what_is_done_with_keys_is_told_without_their_secrets(served: Served, admin: Client) -> None:
    made = await admin.make_key("viewer", name="ci", project="red")
    new = await admin.rotate_key(made["id"])
    await admin.revoke_key(new["id"])
    told = [one.event for one in await served.controller.events(0, 100) if one.event.kind.startswith("key.")]
    assert [event.kind for event in told] == ["key.made", "key.rotated", "key.revoked"]
    assert told[0].detail == {"name": "ci", "role": "viewer", "for": "red", "by": "test admin"}
    assert all(event.project == "" for event in told), "nobody with a key for one project is told"
    assert made["key"] not in repr(told) + repr(new)
    assert new["key"] not in repr(told)


async def test_keys_on_the_command_line(served: Served, draas: Draas) -> None:
    made = (await draas("keys", "make", "--role", "viewer", "--name", "ci")).stdout.strip()
    id = stored_key(served.controller, made).id
    new = (await draas("keys", "rotate", id, "--keep", "1h")).stdout.strip()
    assert await can(served, made)
    assert await can(served, new)
    result = await draas("keys", "rotate", id, "--keep", "60d")
    assert result.exit_code == 2
    assert "--keep" in result.stderr
    assert (await draas("keys", "rotate", "k-none")).exit_code == 1


# --- sign-in links ---


@pytest.mark.parametrize("role", ["viewer", "deployer", "admin"])
async def test_a_link_has_the_rights_of_whoever_made_it(served: Served, role: str) -> None:
    async with Client(served.settings(role)) as client:  # type: ignore[arg-type]  # a parameter of the test, one of the roles
        made = await client.make_sign_in_link()
    assert made["token"] is not None
    assert made["url"].endswith(f"/sign-in#token={made['token']}")
    status, view = await sign_in(served.url, made["token"])
    assert (status, view["role"], view["key"]) == (200, role, f"test {role}")
    assert (await sign_in(served.url, made["token"]))[0] == 401


async def test_a_link_ends_with_its_key(served: Served, admin: Client) -> None:
    secret = await put_key(served.controller, "viewer", ttl_s=60)
    async with Client(Settings(url=served.url, key=secret)) as client:
        made = await client.make_sign_in_link()
    assert made["expires_at"] is not None
    assert made["expires_at"] <= clock.rfc3339(clock.now() + 60)
    await admin.revoke_key(stored_key(served.controller, secret).id)
    assert (await sign_in(served.url, made["token"] or ""))[0] == 401


async def test_dashboard_prints_a_link_by_the_address_that_it_came_by(served: Served, draas: Draas) -> None:
    result = await draas("dashboard", DRAAS_KEY=served.secrets["deployer"])
    assert result.exit_code == 0
    url, _, token = result.stdout.strip().partition("/sign-in#token=")
    assert url == served.url
    assert "10 minutes" in result.stderr
    assert (await sign_in(served.url, token))[1]["role"] == "deployer"
    assert (await draas("dashboard", "-q")).stderr == ""
    wrong = await draas("dashboard", DRAAS_KEY="nonsense")
    assert wrong.exit_code == 3
    assert wrong.stdout == ""


async def test_dashboard_opens_a_browser_only_where_there_is_a_desktop(
    served: Served, draas: Draas, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    monkeypatch.setattr(sys, "platform", "linux")
    result = await draas("dashboard", "--open", DISPLAY="", WAYLAND_DISPLAY="")
    assert opened == []
    assert "open the link yourself" in result.stderr
    result = await draas("dashboard", "--open", DISPLAY=":0")
    assert opened == [result.stdout.strip()]


async def test_where_no_key_is_needed_the_link_is_the_dashboard(tmp_path: Path) -> None:
    async with serve_api(ApiConfig(is_open=True)) as served:
        variables = environment(served, tmp_path, DRAAS_KEY="")
        result = await asyncio.to_thread(CliRunner().invoke, main, ["dashboard"], env=variables)
    assert result.stdout == f"{served.url}/dashboard\n"
    assert result.stderr == ""


# --- about ---

SET_UP = ApiConfig(
    url="https://cloud.example:8000",
    version="1.2.3",
    fingerprint="ab" * 32,
    apps_domain="apps.example",
    started_at=1_000_000_000.0,
    acme="https://acme.example/directory",
    docker_hub=DockerHub(username="ada", password="hush-hush-4711"),  # noqa: S106 - made up
    blobs="s3://bucket/draas",
    data_dir="/var/lib/draas/controller",
)


async def test_the_controller_says_how_it_is_set_up(tmp_path: Path) -> None:
    async with serve_api(SET_UP) as served:
        async with Client(served.settings()) as client:
            about = await client.about()
        assert about["docker_hub"] == {"registry": "docker.io", "username": "ada"}
        assert about["data_dir"] == "/var/lib/draas/controller"
        assert (about["tls"], about["started_at"]) == ("own", "2001-09-09T01:46:40.000Z")
        assert "hush" not in repr(about)
        async with Client(served.settings("viewer")) as client:
            assert (await client.about())["data_dir"] is None
        one_project = await put_key(served.controller, "admin", project="red")
        async with Client(Settings(url=served.url, key=one_project)) as client:
            assert (await client.about())["data_dir"] is None
        variables = environment(served, tmp_path)
        words = ["version", "--controller"]
        told = (await asyncio.to_thread(CliRunner().invoke, main, words, env=variables)).stdout
    for words in ("1.2.3", "https://cloud.example:8000", "docker.io as ada", "NAME.apps.example", "s3://bucket/draas"):
        assert words in told
