"""skopeo, a client of registries that we did not write, and an image that it copies."""

import asyncio
import io
import json
import os
import tarfile
from pathlib import Path

from registry_client import digest_of


def docker_archive(path: Path) -> bytes:
    """An image of one layer as `docker save` writes it; the layer is returned."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        content = os.urandom(300_000)
        entry = tarfile.TarInfo("data")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/data"]}}
    config["rootfs"] = {"type": "layers", "diff_ids": [digest_of(layer.getvalue())]}
    listed = [{"Config": "config.json", "RepoTags": ["web:v1"], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        for name, data in [("config.json", json.dumps(config).encode()), ("layer.tar", layer.getvalue()), ("manifest.json", json.dumps(listed).encode())]:  # fmt: skip
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return layer.getvalue()


async def skopeo(*words: object) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "skopeo", *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode()
