"""The OCI distribution API, each test named after the section of specification 1.1 that it holds us to: support, access, names, pulling."""

import json

import pytest
from registry_client import LARGE, RegistryClient, basic, digest_of

from draas.store.blobs import PIECE_BYTES
from draas.testing.api import put_key

UNKNOWN = digest_of(b"never pushed")


# --- Determining Support, and who may ---


async def test_determining_support(client: RegistryClient) -> None:
    told = await client.ask("GET", "/v2/")
    assert (told.status, told.headers["Docker-Distribution-API-Version"]) == (200, "registry/2.0")
    assert (await client.ask("HEAD", "/v2/")).status == 200


async def test_determining_support_needs_a_key_by_basic_or_bearer(client: RegistryClient) -> None:
    good = client.served.secrets["viewer"]
    for authorization in (
        f"Bearer {good}",
        basic(good),
        basic(good, "ä b"),
        basic(good, ""),
        basic(good).replace("B", "b", 1),
    ):
        assert (await client.ask("GET", "/v2/", key=authorization)).status == 200, authorization
    wrong = ["", "Basic", "Basic ", "Basic %", basic(""), basic("wrong"), basic("x", good), f"Basic {good}", "Bearer x"]
    wrong += ["Basic " + "A" * 5000, f"Digest {good}"]
    for authorization in wrong:
        told = await client.ask("GET", "/v2/", key=authorization)
        assert (told.status, told.code) == (401, "UNAUTHORIZED"), authorization
        assert told.headers["WWW-Authenticate"] == 'Basic realm="DRaaS"'


async def test_error_codes_denied_by_role(client: RegistryClient) -> None:
    digest, secrets = await client.push(b"content"), client.served.secrets
    viewer, deployer, node = (basic(secrets[role]) for role in ("viewer", "deployer", "node"))
    blob = f"/v2/p/web/blobs/{digest}"
    for key, method, path, status in [
        (viewer, "GET", blob, 200),
        (viewer, "POST", "/v2/p/web/blobs/uploads/", 403),
        (viewer, "PUT", "/v2/p/web/manifests/v1", 403),
        (deployer, "POST", "/v2/p/web/blobs/uploads/", 202),
        (deployer, "DELETE", blob, 403),
        (node, "GET", "/v2/", 200),
        (node, "GET", blob, 403),
        (None, "DELETE", blob, 202),
    ]:
        told = await client.ask(method, path, key=key)
        assert told.status == status, (key, method, path)
        assert status != 403 or told.code == "DENIED"


async def test_error_codes_denied_outside_the_keys_project(client: RegistryClient) -> None:
    """Whether the repository of another project exists is not told: the same words for both."""
    digest = await client.push(b"secret", "q/web")
    key = basic(await put_key(client.served.controller, "admin", project="p"))
    assert (await client.ask("POST", "/v2/p/web/blobs/uploads/", key=key)).status == 202
    for method, path in [
        ("GET", f"/v2/q/web/blobs/{digest}"),
        ("HEAD", f"/v2/q/web/blobs/{digest}"),
        ("DELETE", f"/v2/q/web/blobs/{digest}"),
        ("POST", "/v2/q/web/blobs/uploads/"),
        ("GET", "/v2/q/web/tags/list"),
        ("PUT", "/v2/pp/web/manifests/v1"),
    ]:
        assert (await client.ask(method, path, key=key)).status == 403, (method, path)
    told = await client.ask("GET", f"/v2/q/web/blobs/{digest}", key=key)
    assert told.body == (await client.ask("GET", f"/v2/q/none/blobs/{UNKNOWN}", key=key)).body
    assert (await client.ask("GET", f"/v2/p/web/blobs/{digest}", key=key)).code == "BLOB_UNKNOWN"
    mounted = await client.ask("POST", f"/v2/p/web/blobs/uploads/?mount={digest}&from=q/web", key=key)
    assert mounted.status == 202  # told to upload it
    assert (await client.ask("GET", f"/v2/p/web/blobs/{digest}", key=key)).status == 404


# --- Names ---


@pytest.mark.parametrize(
    "name",
    ["web", "P/web", "p/Web", "p/../q/web", "..%2f..%2fetc/web", "p/..%2f..%2fq", "p/%2e%2e/web", "p//web", "p/-web", "p/" + "a" * 300,
     "p/_uploads/x", "p/_blobs", "p/we%00b", "p/web%0a", "p/w%c3%a9b", "%2fetc%2fpasswd/x", "p/a:b"],
)  # fmt: skip
async def test_error_codes_name_invalid(client: RegistryClient, name: str) -> None:
    for method, path in [
        ("POST", "blobs/uploads/"),
        ("GET", f"blobs/{UNKNOWN}"),
        ("PUT", "manifests/v1"),
        ("GET", "tags/list"),
    ]:
        told = await client.ask(method, f"/v2/{name}/{path}")
        assert told.code in ("NAME_INVALID", "UNSUPPORTED"), (method, path)
        assert told.status in (400, 404)
    assert client.files() == []


async def test_names_whose_parts_are_words_of_the_api(client: RegistryClient) -> None:
    for repository in ("p/blobs", "p/blobs/uploads", "p/manifests", "p/tags/list", "tags/list", "blobs/uploads"):
        digest = await client.push_image("tags", repository)
        told = await client.ask("GET", f"/v2/{repository}/manifests/tags")
        assert (told.status, told.headers["Docker-Content-Digest"]) == (200, digest), repository
        assert json.loads((await client.ask("GET", f"/v2/{repository}/tags/list")).body)["tags"] == ["tags"]
        assert (await client.ask("HEAD", f"/v2/{repository}/blobs/{digest_of(b'layer')}")).status == 200


async def test_endpoints_that_are_not_served(client: RegistryClient) -> None:
    for path in ("/v2/_catalog", f"/v2/p/web/referrers/{UNKNOWN}", "/v2/p/web", "/v2/p/web/"):
        told = await client.ask("GET", path)
        assert (told.status, told.code) == (404, "UNSUPPORTED"), path
    told = await client.ask("PUT", "/v2/p/web/tags/list")
    assert (told.status, told.code) == (405, "UNSUPPORTED")


# --- Pulling blobs ---


async def test_pulling_blobs(client: RegistryClient) -> None:
    for content in (b"", b"x", LARGE):
        digest = await client.push(content)
        told = await client.ask("GET", f"/v2/p/web/blobs/{digest}")
        assert (told.status, told.body) == (200, content)
        assert told.headers["Docker-Content-Digest"] == digest


async def test_checking_if_content_exists_blobs(client: RegistryClient) -> None:
    digest = await client.push(LARGE)
    told = await client.ask("HEAD", f"/v2/p/web/blobs/{digest}")
    assert (told.status, told.headers["Content-Length"], told.body) == (200, str(len(LARGE)), b"")
    assert (await client.ask("HEAD", f"/v2/p/web/blobs/{UNKNOWN}")).status == 404
    assert (await client.ask("GET", f"/v2/p/web/blobs/{UNKNOWN}")).code == "BLOB_UNKNOWN"
    assert (await client.ask("HEAD", f"/v2/p/other/blobs/{digest}")).status == 404  # seen where it was pushed only


async def test_pulling_blobs_by_range(client: RegistryClient) -> None:
    path = f"/v2/p/web/blobs/{await client.push(LARGE)}"
    size = len(LARGE)
    for asked, first, last in [("5-9", 5, 9), (f"{PIECE_BYTES}-", PIECE_BYTES, size - 1), ("-7", size - 7, size - 1)]:
        told = await client.ask("GET", path, Range=f"bytes={asked}")
        assert (told.status, told.body) == (206, LARGE[first : last + 1])
        assert told.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    told = await client.ask("GET", path, Range=f"bytes={size}-")
    assert (told.status, told.headers["Content-Range"], bool(told.code)) == (416, f"bytes */{size}", True)
    assert (await client.ask("GET", path, Range="bytes=0-1,5-6")).status == 200
    assert (await client.ask("GET", path, Range="bytes=0-1", If_Range='"another"')).status == 200
