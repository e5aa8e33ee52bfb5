"""The OCI distribution API: manifests, listing and deleting, each test named after the section of specification 1.1 that it holds us to."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

from registry_client import LARGE, OCI, OCI_INDEX, RegistryClient, digest_of, image_manifest, registry

from draas.server.registry.manifest import MAX_BYTES

UNKNOWN = digest_of(b"never pushed")


# --- Manifests ---


async def test_pushing_manifests_and_pulling_them_by_tag_and_digest(client: RegistryClient) -> None:
    config, layer = await client.push(b"{}"), await client.push(b"layer")
    for media_type in (OCI, "application/vnd.docker.distribution.manifest.v2+json"):
        content = image_manifest(config, layer, mediaType=media_type).replace(b"{", b"{ \n", 1)
        told = await client.ask("PUT", "/v2/p/web/manifests/v1", content, Content_Type=media_type)
        digest = digest_of(content)
        assert (told.status, told.headers["Docker-Content-Digest"]) == (201, digest)
        assert told.headers["Location"] == f"/v2/p/web/manifests/{digest}"
        for reference in ("v1", digest):
            pulled = await client.ask("GET", f"/v2/p/web/manifests/{reference}")
            assert (pulled.status, pulled.body, pulled.headers["Content-Type"]) == (200, content, media_type)
            looked = await client.ask("HEAD", f"/v2/p/web/manifests/{reference}")
            assert (looked.headers["Content-Length"], looked.headers["Docker-Content-Digest"]) == (
                str(len(content)),
                digest,
            )
    assert (await client.ask("HEAD", "/v2/p/web/manifests/v2")).status == 404
    assert (await client.ask("GET", f"/v2/p/web/manifests/{UNKNOWN}")).code == "MANIFEST_UNKNOWN"
    assert (await client.ask("GET", f"/v2/p/other/manifests/{digest}")).status == 404


async def test_pushing_manifests_survives_a_restart(tmp_path: Path) -> None:
    async with registry(tmp_path / "registry") as client:
        digest = await client.push_image("v1")
    async with registry(tmp_path / "registry") as client:
        assert (await client.ask("HEAD", "/v2/p/web/manifests/v1")).headers["Docker-Content-Digest"] == digest


async def test_pushing_manifests_by_digest(client: RegistryClient) -> None:
    content = image_manifest(await client.push(b"{}"))
    told = await client.ask("PUT", f"/v2/p/web/manifests/{UNKNOWN}", content, Content_Type=OCI)
    assert (told.status, told.code) == (400, "DIGEST_INVALID")
    told = await client.ask("PUT", f"/v2/p/web/manifests/{digest_of(content)}", content, Content_Type=OCI)
    assert told.status == 201
    assert json.loads((await client.ask("GET", "/v2/p/web/tags/list")).body) == {"name": "p/web", "tags": []}


async def test_pushing_manifests_whose_blobs_are_missing(client: RegistryClient) -> None:
    there, elsewhere = await client.push(b"{}"), await client.push(b"layer", "p/other")
    content = image_manifest(there, elsewhere, UNKNOWN)
    told = await client.ask("PUT", "/v2/p/web/manifests/v1", content, Content_Type=OCI)
    assert (told.status, told.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert [error["detail"]["digest"] for error in json.loads(told.body)["errors"]] == [elsewhere, UNKNOWN]
    assert (await client.ask("GET", "/v2/p/web/tags/list")).code == "NAME_UNKNOWN"


async def test_pushing_manifests_index(client: RegistryClient) -> None:
    inner = await client.push_image("amd64")
    for media_type in (OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"):
        listed = [{"mediaType": OCI, "digest": inner, "size": 1, "platform": {"architecture": "amd64", "os": "linux"}}]
        content = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": listed}).encode()
        assert (await client.ask("PUT", "/v2/p/web/manifests/all", content, Content_Type=media_type)).status == 201
        pulled = await client.ask("GET", "/v2/p/web/manifests/all")
        assert (pulled.body, pulled.headers["Content-Type"]) == (content, media_type)
        told = await client.ask("PUT", "/v2/p/web/manifests/x", content.replace(inner.encode(), UNKNOWN.encode()), Content_Type=media_type)  # fmt: skip
        assert told.code == "MANIFEST_BLOB_UNKNOWN"


async def test_pushing_manifests_with_subject(client: RegistryClient) -> None:
    """Kept, though the subject is not there; without OCI-Subject in the answer clients use the referrers tag schema."""
    content = image_manifest(await client.push(b"{}"), subject={"mediaType": OCI, "digest": UNKNOWN, "size": 1})
    told = await client.ask("PUT", "/v2/p/web/manifests/sig", content, Content_Type=OCI)
    assert (told.status, "OCI-Subject" in told.headers) == (201, False)


async def test_pushing_manifests_that_are_none(client: RegistryClient) -> None:
    config = await client.push(b"{}")
    for content, media_type, code in [
        (b"{", OCI, "MANIFEST_INVALID"),
        (image_manifest(config), OCI_INDEX, "MANIFEST_INVALID"),
        (image_manifest(config), "text/plain", "MANIFEST_INVALID"),
        (image_manifest(f"sha512:{'0' * 128}"), OCI, "MANIFEST_INVALID"),
    ]:
        told = await client.ask("PUT", "/v2/p/web/manifests/v1", content, Content_Type=media_type)
        assert (told.status, told.code) == (400, code)
    for reference in (".", "..", ".hidden", "-x", "a" * 129, "%2e%2e%2fx", "a%00b", "sha512:" + "0" * 128):
        told = await client.ask("PUT", f"/v2/p/web/manifests/{reference}", image_manifest(config), Content_Type=OCI)
        assert told.status in (400, 404), reference
        assert told.code in ("MANIFEST_INVALID", "NAME_INVALID", "UNSUPPORTED")


async def test_pushing_manifests_of_4_mib_and_no_more(client: RegistryClient) -> None:
    async def stream(content: bytes) -> AsyncIterator[bytes]:
        yield content

    config = await client.push(b"{}")
    bare = len(image_manifest(config, annotations={"x": ""}))
    largest = image_manifest(config, annotations={"x": "y" * (MAX_BYTES - bare)})
    assert (await client.ask("PUT", "/v2/p/web/manifests/v1", largest, Content_Type=OCI)).status == 201
    for body in (largest + b" ", stream(largest + b" ")):
        told = await client.ask("PUT", "/v2/p/web/manifests/v1", body, Content_Type=OCI)
        assert (told.status, told.code) == (413, "SIZE_INVALID")


# --- Listing, deleting ---


async def test_listing_tags(client: RegistryClient) -> None:
    assert (await client.ask("GET", "/v2/p/web/tags/list")).code == "NAME_UNKNOWN"
    for tag in ("v2", "V1", "b", "_x", "v10"):
        await client.push_image(tag)
    in_order = ["_x", "b", "V1", "v10", "v2"]
    assert json.loads((await client.ask("GET", "/v2/p/web/tags/list")).body) == {"name": "p/web", "tags": in_order}
    found, path = [], "/v2/p/web/tags/list?n=2"
    while path:
        told = await client.ask("GET", path)
        page = json.loads(told.body)["tags"]
        assert len(page) <= 2
        found += page
        path = told.headers["Link"].removeprefix("<").partition(">")[0] if "Link" in told.headers else ""
    assert found == in_order
    assert json.loads((await client.ask("GET", "/v2/p/web/tags/list?last=b")).body)["tags"] == ["V1", "v10", "v2"]
    none = await client.ask("GET", "/v2/p/web/tags/list?n=0")
    assert (json.loads(none.body)["tags"], "Link" in none.headers) == ([], False)
    for wrong in ("-1", "x", "1e3", "9" * 50, ""):
        assert (await client.ask("GET", f"/v2/p/web/tags/list?n={wrong}")).status == 400


async def test_deleting_tags_and_manifests(client: RegistryClient) -> None:
    digest = await client.push_image("v1")
    assert await client.push_image("v2") == digest
    other = await client.push_image("v3", annotations={"x": "y"})
    assert (await client.ask("DELETE", "/v2/p/web/manifests/v1")).status == 202
    assert (await client.ask("DELETE", "/v2/p/web/manifests/v1")).code == "MANIFEST_UNKNOWN"
    assert (await client.ask("GET", f"/v2/p/web/manifests/{digest}")).status == 200
    assert (await client.ask("DELETE", f"/v2/p/web/manifests/{digest}")).status == 202
    for reference in (digest, "v2"):
        assert (await client.ask("GET", f"/v2/p/web/manifests/{reference}")).status == 404
    assert json.loads((await client.ask("GET", "/v2/p/web/tags/list")).body)["tags"] == ["v3"]
    assert (await client.ask("HEAD", "/v2/p/web/manifests/v3")).headers["Docker-Content-Digest"] == other


async def test_deleting_blobs(client: RegistryClient) -> None:
    digest = await client.push(LARGE)
    await client.push(LARGE, "q/web")
    assert (await client.ask("DELETE", f"/v2/p/web/blobs/{digest}")).status == 202
    assert (await client.ask("HEAD", f"/v2/p/web/blobs/{digest}")).status == 404
    assert (await client.ask("DELETE", f"/v2/p/web/blobs/{digest}")).code == "BLOB_UNKNOWN"
    assert (await client.ask("GET", f"/v2/q/web/blobs/{digest}")).body == LARGE
    assert await client.push(LARGE) == digest
