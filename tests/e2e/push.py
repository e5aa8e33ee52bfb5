"""Pushes a tiny image to a controller's registry, as a docker client would."""

import base64
import hashlib
import json
import urllib.request

from cloud import ADMIN_KEY, Cloud


def push_image(cloud: Cloud, name: str, content: bytes = b"a layer") -> str:
    """`name` is PROJECT/NAME:TAG. Returns the image's digest."""
    repository, _, tag = name.partition(":")
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    parts = [_push_blob(cloud, repository, blob) for blob in (config, content)]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": parts[0] | {"mediaType": "application/vnd.oci.image.config.v1+json"},
            "layers": [parts[1] | {"mediaType": "application/vnd.oci.image.layer.v1.tar"}],
        }
    ).encode()
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    _ask(cloud, "PUT", f"/v2/{repository}/manifests/{tag}", manifest, headers)
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def _push_blob(cloud: Cloud, repository: str, content: bytes) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    headers = {"Content-Type": "application/octet-stream"}
    _ask(cloud, "POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", content, headers)
    return {"digest": digest, "size": len(content)}


def _ask(cloud: Cloud, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
    login = base64.b64encode(f"draas:{ADMIN_KEY}".encode()).decode()
    request = urllib.request.Request(
        cloud.url + path, body, headers | {"Authorization": f"Basic {login}"}, method=method
    )
    urllib.request.urlopen(request, timeout=20).close()
