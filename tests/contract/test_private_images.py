"""Private images of a real registry with authentication, pulled by a real engine for a real controller and agent."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from draas.model.job import SAMPLE_IMAGE
from draas.testing.docker_registry import PASSWORD, USERNAME, DockerRegistry, docker_registry
from draas.testing.engine import PrivateEngine
from draas.testing.waiting import wait_for

pytestmark = pytest.mark.needs("root", "netns", "dockerd", "busybox", "docker-registry")
ADMIN = "admin-key-for-this-test-0123456789"
WRONG = "no-such-password-0815"
DRAAS = (sys.executable, "-m", "draas")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A controller and an agent as programs, the engine that the agent uses, and a registry that the engine reaches."""

    url: str
    folder: Path  # of controller, agent and their logs
    engine: PrivateEngine
    registry: DockerRegistry

    def draas(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        environ = clean_environ(self.folder) | {"DRAAS_URL": self.url, "DRAAS_KEY": ADMIN}
        return subprocess.run(
            (*DRAAS, *words), env=environ, input=given, capture_output=True, text=True, timeout=90, check=False
        )

    def log_in(self, password: str) -> None:
        done = self.draas("registries", "add", self.registry.host, "-u", USERNAME, "--password-stdin", given=password)
        assert done.returncode == 0, done.stderr

    def log_out(self) -> None:
        done = self.draas("registries", "rm", self.registry.host)
        assert done.returncode == 0, done.stderr

    def run(self, image: str, *words: str) -> dict[str, Any]:
        """What became of a job in this image."""
        started = self.draas(
            "run", "--detach", "--quiet", "--memory", "32M", "--image", image, *words, "--", "echo", "from inside"
        )
        assert started.returncode == 0, started.stderr
        id = started.stdout.strip()
        return wait_for(
            lambda: json.loads(self.draas("jobs", "show", id, "--json").stdout),
            lambda job: job["state"] in ("succeeded", "failed"),
            f"the end of {id}",
        )


def clean_environ(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DRAAS_", "DOCKER_"))}
    return kept | {"HOME": str(home), "DRAAS_ADMIN_KEY": ADMIN, "DRAAS_LOG_LEVEL": "debug"}


def start(folder: Path, engine: PrivateEngine, name: str, *words: str) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        environ = clean_environ(folder) | {"DOCKER_HOST": engine.url}
        return subprocess.Popen((*DRAAS, *words), env=environ, stdout=log, stderr=log)


def said(log: Path, pattern: str, process: subprocess.Popen[bytes]) -> re.Match[str]:
    """The first match in the log, as soon as it is there; fails where the program has ended without it."""
    told = wait_for(log.read_text, lambda text: re.search(pattern, text) or process.poll() is not None, pattern)
    found = re.search(pattern, told)
    assert found is not None, told
    return found


@pytest.fixture(scope="module")
def cluster(docker_engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder, started = tmp_path_factory.mktemp("cluster"), []
    with docker_registry(tmp_path_factory.mktemp("registry"), docker_engine) as registry:
        try:
            serve = ("server", "--listen", "127.0.0.1:0", "--data-dir", str(folder / "controller"))
            started.append(start(folder, docker_engine, "controller", *serve))
            url = said(folder / "controller.log", r"DRaaS controller at (\S+)", started[0])[1]
            one = Cluster(url, folder, docker_engine, registry)
            token = json.loads(one.draas("nodes", "token", "--json").stdout)["token"]
            started.append(
                start(folder, docker_engine, "agent", "join", url, token, "--data-dir", str(folder / "agent"))
            )
            said(folder / "agent.log", "linked", started[1])
            yield one
        finally:
            for process in reversed(started):
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def test_a_private_image_is_pulled_with_the_projects_login_and_with_no_other(cluster: Cluster) -> None:
    image = cluster.registry.put(SAMPLE_IMAGE, "team/private:1")
    remedy = f"draas registries add {cluster.registry.host}"

    without = cluster.run(image)
    assert (without["state"], without["attempts"][-1]["cause"]) == ("failed", "image"), without
    assert "no basic auth credentials" in without["attempts"][-1]["detail"]
    assert remedy in without["attempts"][-1]["detail"]

    cluster.log_in(WRONG)
    wrong = cluster.run(image)
    assert (wrong["state"], wrong["attempts"][-1]["cause"]) == ("failed", "image"), wrong
    assert "unauthorized: authentication required" in wrong["attempts"][-1]["detail"]
    assert remedy in wrong["attempts"][-1]["detail"]

    cluster.log_in(PASSWORD)
    elsewhere = cluster.run(image, "--project", "another")
    assert (elsewhere["state"], elsewhere["attempts"][-1]["cause"]) == ("failed", "image"), elsewhere
    right = cluster.run(image)
    assert right["state"] == "succeeded", right
    assert cluster.draas("jobs", "logs", right["id"]).stdout == "from inside\n"

    cluster.registry.docker("rmi", image)
    cluster.log_out()
    after = cluster.run(image)
    assert (after["state"], after["attempts"][-1]["cause"]) == ("failed", "image"), after
    assert_nowhere(cluster, PASSWORD, WRONG)


def assert_nowhere(cluster: Cluster, *secrets: str) -> None:
    """None of `secrets` is in what controller and agent keep (events and jobs among it), log or tell."""
    told = "".join(
        cluster.draas(*words, "--json").stdout for words in (("jobs",), ("registries",), ("nodes",), ("apps",))
    )
    files = [path for path in cluster.folder.rglob("*") if path.is_file()]
    assert {".db", ".journal", ".log"} <= {path.suffix for path in files}
    for secret in secrets:
        assert secret not in told
        assert [path for path in files if secret.encode() in path.read_bytes()] == []
