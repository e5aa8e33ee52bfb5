"""Guessing keys over HTTP: who does it has to wait, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from draas.client.api import Client
from draas.client.settings import Settings
from draas.lib import ids
from draas.model.errors import TooOften
from draas.server.attempts import BURST
from draas.server.config import ServerConfig
from draas.server.main import running_controller
from draas.server.registry.images import Images
from draas.server.sessions import make_session
from draas.store.blob_files import BlobFiles
from draas.store.manifest_files import ManifestFiles
from draas.store.store import Key, Write
from draas.testing.api import Served, put_key, serve_api, stored_key

CHOSEN = "correct-horse"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    images = Images(blobs=BlobFiles(tmp_path), manifests=ManifestFiles(tmp_path))
    async with serve_api(images=images) as started:
        key = Key(id="k-chosen", digest=ids.digest(CHOSEN), role="admin", name="DRAAS_ADMIN_KEY")
        await started.controller.write(Write(keys=(key,)))
        yield started


async def ask(
    served: Served, key: str, path: str = "/api/jobs", method: str = "GET", body: object = None
) -> tuple[int, aiohttp.ClientResponse]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        aiohttp.ClientSession(served.url) as session,
        session.request(method, path, headers=headers, json=body) as response,
    ):
        await response.read()
        return response.status, response


async def guess(served: Served, times: int, prefix: str = "guess") -> list[int]:
    return [(await ask(served, f"{prefix}-{number}"))[0] for number in range(times)]


async def test_guesses_are_refused_with_the_time_to_wait(served: Served) -> None:
    told = await guess(served, BURST + 5)
    assert told[:BURST] == [401] * BURST
    assert set(told[BURST:]) == {429}
    status, response = await ask(served, "another")
    assert status == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 3
    assert response.content_type == "application/problem+json"
    problem = await response.json()
    assert problem["status"] == 429
    assert problem["title"] == "Too Many Requests"
    assert "try again in" in problem["detail"]


async def test_all_doors_count_together(served: Served) -> None:
    doors = [("GET", "/api/jobs"), ("GET", "/api/session"), ("GET", "/metrics"), ("GET", "/v2/")]
    for number in range(BURST - 1):
        method, path = doors[number % len(doors)]
        assert (await ask(served, f"guess-{number}", path, method))[0] in (200, 401)
    assert (await ask(served, "", "/api/session", "POST", {"key": "last-guess"}))[0] == 401
    for method, path in doors:
        assert (await ask(served, "one-more", path, method))[0] == 429, path
    assert (await ask(served, "", "/api/session", "POST", {"key": "one-more"}))[0] == 429
    status, response = await ask(served, "one-more", "/v2/")
    assert status == 429
    assert (await response.json())["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert int(response.headers["Retry-After"]) >= 1


async def test_keys_that_cannot_be_guessed_are_never_locked_out(served: Served) -> None:
    token, cookie = make_session(stored_key(served.controller, served.secrets["viewer"]))
    await served.controller.write(Write(tokens=(token,)))
    await guess(served, BURST + 1)
    await guess_made(served, BURST + 1)
    for role, secret in served.secrets.items():
        assert (await ask(served, secret))[0] == (403 if role == "node" else 200), role
    assert (await ask(served, "", "/api/session", "POST", {"key": served.secrets["deployer"]}))[0] == 200
    name = f"draas-{served.url.rpartition(':')[2]}"
    own = {"Cookie": f"{name}={cookie}", "Sec-Fetch-Site": "same-origin"}
    async with aiohttp.ClientSession(served.url) as session, session.get("/api/jobs", headers=own) as response:
        assert response.status == 200


async def guess_made(served: Served, times: int) -> None:
    for _ in range(times):
        await ask(served, ids.secret("draas"))


async def test_a_chosen_key_waits_like_a_guess_but_not_for_machines_with_old_keys(served: Served) -> None:
    revoked = await put_key(served.controller, "node")
    await served.controller.write(Write(gone_keys=(stored_key(served.controller, revoked).id,)))
    for _ in range(BURST):
        assert (await ask(served, revoked))[0] == 401
    assert (await ask(served, revoked))[0] == 429
    assert (await ask(served, CHOSEN))[0] == 200
    await guess(served, BURST)
    assert (await ask(served, CHOSEN))[0] == 429, "else guessing would go on at any speed"
    async with Client(Settings(url=served.url, key=CHOSEN)) as client:
        with pytest.raises(TooOften, match="too many wrong keys"):
            await client.jobs()


async def test_nobody_becomes_another_address_by_saying_so(served: Served) -> None:
    async with aiohttp.ClientSession(served.url) as session:
        told = []
        for number in range(BURST + 3):
            headers = {"Authorization": f"Bearer guess-{number}", "X-Forwarded-For": f"198.51.100.{number}"}
            async with session.get("/api/jobs", headers={**headers, "Forwarded": f"for=198.51.100.{number}"}) as got:
                told.append(got.status)
    assert told == [401] * BURST + [429] * 3


async def test_no_key_is_no_guess(served: Served) -> None:
    for _ in range(BURST + 5):
        assert (await ask(served, ""))[0] == 401
    assert (await ask(served, CHOSEN))[0] == 200


async def test_many_at_once_are_no_way_round(served: Served) -> None:
    told = await asyncio.gather(*(ask(served, f"guess-{number}") for number in range(100)))
    statuses = [status for status, _ in told]
    assert statuses.count(401) in (BURST, BURST + 1)  # a slow machine gives one back meanwhile
    assert set(statuses) == {401, 429}


async def test_failures_are_in_the_metrics(served: Served) -> None:
    await guess(served, BURST + 2)
    _, response = await ask(served, served.secrets["admin"], "/metrics")
    text = await response.text()
    assert f"draas_wrong_keys_total {BURST}.0" in text
    assert "draas_refused_tries_total 2.0" in text


@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
async def test_a_proxy_is_believed_where_it_is_trusted(tmp_path: Path, trusted: str) -> None:
    """A whole controller, as which headers count is its HTTP server's to know."""
    proxies = tuple(filter(None, [trusted]))
    config = ServerConfig(data_dir=tmp_path / "controller", port=0, admin_key=CHOSEN, trusted_proxies=proxies)
    async with running_controller(config) as running, aiohttp.ClientSession(running.url) as session:

        async def guess_as(address: str) -> int:
            headers = {"Authorization": f"Bearer {ids.secret('guess')}x", "X-Forwarded-For": address}
            async with session.get("/api/jobs", headers=headers) as response:
                return response.status

        assert [await guess_as("198.51.100.1") for _ in range(BURST)] == [401] * BURST
        assert await guess_as("198.51.100.1") == 429
        assert await guess_as("198.51.100.2") == (401 if trusted else 429)
