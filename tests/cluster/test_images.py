"""Images of the controller's registry on machines that reach nothing else: pulled by stock engines, named alike everywhere."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from draas.agent.runtimes.docker.sample_image import sample_archive
from draas.model.errors import Invalid
from draas.testing.app_lab import AppLab, app_body
from draas.testing.controller_process import ADMIN_KEY
from draas.testing.lab import Lab
from draas.testing.waiting import wait_for

IMAGE = "draas.internal/default/shop"
pytestmark = pytest.mark.needs("skopeo")


@pytest.fixture
def apps(lab: Lab) -> Iterator[AppLab]:
    """The verbs; afterwards every app is gone."""
    opened = AppLab(lab)
    yield opened
    opened.remove_all()


def push(lab: Lab, folder: Path, tag: str) -> None:
    """As a person would, from a machine that has the key."""
    (folder / "image.tar").write_bytes(sample_archive(tag="shop:v1"))
    to = f"docker://{lab.controller.url.removeprefix('https://')}/default/shop:{tag}"
    words = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", f"--dest-creds=any:{ADMIN_KEY}"]
    subprocess.run([*words, f"docker-archive:{folder}/image.tar", to], check=True, timeout=60, capture_output=True)


def test_an_image_that_was_pushed_runs_on_every_machine(apps: AppLab, lab: Lab, tmp_path: Path) -> None:
    push(lab, tmp_path, "v1")
    told = apps.deploy("shop", app_body(image=f"{IMAGE}:v1", replicas=3))
    assert {one["node"] for one in told["replicas"]} == {"m1", "m2", "m3"}
    apps.wait_served("shop", " 1")
    (release,) = apps.releases("shop")
    assert release["image"].startswith(f"{IMAGE}@sha256:")
    assert "127.0.0.1" not in json.dumps([told, release])
    for agent in lab.agents:
        names = wait_for(
            lambda name=agent.machine.name: [
                tag for image in lab.controller.node(name)["images"] for tag in image["tags"]
            ],
            lambda names: release["image"] in names,
            "the image among the machine's, as the cluster calls it",
        )
        assert not any("127.0.0.1" in name for name in names)


def test_a_job_runs_by_tag_and_the_agents_door_is_shut_to_others(lab: Lab, tmp_path: Path) -> None:
    push(lab, tmp_path, "v2")
    job = lab.controller.submit("echo pulled", image=f"{IMAGE}:v2", constraints=["node.name == m2"])
    done = lab.controller.wait_job(job)
    assert (done["state"], lab.controller.output(job)) == ("succeeded", b"pulled\n"), done
    machine = lab.agent("m2").machine
    listed = machine.run("ss", "--no-header", "--listening", "--tcp", "--numeric")
    port = next(line.split()[3] for line in listed.splitlines() if line.split()[3].startswith("127.0.0.1:"))
    asked = machine.run("sh", "-c", f"/bin/busybox wget -q -O - http://{port}/v2/ 2>&1 || true")
    assert "401 Unauthorized" in asked
    with pytest.raises(Invalid) as refused:
        lab.controller.submit("true", image=f"{IMAGE}:v9")
    assert "no tag v9" in refused.value.faults[0].message
