"""A registry with one image, for an engine that can reach nothing else: tags and digests, as the distribution API serves them."""

import gzip
import hashlib
import io
import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from draas.testing.engine import PrivateEngine

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class SmallRegistry:
    """`name` is registry/repository; `tags` say which manifest each tag means, and may be changed."""

    def __init__(self, address: str) -> None:
        self.name = f"{address}/shop"
        self.tags: dict[str, str] = {}
        self.asked: list[str] = []  # METHOD path
        self.blobs: dict[str, bytes] = {}

    def push(self, archive: bytes, tag: str) -> str:
        """Put the image of a `docker load` archive under `tag`; its digest."""
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            read = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
        listed = json.loads(read["manifest.json"])[0]
        layers = [gzip.compress(read[layer], mtime=0) for layer in listed["Layers"]]
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._keep(_CONFIG, read[listed["Config"]]),
            "layers": [self._keep(_LAYER, layer) for layer in layers],
        }
        self.tags[tag] = self._keep(_MANIFEST, json.dumps(manifest).encode())["digest"]
        return self.tags[tag]

    def _keep(self, media_type: str, data: bytes) -> dict[str, Any]:
        digest = digest_of(data)
        self.blobs[digest] = data
        return {"mediaType": media_type, "size": len(data), "digest": digest}


@contextmanager
def small_registry(engine: PrivateEngine) -> Iterator[SmallRegistry]:
    """Served on the engine's own loopback address, where no TLS is asked for."""
    listening: socket.socket = engine.listen()
    registry = SmallRegistry(f"localhost:{listening.getsockname()[1]}")

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append(f"{self.command} {self.path}")
            kind, _, key = self.path.removeprefix("/v2/shop/").partition("/")
            digest = registry.tags.get(key, key)
            body = b"{}" if self.path == "/v2/" else registry.blobs.get(digest)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", _MANIFEST if kind == "manifests" else "application/octet-stream")
            self.send_header("Content-Length", str(len(body or b"")))
            self.send_header("Docker-Content-Digest", digest)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body or b"")

        do_HEAD = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(listening.getsockname(), Answers, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
