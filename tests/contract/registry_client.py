"""RegistryClient: the distribution API's requests as a test says them, on real connections."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from image_stores import images_in
from yarl import URL

from draas.model.bucket import Bucket
from draas.server.registry.images import Images
from draas.server.registry.manifest import IMAGES, INDEXES
from draas.server.services.images import ImageCare
from draas.server.services.own_disk import OwnDisk
from draas.store.blobs import PIECE_BYTES
from draas.testing.api import Served, serve_api

OCI, OCI_INDEX = IMAGES[0], INDEXES[0]
LARGE = os.urandom(3 * PIECE_BYTES + 17)  # of several pieces, the last one short


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def basic(key: str, user: str = "anybody") -> str:
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


def image_manifest(config: str, *layers: str, **fields: Any) -> bytes:
    listed = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": one, "size": 1} for one in layers]
    kind = "application/vnd.oci.image.config.v1+json"
    document = {"schemaVersion": 2, "mediaType": OCI, "config": {"mediaType": kind, "digest": config, "size": 1}}
    return json.dumps({**document, "layers": listed, **fields}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of the first error; the answer must be in the specification's form."""
        assert self.headers["Content-Type"] == "application/json"
        errors = json.loads(self.body)["errors"]
        assert all(set(error) <= {"code", "message", "detail"} and error["message"] for error in errors)
        return str(errors[0]["code"])

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["errors"][0]["message"])

    def json(self) -> Any:
        """What the JSON API answered."""
        return json.loads(self.body)


class RegistryClient:
    """Asks as the admin unless told otherwise."""

    def __init__(self, served: Served, session: aiohttp.ClientSession, images: Images, folder: Path) -> None:
        self.served, self.images, self.folder = served, images, folder
        self._session = session

    async def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Told:
        """`key`: an Authorization header, "" for none. Header names are written with _ for -."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        authorization = f"Bearer {self.served.secrets['admin']}" if key is None else key
        if authorization:
            given["Authorization"] = authorization
        url = URL(self.served.url + path, encoded=True)
        async with self._session.request(method, url, data=body, headers=given, allow_redirects=False) as response:
            told = Told(status=response.status, headers=response.headers, body=await response.read())
        assert told.headers.get("Docker-Distribution-API-Version") == "registry/2.0" or told.status in (404, 405)
        return told

    async def ask_api(self, method: str, path: str, body: object, *, key: str | None = None) -> Told:
        """The JSON API beside it; `key` as in ask."""
        headers = {"Authorization": key or f"Bearer {self.served.secrets['admin']}"}
        async with self._session.request(method, self.served.url + path, json=body, headers=headers) as response:
            return Told(status=response.status, headers=response.headers, body=await response.read())

    async def begin(self, repository: str = "p/web") -> str:
        """The location of a new upload."""
        told = await self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        assert told.status == 202
        return told.headers["Location"]

    async def push(self, content: bytes, repository: str = "p/web") -> str:
        """A blob's digest."""
        location = await self.begin(repository)
        told = await self.ask("PUT", f"{location}?digest={digest_of(content)}", content)
        assert (told.status, told.body) == (201, b"")
        return told.headers["Docker-Content-Digest"]

    async def push_image(self, tag: str, repository: str = "p/web", **fields: Any) -> str:
        """The digest of a manifest with a config and one layer."""
        manifest = image_manifest(await self.push(b"{}", repository), await self.push(b"layer", repository), **fields)
        told = await self.ask("PUT", f"/v2/{repository}/manifests/{tag}", manifest, Content_Type=OCI)
        assert told.status == 201, told.body
        return told.headers["Docker-Content-Digest"]

    def files(self) -> list[str]:
        """Everything in the data folder, as paths in it; but for the bucket's name."""
        found = [path for path in self.folder.rglob("*") if path.is_file() and path.name != "bucket.json"]
        return sorted(str(path.relative_to(self.folder)) for path in found)

    async def cut(self, method: str, path: str, sent: bytes, announced: int, **headers: str) -> None:
        """Begin a request of `announced` bytes, send some of them, and close the connection."""
        port = int(self.served.url.rsplit(":", 1)[1])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {announced}"]
        lines += [f"Authorization: Bearer {self.served.secrets['admin']}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + sent)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def registry(
    folder: Path,
    care: Callable[[Images], ImageCare] | None = None,
    disk: OwnDisk | None = None,
    bucket: Bucket | None = None,
) -> AsyncIterator[RegistryClient]:
    """A registry over `folder` (and `bucket`), as long as the block is open."""
    images = images_in(folder, bucket)
    try:
        await images.blobs.open()
        async with (
            serve_api(images=images, care=care(images) if care is not None else None, disk=disk) as served,
            aiohttp.ClientSession() as session,
        ):
            yield RegistryClient(served, session, images, folder)
    finally:
        await images.blobs.close()
        await images.manifests.close()
