"""A real registry with authentication: private images pulled from it, and builds pushed to it, by a real engine for a real controller and agent."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from draas.client.api import Client
from draas.client.settings import Settings
from draas.model.job import SAMPLE_IMAGE
from draas.testing.docker_registry import PASSWORD, USERNAME, DockerRegistry, docker_registry
from draas.testing.engine import PrivateEngine
from draas.testing.waiting import wait_for
from draas.wire.build_views import BuildView
from draas.wire.views import JobView

pytestmark = pytest.mark.needs("root", "netns", "dockerd", "busybox", "docker-registry")
ADMIN = "admin-key-for-this-test-0123456789"
T = TypeVar("T")
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
        inside = self.engine.program_inside(*DRAAS, *words)
        return subprocess.run(inside, env=environ, input=given, capture_output=True, text=True, timeout=90, check=False)

    def log_in(self, password: str) -> None:
        done = self.draas("registries", "add", self.registry.host, "-u", USERNAME, "--password-stdin", given=password)
        assert done.returncode == 0, done.stderr

    def log_out(self) -> None:
        done = self.draas("registries", "rm", self.registry.host)
        assert done.returncode == 0, done.stderr

    def run(self, image: str, project: str | None = None) -> JobView:
        """What became of a job in this image."""

        async def run(client: Client) -> JobView:
            body = {"command": "echo from inside", "image": image, "resources": {"cpu_cores": 0.1, "memory_mb": 32}}
            return await client.wait((await client.submit(body, project))["id"], timeout_s=90)

        return self.call(run)

    def call(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        async def run() -> T:
            async with Client(Settings(url=self.url, key=ADMIN)) as client:
                return await work(client)

        with self.engine.inside():
            return asyncio.run(run())

    def build(self, name: str, dockerfile: str, *tags: str) -> tuple[BuildView, str]:
        """What became of a build of this Dockerfile, and what it said."""
        packed = self.folder / "source.tar.gz"
        with tarfile.open(packed, "w:gz") as tar:
            text = dockerfile.encode()
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))

        async def build(client: Client) -> tuple[BuildView, str]:
            source = await client.builds.upload(f"default/{name}", packed, lambda _sent, _all: None)
            asked = {"name": name, "source": source, "tags": list(tags), "resources": {"memory_mb": 256}}
            made = await client.builds.create(asked)
            ended = await client.builds.wait(made["id"], timeout_s=90)
            return ended, b"".join([piece async for piece in client.builds.logs(made["id"])]).decode()

        return self.call(build)


def clean_environ(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DRAAS_", "DOCKER_"))}
    return kept | {"HOME": str(home), "DRAAS_ADMIN_KEY": ADMIN, "DRAAS_LOG_LEVEL": "debug"}


def start(folder: Path, engine: PrivateEngine, name: str, *words: str, **variables: str) -> subprocess.Popen[bytes]:
    """A program beside the engine, in its network: there are the loopback addresses of controller, registry and the agent's own."""
    with (folder / f"{name}.log").open("wb") as log:
        inside = engine.program_inside(*DRAAS, *words)
        return subprocess.Popen(inside, env=clean_environ(folder) | variables, stdout=log, stderr=log)


def said(log: Path, pattern: str, process: subprocess.Popen[bytes]) -> re.Match[str]:
    """The first match in the log, as soon as it is there; fails where the program has ended without it."""
    told = wait_for(log.read_text, lambda text: re.search(pattern, text) or process.poll() is not None, pattern)
    found = re.search(pattern, told)
    assert found is not None, told
    return found


@pytest.fixture(scope="module")
def registry(docker_engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry"), docker_engine) as started:
        yield started


@contextmanager
def running(folder: Path, engine: PrivateEngine, registry: DockerRegistry, **settings: str) -> Iterator[Cluster]:
    """`settings` are the controller's environment."""
    started = []
    try:
        serve = ("server", "--listen", "127.0.0.1:0", "--data-dir", str(folder / "controller"))
        started.append(start(folder, engine, "controller", *serve, **settings))
        url = said(folder / "controller.log", r"DRaaS controller at (\S+)", started[0])[1]
        cluster = Cluster(url, folder, engine, registry)
        token = json.loads(cluster.draas("nodes", "token", "--json").stdout)["token"]
        join = ("join", url, token, "--data-dir", str(folder / "agent"))
        started.append(start(folder, engine, "agent", *join, DOCKER_HOST=engine.url))
        said(folder / "agent.log", "linked", started[1])
        yield cluster
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture
def cluster(docker_engine: PrivateEngine, registry: DockerRegistry, tmp_path: Path) -> Iterator[Cluster]:
    with running(tmp_path, docker_engine, registry) as started:
        yield started


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
    elsewhere = cluster.run(image, "another")
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


def test_a_build_may_start_from_a_private_image(cluster: Cluster) -> None:
    image = cluster.registry.put(SAMPLE_IMAGE, "team/base:1")
    dockerfile = f"FROM {image}\nENV FROM_PRIVATE=yes\n"
    without, told = cluster.build("shop", dockerfile)
    assert without["state"] == "failed", told
    assert "401 Unauthorized" in without["reason"]
    cluster.log_in(PASSWORD)
    with_login, told = cluster.build("shop", dockerfile)
    assert with_login["state"] == "succeeded", told
    assert_nowhere(cluster, PASSWORD)


# --- pushing what was built ---

FROM_NOTHING = "FROM scratch\nCOPY Dockerfile /\n"


def hub(registry: DockerRegistry, password: str, push: str = "true") -> dict[str, str]:
    return {
        "DOCKER_HUB_PUSH": push,
        "DOCKER_USERNAME": USERNAME,
        "DOCKER_PASSWORD": password,
        "DOCKER_HUB_REGISTRY": registry.host,
    }


def test_what_is_built_is_pushed_where_that_is_on(
    docker_engine: PrivateEngine, registry: DockerRegistry, tmp_path: Path
) -> None:
    with running(tmp_path, docker_engine, registry, **hub(registry, PASSWORD)) as cluster:
        built, told = cluster.build("pushed", FROM_NOTHING, "1.2", "latest")
        assert built["state"] == "succeeded", told
        names = [f"{registry.host}/{USERNAME}/pushed:{tag}" for tag in ("1.2", "latest")]
        assert built["pushed"] == names
        assert registry.tags(f"{USERNAME}/pushed") == ["1.2", "latest"]
        untagged, told = cluster.build("untagged", FROM_NOTHING)
        assert untagged["pushed"] == [f"{registry.host}/{USERNAME}/untagged:{untagged['id']}"], told
        assert "Downloaded" in registry.docker("pull", names[0])  # by whoever has the account
        registry.docker("rmi", names[0])
        assert_nowhere(cluster, PASSWORD)


def test_a_push_with_a_wrong_password_fails_the_build_with_what_the_registry_said(
    docker_engine: PrivateEngine, registry: DockerRegistry, tmp_path: Path
) -> None:
    with running(tmp_path, docker_engine, registry, **hub(registry, WRONG)) as cluster:
        built, told = cluster.build("refused", FROM_NOTHING, "1")
        assert built["state"] == "failed", told
        assert "unauthorized: authentication required" in built["reason"]
        assert "DOCKER_USERNAME" in built["reason"]
        assert registry.tags(f"{USERNAME}/refused") == []
        assert_nowhere(cluster, WRONG)


def test_no_call_is_made_where_pushing_is_off(
    docker_engine: PrivateEngine, registry: DockerRegistry, tmp_path: Path
) -> None:
    before = registry.requests()
    with running(tmp_path, docker_engine, registry, **hub(registry, PASSWORD, push="false")) as cluster:
        built, told = cluster.build("kept", FROM_NOTHING, "1")
        assert (built["state"], built["pushed"]) == ("succeeded", []), told
        assert registry.requests() == before
        cluster.registry.put(SAMPLE_IMAGE, "team/seen:1")
        assert len(registry.requests()) > len(before)  # it does count
