"""Debian's docker-registry, with one account, beside a test's own Docker Engine; and what somebody else would do with it by `docker`."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from draas.testing.engine import PrivateEngine, end_of
from draas.testing.waiting import wait_for

USERNAME, PASSWORD = "builder", "open-sesame-4711"
# Of PASSWORD, as `htpasswd -nbB -C 5` would: the registry takes bcrypt alone, which Python's own library has not.
_BCRYPT = "$2b$05$DRaaSTestRegistrySaltO4JrZksbOI5L5KKK2WZ5ot4s/BxoDvBu"
_CONFIG = """\
version: 0.1
log: {{level: info, accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: "{folder}/data"}}}}
http: {{addr: "{address}"}}
auth: {{htpasswd: {{realm: "a test's registry", path: "{folder}/htpasswd"}}}}
"""
_REQUEST = re.compile(r'"((?:GET|HEAD|POST|PUT|PATCH|DELETE) \S+) HTTP/1\.1" (\d+)')
CALL_TIMEOUT_S = 60.0


class DockerRegistry:
    """`host` is its name in the names of images, for the engine and whoever else is in that engine's network."""

    def __init__(self, host: str, folder: Path, engine: PrivateEngine) -> None:
        self.host = host
        self._folder = folder
        self._engine = engine

    def requests(self) -> list[str]:
        """All that it was asked, and how it answered: `GET /v2/ 401`."""
        return [f"{asked} {status}" for asked, status in _REQUEST.findall((self._folder / "log").read_text())]

    def tags(self, repository: str) -> list[str]:
        """The tags under which it has images, by its files; none for what it has not."""
        folder = self._folder / "data/docker/registry/v2/repositories" / repository / "_manifests/tags"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def put(self, image: str, name: str) -> str:
        """Push `image` of the engine as `name` (repository:tag), and leave the engine without it; how jobs name it."""
        full = f"{self.host}/{name}"
        for words in (("tag", image, full), ("push", "--quiet", full), ("rmi", full)):
            self.docker(*words)
        return full

    def docker(self, *words: str) -> str:
        """Docker's own client on the engine, logged in here. Raises subprocess.CalledProcessError."""
        config = self._folder / "docker"
        config.mkdir(exist_ok=True)
        auth = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        (config / "config.json").write_text(json.dumps({"auths": {self.host: {"auth": auth}}}))
        command = ("docker", "--config", str(config), "-H", self._engine.url, *words)
        done = subprocess.run(command, capture_output=True, text=True, timeout=CALL_TIMEOUT_S, check=False)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout


@contextmanager
def docker_registry(folder: Path, engine: PrivateEngine) -> Iterator[DockerRegistry]:
    """A registry in the engine's network for the length of the block. Raises RuntimeError with its log where it does not start."""
    with engine.listen() as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "htpasswd").write_text(f"{USERNAME}:{_BCRYPT}\n")
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder, address=host))
    program = shutil.which("docker-registry") or "docker-registry"
    words = engine.program_inside(program, "serve", str(folder / "config.yml"))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}  # they would win
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, env=clean)
    try:
        told = wait_for(
            log.read_text, lambda text: "listening on" in text or process.poll() is not None, "the registry listening"
        )
        if "listening on" not in told:
            raise RuntimeError(f"docker-registry did not start: {end_of(log)}")
        yield DockerRegistry(host, folder, engine)
    finally:
        process.kill()
        process.wait()
