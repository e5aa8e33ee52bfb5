"""Questions before a build over HTTP: what a source is, whether secrets are the same; and a source that was uploaded without its digest."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from registry_client import RegistryClient, digest_of, registry

from draas.client.api import Client
from draas.model.errors import Forbidden, NotFound

SOURCE = b"pretends to be a tar"
GIT = "https://example.org/shop.git#main"


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[RegistryClient]:
    async with registry(tmp_path / "registry") as opened:
        yield opened


@pytest.fixture
async def client(images: RegistryClient) -> AsyncIterator[Client]:
    async with Client(images.served.settings(), patience_s=0) as opened:
        yield opened


async def detected(images: RegistryClient, **body: object) -> dict[str, object]:
    told = await images.ask_api("POST", "/api/builds/detect", body)
    assert told.status == 200, told.body
    found: dict[str, object] = told.json()
    return found


async def test_a_source_is_recognised_by_names_and_a_few_texts(images: RegistryClient) -> None:
    files = ["main.py", "requirements.txt", "data/big.csv"]
    first = await detected(images, files=files)
    assert first["reads"] == ["requirements.txt", "main.py"]
    texts = {"requirements.txt": "flask\n", "main.py": "print(1)\n"}
    told = await detected(images, files=files, texts=texts)
    assert (told["kind"], told["made"], told["port"], told["refusal"]) == ("Python", True, 8000, "")
    assert str(told["dockerfile"]).count("FROM python:") >= 1
    own = await detected(images, files=["web/Dockerfile"], texts={"web/Dockerfile": "FROM x\nEXPOSE 81\n"})
    assert (own["kind"], own["made"], own["port"]) == ("Dockerfile", False, 81)
    assert own["dockerfile"] == "FROM x\nEXPOSE 81\n"
    nothing = await detected(images, files=["notes.txt"])
    assert (nothing["kind"], nothing["dockerfile"]) == ("", "")
    assert "add a Dockerfile" in str(nothing["refusal"])
    assert "go.mod (Go)" in nothing["looked_for"]  # type: ignore[operator]  # an answer in JSON
    broken = await detected(images, files=["package.json"], texts={"package.json": "{"})
    assert "is not valid JSON" in str(broken["refusal"])


async def test_secrets_are_compared_and_never_told(images: RegistryClient, client: Client) -> None:
    build = await client.builds.create({"name": "shop", "git": GIT, "secrets": {"npm": "one", "empty": ""}})
    same = {"npm": "one", "empty": ""}
    assert await client.builds.has_secrets(build["id"], same)
    for other in ({**same, "npm": "two"}, {"npm": "one"}, {**same, "more": ""}, {}):
        assert not await client.builds.has_secrets(build["id"], other)
    async with Client(images.served.settings("viewer"), patience_s=0) as viewer:
        with pytest.raises(Forbidden):
            await viewer.builds.has_secrets(build["id"], same)
    with pytest.raises(NotFound):
        await client.builds.has_secrets("b-0", same)


async def test_an_upload_becomes_the_source_without_its_digest(images: RegistryClient, client: Client) -> None:
    location = await images.begin("default/shop")
    body = {"name": "shop", "upload": location.rsplit("/", 1)[1]}
    empty = await images.ask_api("POST", "/api/builds", body)
    assert (empty.status, empty.json()["errors"][0]["path"]) == (400, "upload")
    half = len(SOURCE) // 2
    for first, piece in ((0, SOURCE[:half]), (half, SOURCE[half:])):
        told = await images.ask("PATCH", location, piece, Content_Range=f"{first}-{first + len(piece) - 1}")
        assert told.status == 202
    wrong = await images.ask_api("POST", "/api/builds", {**body, "name": "Not A Name"})
    assert wrong.status == 400
    elsewhere = await images.ask_api("POST", "/api/builds", {**body, "name": "other"})
    assert elsewhere.json()["errors"][0]["message"].startswith("is no upload of default/other")
    build = await client.builds.create(body, idempotency_key="k")
    assert build["source"] == {"digest": digest_of(SOURCE)}
    assert await client.builds.create(body, idempotency_key="k") == build, "its answer was lost on the way"
    gone = await images.ask_api("POST", "/api/builds", body)
    assert gone.json()["errors"][0]["path"] == "upload"
    both = await images.ask_api("POST", "/api/builds", {**body, "git": GIT})
    assert both.json()["errors"][0]["message"].startswith("says where the source is, as upload does")


async def test_a_build_is_checked_before_its_source_is_sent(images: RegistryClient, client: Client) -> None:
    good = await images.ask_api("POST", "/api/builds/check", {"name": "shop", "secrets": {"a": "b"}})
    assert (good.status, good.body) == (204, b"")
    bad = await images.ask_api("POST", "/api/builds/check", {"name": "shop", "platform": "windows", "args": {"1": "x"}})
    assert [fault["path"] for fault in bad.json()["errors"]] == ["args['1']", "platform"]
    assert (await client.builds.list())["total"] == 0
