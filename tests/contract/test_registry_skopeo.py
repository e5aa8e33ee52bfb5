"""The registry and a client that we did not write."""

import gzip
import json
from pathlib import Path

import pytest
from registry_client import RegistryClient, digest_of
from skopeo_program import docker_archive, skopeo


@pytest.mark.needs("skopeo")
async def test_skopeo_pushes_pulls_lists_and_deletes(client: RegistryClient, tmp_path: Path) -> None:
    layer = docker_archive(tmp_path / "image.tar")
    remote = f"docker://{client.served.url.removeprefix('http://')}/p/web"
    deployer, viewer = (f"anybody:{client.served.secrets[role]}" for role in ("deployer", "viewer"))
    to, back = "--dest-tls-verify=false", "--src-tls-verify=false"

    async def push(*more: str) -> tuple[int, str]:
        return await skopeo(
            "--insecure-policy", "copy", to, *more, f"docker-archive:{tmp_path}/image.tar", f"{remote}:v1"
        )

    code, out = await push()
    assert (code != 0, "authentication required" in out or "unauthorized" in out) == (True, True), out
    code, out = await push(f"--dest-creds={viewer}")
    assert (code != 0, "deployer" in out or "denied" in out) == (True, True), out
    code, out = await push(f"--dest-creds={deployer}")
    assert code == 0, out
    code, out = await push(f"--dest-creds={deployer}", "--format=oci")
    assert code == 0, out
    code, out = await skopeo(
        "--insecure-policy", "copy", back, f"--src-creds={viewer}", f"{remote}:v1", f"dir:{tmp_path}/pulled"
    )
    assert code == 0, out
    manifest = json.loads((tmp_path / "pulled" / "manifest.json").read_bytes())
    pulled = (tmp_path / "pulled" / manifest["layers"][0]["digest"].removeprefix("sha256:")).read_bytes()
    config = json.loads((tmp_path / "pulled" / manifest["config"]["digest"].removeprefix("sha256:")).read_bytes())
    assert (gzip.decompress(pulled), config["rootfs"]["diff_ids"]) == (layer, [digest_of(layer)])
    code, out = await skopeo("list-tags", "--tls-verify=false", f"--creds={viewer}", remote)
    assert (code, json.loads(out)["Tags"]) == (0, ["v1"])
    code, out = await skopeo(
        "delete", "--tls-verify=false", f"--creds=x:{client.served.secrets['admin']}", f"{remote}:v1"
    )
    assert code == 0, out
    assert (await client.ask("GET", "/v2/p/web/manifests/v1")).status == 404
