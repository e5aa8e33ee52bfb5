"""Images from the controller's registry to a machine: who has them, what stays, and what may go when the work is over."""

import gzip
import hashlib
import io
import json
import ssl
import tarfile
import urllib.request

from draas.agent.runtimes.docker.sample_image import sample_archive
from draas.testing.controller_process import ADMIN_KEY
from draas.testing.lab import Lab
from draas.testing.waiting import wait_for

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def test_what_a_job_needs_stays_and_may_go_when_it_is_over(lab: Lab) -> None:
    controller = lab.controller
    push(lab, "default/kept", "v1")
    name = "draas.internal/default/kept:v1"
    job = controller.submit("sleep 600", image=name, constraints=["node.name == m2"])
    controller.wait_job(job, "running")
    listed = wait_for(
        lambda: controller.call(lambda client: client.images("default/kept"))["items"],
        lambda items: items[0]["nodes"] == ["m2"],
        "m2 says that it has the image",
    )
    assert listed[0]["used_by"] == [f"job {job}"]
    assert listed[0]["tags"] == ["v1"]
    assert name not in removable(lab), "it is in use"
    controller.cancel(job)
    controller.wait_job(job)
    wait_for(lambda: removable(lab), lambda names: name in names, "nothing needs it any more")
    assert controller.call(lambda client: client.images("default/kept"))["items"][0]["used_by"] == []


def removable(lab: Lab) -> set[str]:
    """Names of images on machines that nothing needs, and that agents pulled."""
    plan = lab.controller.call(lambda client: client.plan_prune())
    return {name for one in plan["on_nodes"] for name in (one["name"], *one["tags"])}


def push(lab: Lab, repository: str, tag: str) -> None:
    """The sample image, as a client of the registry would."""
    with tarfile.open(fileobj=io.BytesIO(sample_archive(tag="x:1"))) as tar:
        read = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]
    listed = json.loads(read["manifest.json"])[0]
    # The machines have the sample image; this one is to be another.
    config = json.dumps({**json.loads(read[listed["Config"]]), "author": repository}).encode()
    layers = [gzip.compress(read[layer], mtime=0) for layer in listed["Layers"]]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": describe(CONFIG, config),
        "layers": [describe(LAYER, layer) for layer in layers],
    }
    for blob in (config, *layers):
        ask(lab, "POST", f"/v2/{repository}/blobs/uploads/?digest={digest(blob)}", blob, "application/octet-stream")
    ask(lab, "PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(manifest).encode(), MANIFEST)


def describe(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(content), "digest": digest(content)}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def ask(lab: Lab, method: str, path: str, content: bytes, media_type: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": media_type}
    request = urllib.request.Request(lab.controller.url + path, content, headers, method=method)
    trusted = ssl.create_default_context(cafile=str(lab.controller.settings.ca))
    with urllib.request.urlopen(request, timeout=30, context=trusted) as answer:
        assert answer.status == 201
