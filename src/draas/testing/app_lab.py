"""App lab: apps on the machines of a lab, deployed and looked at through the API, with load sent through their ingress."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from draas.client.settings import save_config
from draas.model.job import SAMPLE_IMAGE
from draas.testing.controller_process import ControllerProcess
from draas.testing.lab import Lab
from draas.testing.load import Load, Target
from draas.testing.waiting import PATIENCE_S, wait_for

PORT = 8000
INGRESS_PORT = 80
# Says which replica it is and which version. TERM ends it at once, whatever it serves: only draining keeps its requests.
SERVE = "mkdir -p /www && echo $DRAAS_ALLOCATION_ID $VERSION > /www/index.html && exec httpd -f -p 8000 -h /www"


def app_body(version: str = "1", *, replicas: int = 2, **fields: Any) -> dict[str, Any]:
    """An app as the API takes it: a small web server that names its replica and `version`."""
    deploy = {"healthy_after_s": 1, "deadline_s": 20, "drain_s": 10, **fields.pop("deploy", {})}
    env = {"VERSION": version, **fields.pop("env", {})}
    return {
        "image": SAMPLE_IMAGE,
        "command": SERVE,
        "port": PORT,
        "replicas": replicas,
        "resources": {"cpu_cores": 0.1, "memory_mb": 32},
        "env": env,
        "deploy": deploy,
        **fields,
    }


class AppLab:
    """The verbs of a test about apps."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @property
    def controller(self) -> ControllerProcess:
        return self.lab.controller

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The API's answer. Raises DraasError."""
        return self.controller.call(lambda client: client.transport.call(method, path, body))

    def put(self, name: str, body: dict[str, Any]) -> Any:
        """Say how the app should be."""
        return self.call("PUT", f"/api/apps/{name}", body)

    def deploy(self, name: str, body: dict[str, Any], timeout_s: float = PATIENCE_S) -> Any:
        """The same, and wait until it is so."""
        release = self.put(name, body)
        wanted = max(one["number"] for one in self.releases(name))
        assert release["name"] == name
        return self.wait(
            name, lambda app: app["state"] == "live" and app["release"] == wanted, f"release {wanted} live", timeout_s
        )

    def app(self, name: str) -> Any:
        return self.call("GET", f"/api/apps/{name}")

    def releases(self, name: str) -> Any:
        return self.call("GET", f"/api/apps/{name}/releases")["items"]

    def wait(self, name: str, accept: Any, what: str, timeout_s: float = PATIENCE_S) -> Any:
        """The app once it is as `accept` wants it."""
        return wait_for(lambda: self.app(name), accept, f"{name}: {what}", timeout_s)

    def wait_live(self, name: str, replicas: int | None = None, timeout_s: float = PATIENCE_S) -> Any:
        """The app once it is live, with so many replicas and none on its way out."""
        return self.wait(
            name,
            lambda app: app["state"] == "live" and (replicas is None or len(app["replicas"]) == replicas),
            "live",
            timeout_s,
        )

    def remove(self, name: str, timeout_s: float = PATIENCE_S) -> None:
        """Remove it, and wait until nothing of it is left."""
        self.call("DELETE", f"/api/apps/{name}")
        wait_for(
            lambda: [app["name"] for app in self.call("GET", "/api/apps")["items"]],
            lambda names: name not in names,
            f"{name} is gone",
            timeout_s,
        )

    def remove_all(self) -> None:
        """Remove every app."""
        names = [app["name"] for app in self.call("GET", "/api/apps")["items"]]
        for name in names:
            self.call("DELETE", f"/api/apps/{name}")
        wait_for(lambda: self.call("GET", "/api/apps")["items"], lambda items: items == [], "every app is gone")

    def target(self, name: str, ingress: str = "m1", **how: Any) -> Target:
        """Where requests for the app go: the ingress on this machine."""
        address = self.lab.agent(ingress).machine.address
        return Target(address=address, port=INGRESS_PORT, host=f"{name}.localhost", **how)

    async def get(self, name: str, ingress: str = "m1", **headers: str) -> tuple[int, str]:
        """One request through the ingress: status and body."""
        target = self.target(name, ingress)
        reader, writer = await asyncio.open_connection(target.address, target.port)
        lines = [f"GET / HTTP/1.1\r\nHost: {target.host}\r\nConnection: close\r\n"]
        lines += [f"{header.replace('_', '-')}: {value}\r\n" for header, value in headers.items()]
        writer.write(("".join(lines) + "\r\n").encode())
        async with asyncio.timeout(40):
            answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode(errors="replace")

    def fetch(self, name: str, ingress: str = "m1", **headers: str) -> tuple[int, str]:
        """The same where there is no event loop."""
        return asyncio.run(self.get(name, ingress, **headers))

    def wait_served(self, name: str, wanted: str, ingress: str = "m1", timeout_s: float = PATIENCE_S) -> None:
        """Wait until the ingress answers with 200 and `wanted` in the body."""

        def look() -> tuple[int, str]:
            try:
                return self.fetch(name, ingress)
            except (OSError, IndexError, TimeoutError) as error:
                return 0, str(error)

        wait_for(look, lambda seen: seen[0] == 200 and wanted in seen[1], f"{name} serves {wanted!r}", timeout_s)

    @asynccontextmanager
    async def load(self, name: str, rate: float = 100.0, ingresses: Sequence[str] = ("m1",)) -> AsyncIterator[Load]:
        """Requests at a steady rate while the block runs; afterwards all are accounted for."""
        async with Load(self.target(name, ingresses[0]), rate=rate) as load:
            yield load

    async def aside(self, work: Any, *words: Any) -> Any:
        """A blocking verb beside the load."""
        return await asyncio.to_thread(work, *words)

    def draas(self, *words: str) -> str:
        """What the command line says, with the admin's settings. Raises RuntimeError where it fails."""
        home = self.controller.folder.parent / "command-line"
        save_config(home / "draas" / "config.toml", self.controller.settings)
        environment = {"XDG_CONFIG_HOME": str(home), "PATH": os.defpath}
        done = subprocess.run(
            [sys.executable, "-m", "draas", *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S * 2,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"draas {' '.join(words)} gave {done.returncode}: {done.stdout}")
        return done.stdout

    def containers(self, name: str) -> list[str]:
        """All containers of the app on all machines that are on."""
        return [
            line
            for agent in self.lab.agents
            if agent.machine.is_on
            for line in agent.machine.docker("ps", "-aq", "--filter", f"label=draas.app={name}").split()
        ]

    def kill_replica(self, name: str) -> str:
        """SIGKILL the container of one replica; its id."""
        replica = self.app(name)["replicas"][0]
        machine = self.lab.agent(replica["node"]).machine
        machine.docker("kill", f"draas-{replica['id']}")
        return str(replica["id"])
