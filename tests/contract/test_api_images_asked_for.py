"""Images of the controller's registry in jobs and apps: looked for when they are asked for, and what they are built for is kept."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from registry_client import OCI, OCI_INDEX, RegistryClient, image_manifest, registry

from draas.testing.api import make_node, put_key

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[RegistryClient]:
    async with registry(tmp_path / "registry") as started:
        await started.served.controller.put_node(make_node())
        yield started


async def push(client: RegistryClient, tag: str, architecture: str, repository: str = "p/web") -> str:
    config = await client.push(json.dumps({"architecture": architecture, "os": "linux"}).encode(), repository)
    manifest = image_manifest(config, await client.push(b"layer", repository))
    told = await client.ask("PUT", f"/v2/{repository}/manifests/{tag}", manifest, Content_Type=OCI)
    return told.headers["Docker-Content-Digest"]


async def push_index(client: RegistryClient, tag: str, entries: list[dict[str, Any]], kind: str = OCI_INDEX) -> None:
    content = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
    told = await client.ask("PUT", f"/v2/p/web/manifests/{tag}", content, Content_Type=kind)
    assert told.status == 201, told.body


async def post(client: RegistryClient, path: str, body: object, key: str | None = None, method: str = "POST") -> Any:
    given = f"Bearer {key}" if key is not None else None
    told = await client.ask_api(method, path, body, key=given)
    return told.status, json.loads(told.body)


async def architectures(client: RegistryClient, image: str) -> tuple[str, ...]:
    status, made = await post(client, "/api/jobs", {"command": "true", "image": image})
    assert status == 201, made
    return (await client.served.controller.job(made["id"])).spec.architectures


async def test_a_jobs_image_says_what_it_is_built_for(client: RegistryClient) -> None:
    digest = await push(client, "v1", "arm64")
    other = await push(client, "v2", "amd64")
    assert await architectures(client, "draas.internal/p/web:v1") == ("arm64",)
    assert await architectures(client, f"draas.internal/p/web@{digest}") == ("arm64",)
    assert await architectures(client, "nginx:1.25") == ()
    entries = [
        {"mediaType": OCI, "digest": digest, "size": 1, "platform": {"architecture": "arm64", "os": "linux"}},
        {"mediaType": OCI, "digest": other, "size": 1, "platform": {"architecture": "amd64", "os": "linux"}},
        {"mediaType": OCI, "digest": other, "size": 1, "platform": {"architecture": "unknown", "os": "unknown"}},
        {"mediaType": OCI, "digest": other, "size": 1, "platform": {"architecture": "arm", "os": "windows"}},
    ]
    for kind in (OCI_INDEX, DOCKER_LIST):
        await push_index(client, "latest", entries, kind)
        assert await architectures(client, "draas.internal/p/web") == ("amd64", "arm64")
    await push_index(client, "plain", [{"mediaType": OCI, "digest": other, "size": 1}])
    assert await architectures(client, "draas.internal/p/web:plain") == ("amd64",)
    await client.push_image("silent")  # its config says nothing
    assert await architectures(client, "draas.internal/p/web:silent") == ()


async def test_an_image_that_is_not_there_is_told_with_what_is(client: RegistryClient) -> None:
    for tag in ("v1", "v2"):
        await push(client, tag, "amd64")
    for image, told in [
        ("draas.internal/p/web:v3", "p/web in the controller's registry has no tag v3: its tags are v1, v2"),
        ("draas.internal/p/web", "has no tag latest: its tags are v1, v2"),
        (f"draas.internal/p/web@sha256:{'0' * 64}", f"has no sha256:{'0' * 64}: its tags are v1, v2"),
        ("draas.internal/p/wbe:v1", "nothing was ever pushed to p/wbe in the controller's registry"),
        ("draas.internal/web:v1", "is no repository"),
        ("draas.internal/p/web:v1@sha256:0", "is no digest"),
    ]:
        status, wrong = await post(client, "/api/jobs", {"command": "true", "image": image})
        assert (status, [error["path"] for error in wrong["errors"]]) == (400, ["image"]), wrong
        assert told in wrong["errors"][0]["message"]
        for method, path in (("PUT", "/api/apps/shop?project=p"), ("POST", "/api/apps/shop/plan")):
            status, wrong = await post(client, path, {"image": image, "port": 80}, method=method)
            assert (status, [error["path"] for error in wrong["errors"]]) == (400, ["image"]), wrong
    for tag in ("a", "b", "c", "d"):
        await push(client, tag, "amd64")
    _, wrong = await post(client, "/api/jobs", {"command": "true", "image": "draas.internal/p/web:v3"})
    assert wrong["errors"][0]["message"].endswith("its tags are a, b, c, d, v1 and 1 more")


async def test_a_batch_names_each_job_whose_image_is_not_there(client: RegistryClient) -> None:
    await push(client, "v1", "arm64")
    jobs = [{"command": "true", "image": f"draas.internal/p/web:{tag}"} for tag in ("v1", "v2", "v1", "v2")]
    status, wrong = await post(client, "/api/jobs/batch", {"jobs": jobs})
    assert (status, [error["path"] for error in wrong["errors"]]) == (400, ["jobs[1].image", "jobs[3].image"])
    status, made = await post(client, "/api/jobs/batch", {"jobs": [*jobs[::2], {"command": "true"}]})
    assert status == 201
    specs = [(await client.served.controller.job(job["id"])).spec for job in made["jobs"]]
    assert [spec.architectures for spec in specs] == [("arm64",), ("arm64",), ()]


async def test_a_key_of_a_project_asks_for_its_own_images_only(client: RegistryClient) -> None:
    """In the same words whether or not the other project has it."""
    await push(client, "v1", "amd64", "q/secret")
    await push(client, "v1", "amd64")
    key = await put_key(client.served.controller, "deployer", project="p")
    told = set()
    for image in ("draas.internal/q/secret:v1", "draas.internal/q/none:v1"):
        status, wrong = await post(client, "/api/jobs", {"command": "true", "image": image}, key)
        told.add((status, wrong["errors"][0]["path"], wrong["errors"][0]["message"]))
        status, wrong = await post(client, "/api/apps/shop", {"image": image, "port": 80}, key, "PUT")
        told.add((status, wrong["errors"][0]["path"], wrong["errors"][0]["message"]))
    assert told == {(400, "image", "the key is for project p only: its images are draas.internal/p/NAME")}
    status, _ = await post(client, "/api/jobs", {"command": "true", "image": "draas.internal/p/web:v1"}, key)
    assert status == 201


async def test_users_cannot_say_what_an_image_is_built_for(client: RegistryClient) -> None:
    for path, method, body in (
        ("/api/jobs", "POST", {"command": "true", "architectures": ["arm64"]}),
        ("/api/apps/shop", "PUT", {"image": "nginx", "port": 80, "architectures": ["arm64"]}),
    ):
        status, wrong = await post(client, path, body, method=method)
        assert (status, wrong["errors"][0]["path"]) == (400, "architectures")


async def test_an_app_put_again_changes_nothing_also_when_its_tag_has_moved(client: RegistryClient) -> None:
    await push(client, "v1", "arm64")
    body = {"image": "draas.internal/p/web:v1", "port": 80}
    path = "/api/apps/shop?project=p"
    status, made = await post(client, path, body, method="PUT")
    assert (status, len(made["releases"])) == (201, 1)
    assert (await client.served.controller.app("shop")).spec.architectures == ("arm64",)
    for architecture in ("arm64", "amd64"):
        await push(client, "v1", architecture)
        status, plan = await post(client, "/api/apps/shop/plan?project=p", body)
        assert (status, plan["action"], plan["release"], plan["changes"]) == (200, "none", False, [])
        status, again = await post(client, path, body, method="PUT")
        assert (status, len(again["releases"])) == (200, 1)
    assert "architectures" not in json.dumps(again)
