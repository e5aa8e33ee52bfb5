"""ControllerProcess: `draas server` as a process of its own, to be killed and started again, with the verbs of a test."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from draas.client.api import Client
from draas.client.settings import Settings
from draas.model.errors import DraasError
from draas.testing.engine import end_of
from draas.testing.waiting import PATIENCE_S, BackgroundLoop, wait_for
from draas.wire.views import JobView, NodeView

STOP_TIMEOUT_S = 20.0
ADMIN_KEY = "cluster-test-admin-key"
ENDED = ("succeeded", "failed", "cancelled", "skipped")


class ControllerProcess:
    """Listens on `host`, over TLS unless that is loopback, keeps everything in `folder`. `program` is what is run instead of `python -m draas`."""

    def __init__(
        self,
        folder: Path,
        host: str,
        *,
        policy: Mapping[str, float] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "draas"),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.log = folder.parent / f"{folder.name}.log"
        self._program = list(program)
        self._env = dict(env or {})
        self.process: subprocess.Popen[bytes] | None = None
        self._loop = BackgroundLoop()
        self._client: Client | None = None
        self._config = folder.parent / f"{folder.name}.toml"
        lines = [f"{name} = {value}" for name, value in (policy or {}).items()]
        self._config.write_text("\n".join(["[policy]", *lines, ""]))
        with socket.create_server((host, 0)) as probe:
            self._listen = f"{host}:{probe.getsockname()[1]}"
        self._tls = not host.startswith("127.")
        self.url = f"{'https' if self._tls else 'http'}://{self._listen}"

    # --- its life ---

    def start(self, env: Mapping[str, str] | None = None) -> None:
        """Start it and wait until it answers. Raises RuntimeError with the end of its log."""
        self.launch(env)
        wait_for(self._answers, bool, f"the controller at {self.url} answers", PATIENCE_S)

    def launch(self, env: Mapping[str, str] | None = None) -> None:
        """Start it and wait for nothing."""
        words = ["server", "--listen", self._listen, "--data-dir", str(self.folder), "--config", str(self._config)]
        environment = {**os.environ, "DRAAS_ADMIN_KEY": ADMIN_KEY, **self._env, **(env or {})}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*self._program, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment
            )

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the controller ended with {self.process.returncode}: {end_of(self.log)}")
        try:
            self.call(lambda client: client.health(), patience_s=0)
        except DraasError:
            return False
        return True

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_ended(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        assert self.process is not None
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Stop it in order, and let go of everything; its folder is removed."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._client is not None:
            self._loop.run(self._client.__aexit__(None, None, None))
        self._loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- its API ---

    @property
    def settings(self) -> Settings:
        """For a client with the admin's key."""
        ca = self.folder / "controller" / "tls" / "ca.pem" if self._tls else None
        return Settings(url=self.url, key=ADMIN_KEY, ca=ca)

    def call(self, work: Callable[[Client], Any], patience_s: float = 10.0) -> Any:
        """The answer to what `work` asks. Raises DraasError."""
        return self._loop.run(self._call(work, patience_s))

    async def _call(self, work: Callable[[Client], Any], patience_s: float) -> Any:
        if self._client is None:
            opened = Client(self.settings)
            await opened.__aenter__()
            self._client = opened
        self._client.transport.patience_s = patience_s
        return await work(self._client)

    def join_token(self, ttl_s: float | None = None) -> str:
        return str(self.call(lambda client: client.make_join_token(ttl_s))["token"])

    # --- jobs ---

    def submit(self, command: str | list[str], **fields: Any) -> str:
        """A new job's id. It asks for little, so that many fit."""
        return str(self.call(lambda client: client.submit(job_body(command, **fields)))["id"])

    def submit_batch(self, bodies: Sequence[Mapping[str, object]]) -> list[str]:
        return [job["id"] for job in self.call(lambda client: client.submit_batch(bodies))["jobs"]]

    def job(self, id: str) -> JobView:
        found: JobView = self.call(lambda client: client.job(id))
        return found

    def cancel(self, id: str) -> None:
        self.call(lambda client: client.cancel(id))

    def wait_job(self, id: str, *states: str, timeout_s: float = PATIENCE_S) -> JobView:
        """The job once it is in one of `states`, or (none given) has ended."""
        wanted = states or ENDED
        return wait_for(lambda: self.job(id), lambda job: job["state"] in wanted, f"{id} {'|'.join(wanted)}", timeout_s)

    def wait_attempt(self, id: str, number: int, state: str, timeout_s: float = PATIENCE_S) -> JobView:
        """The job once its attempt `number` is in `state`."""
        return wait_for(
            lambda: self.job(id),
            lambda job: len(job["attempts"]) >= number and job["attempts"][number - 1]["state"] == state,
            f"attempt {number} of {id} {state}",
            timeout_s,
        )

    def output(self, id: str, attempt: int | None = None) -> bytes:
        """All that an attempt wrote."""

        async def read(client: Client) -> bytes:
            return b"".join([piece async for piece in client.logs(id, attempt=attempt)])

        return bytes(self.call(read))

    def counts(self, name: str) -> dict[str, int]:
        """How many jobs of this name are in each state."""

        async def count(client: Client) -> dict[str, int]:
            found: dict[str, int] = {}
            async for job in client.all_jobs(name=name):
                found[job["state"]] = found.get(job["state"], 0) + 1
            return found

        counted: dict[str, int] = self.call(count)
        return counted

    # --- nodes ---

    def nodes(self) -> list[NodeView]:
        found: list[NodeView] = self.call(lambda client: client.nodes())["items"]
        return found

    def node(self, name: str) -> NodeView:
        found: NodeView = self.call(lambda client: client.node(name))
        return found

    def wait_node(self, name: str, *states: str, timeout_s: float = PATIENCE_S) -> NodeView:
        """The node once it is known and in one of `states`."""
        nodes = wait_for(
            self.nodes,
            lambda nodes: any(node["name"] == name and node["state"] in states for node in nodes),
            f"{name} {'|'.join(states)}",
            timeout_s,
        )
        return next(node for node in nodes if node["name"] == name)


def job_body(command: str | list[str], **fields: Any) -> dict[str, Any]:
    """A job as the API takes it, small unless it says otherwise."""
    resources = {"cpu_cores": 0.1, "memory_mb": 32, **fields.pop("resources", {})}
    return {"command": command, "resources": resources, **fields}
