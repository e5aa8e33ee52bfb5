"""Cloud: a controller and an agent as `draas up` runs them, with a folder and a port of their own, for a browser to look at."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

from draas.testing.waiting import wait_for

ADMIN_KEY = "browser-tests-admin-key"
STOP_TIMEOUT_S = 20.0


class Cloud:
    """Host jobs alone, or with `engine` (its address) containers and builds, too. `link` is what the last start printed.

    `ingress`: the ports of its ingress, which it has none without.
    """

    def __init__(
        self, folder: Path, port: int, engine: str | None = None, ingress: tuple[int, int] | None = None
    ) -> None:
        self.folder = folder
        self.engine = engine
        self.ingress = ingress
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / "up.log"
        self._popen: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start both and wait until the machine is ready. Raises RuntimeError with what was printed."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAAS_")}
        environment = kept | {
            "HOME": str(self.folder),
            "DRAAS_DATA_DIR": str(self.folder / "data"),
            "DRAAS_ADMIN_KEY": ADMIN_KEY,
            "DRAAS_NODE_NAME": "node-1",
            "DOCKER_HOST": self.engine or f"unix://{self.folder}/no-engine.sock",
        }
        role = "worker,builder" if self.engine else "worker"
        if self.ingress is not None:
            role += ",ingress"
        words = ["up", "--listen", self.url.removeprefix("http://"), "--role", role, "--allow-host-jobs=plain"]
        for kind, port in zip(("http", "https"), self.ingress or (), strict=False):
            words.append(f"--ingress-{kind}={port}")
        with self._log.open("wb") as out:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "draas", *words],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True,
            )  # fmt: skip
        wait_for(self._is_ready, bool, f"draas up at {self.url} has a ready node", 60)

    def _is_ready(self) -> bool:
        assert self._popen is not None
        if self._popen.poll() is not None:
            raise RuntimeError(f"draas up ended with {self._popen.returncode}: {self.printed()}")
        return "is ready:" in self.printed()

    def printed(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def link(self) -> str:
        """The one-time sign-in link."""
        found = re.search(r"Dashboard: (\S+)", self.printed())
        assert found is not None, self.printed()
        return found[1]

    def stop(self) -> None:
        """In order."""
        if self._popen is None:
            return
        self._popen.terminate()
        try:
            self._popen.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
        self._popen = None

    def call(self, method: str, path: str, body: object = None, key: str = ADMIN_KEY) -> Any:
        """What the API answers. Raises urllib.error.HTTPError."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def submit(self, command: str, **fields: object) -> str:
        """A new job's id."""
        resources = {"cpu_cores": 0.1, "memory_mb": 32}
        return str(self.call("POST", "/api/jobs", {"command": command, "resources": resources, **fields})["id"])

    def wait_job(self, id: str, *states: str) -> Any:
        """The job once it is in one of `states`."""
        return wait_for(
            lambda: self.call("GET", f"/api/jobs/{id}"), lambda job: job["state"] in states, f"{id} {states}", 30
        )

    def build(self, name: str, source: bytes) -> Any:
        """The build of an archive, once it has ended."""
        mark = b"--a-mark-that-is-in-no-archive"
        spec = json.dumps({"name": name}).encode()
        parts = [
            b'%s\r\nContent-Disposition: form-data; name="spec"\r\n\r\n%s\r\n' % (mark, spec),
            b'%s\r\nContent-Disposition: form-data; name="source"; filename="s"\r\n\r\n%s\r\n' % (mark, source),
            mark + b"--\r\n",
        ]
        kind = f"multipart/form-data; boundary={mark[2:].decode()}"
        headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": kind}
        request = urllib.request.Request(f"{self.url}/api/builds", b"".join(parts), headers, method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            id = json.loads(answer.read())["id"]
        ended = ("succeeded", "failed", "cancelled")
        return wait_for(
            lambda: self.call("GET", f"/api/builds/{id}"), lambda build: build["state"] in ended, f"{id} has ended", 60
        )

    def wait_app(self, name: str, *states: str) -> Any:
        """The app once it is in one of `states`, with nothing on its way."""
        return wait_for(
            lambda: self.call("GET", f"/api/apps/{name}"),
            lambda app: (
                app["state"] in states and app["rolling"] is None and not any(r["leaving"] for r in app["replicas"])
            ),
            f"{name} {states}",
            60,
        )

    def remove_apps(self) -> None:
        """All of them, to their last container: those outlive the controller."""
        for app in self.call("GET", "/api/apps")["items"]:
            self.call("DELETE", f"/api/apps/{app['name']}")
        wait_for(lambda: self.call("GET", "/api/apps")["total"], lambda total: total == 0, "no app is left", 60)
