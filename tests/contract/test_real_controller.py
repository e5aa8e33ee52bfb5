"""A controller and an agent as programs: the examples of docs/how-to/curl.md run as they stand, and no secret is left lying about."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from draas.agent.observe.figures import Figures
from draas.agent.shell.health_page import health_page
from draas.client.api import Client
from draas.client.settings import Settings
from draas.model.errors import Forbidden, Invalid, NotFound
from draas.testing.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
ADMIN = "admin-key-for-this-test-0123456789"
DRAAS = (sys.executable, "-m", "draas")


@dataclass(frozen=True, slots=True)
class Programs:
    url: str
    folder: Path  # the controller's data and log; the agent's are elsewhere
    agent_folder: Path
    token: str
    port: int  # the agent's own

    def environ(self) -> dict[str, str]:
        return clean_environ(self.folder) | {"DRAAS_URL": self.url, "DRAAS_KEY": ADMIN}


def clean_environ(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAAS_")}
    return kept | {"HOME": str(home), "DRAAS_ADMIN_KEY": ADMIN, "DRAAS_LOG_LEVEL": "debug"}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    folder, agent_folder = tmp_path_factory.mktemp("controller"), tmp_path_factory.mktemp("agent")
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as another:
        address = f"127.0.0.1:{free.getsockname()[1]}"
        port = another.getsockname()[1]
    url, started = f"http://{address}", []
    try:
        started.append(start(folder, "server", "--listen", address, "--data-dir", str(folder)))
        environ = clean_environ(folder) | {"DRAAS_URL": url, "DRAAS_KEY": ADMIN}
        wait_until_said(folder / "log", "DRaaS controller at", started)
        made = subprocess.run(
            (*DRAAS, "nodes", "token", "--json"), env=environ, capture_output=True, text=True, timeout=30, check=True
        )
        token = re.search(r'"token": ?"([^"]+)"', made.stdout)
        assert token is not None, made.stdout
        join = ("join", url, token[1], "--allow-host-jobs=plain", "--data-dir", str(agent_folder), "--port", str(port))
        started.append(start(agent_folder, *join))
        wait_until_said(agent_folder / "log", "linked", started)
        yield Programs(url, folder, agent_folder, token[1], port)
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen((*DRAAS, *arguments), env=clean_environ(folder), stdout=log, stderr=log)


def wait_until_said(log: Path, words: str, running: list[subprocess.Popen[bytes]]) -> None:
    """Wait until the log has `words`, or one of the programs has ended, which is a failure."""
    said = wait_for(log.read_text, lambda text: words in text or any(p.poll() is not None for p in running), words)
    assert words in said, said


def test_the_examples_of_curl_run_as_they_stand(programs: Programs) -> None:
    page = (ROOT / "docs" / "how-to" / "curl.md").read_text()
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 9
    # `set -u` finds an ID that was not there; `pipefail` a call that did not answer.
    script = "set -euo pipefail\n" + "\necho; echo ---\n".join(blocks)
    ran = subprocess.run(
        ("bash", "-c", script), env=programs.environ(), capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    first, taken, followed, parts, events, ended, batch, _, waits, wrong = ran.stdout.split("\n---\n")
    assert '"state":"queued"' in first
    assert taken.strip() == ""
    assert followed.strip() == "line 1\nline 2\nline 3"
    assert parts.strip() == "line 2\nline 3\nline 1\nline 3"
    assert re.findall(r'"text":"([^"]+)"', events) == ["line 3"]
    assert '"state":"succeeded"' in ended
    assert re.findall(r'"name":"([^"]+)"', batch) == ["fetch", "left", "right", "join"]
    assert "5000" in waits
    assert '"state":"cancelled"' in waits
    assert "did you mean command?" in wrong


async def test_a_key_of_a_project_sees_that_project_only(programs: Programs) -> None:
    async with Client(Settings(url=programs.url, key=ADMIN)) as admin:
        secret = (await admin.make_key("deployer", name="red", project="red"))["key"]
        theirs = await admin.submit({"command": "echo blue", "runtime": "host"}, project="blue")
        await admin.wait(theirs["id"])
        async with Client(Settings(url=programs.url, key=secret), patience_s=0) as red:
            mine = await red.submit({"command": "echo red", "runtime": "host"})
            await red.wait(mine["id"])
            assert [job["id"] for job in (await red.jobs())["items"]] == [mine["id"]]
            for call in (red.job, red.cancel, red.retry, red.delete, red.explain):
                with pytest.raises(NotFound, match=theirs["id"]):
                    await call(theirs["id"])
            with pytest.raises(NotFound):
                _ = [piece async for piece in red.logs(theirs["id"])]
            with pytest.raises(Invalid) as caught:
                await red.submit({"command": "x", "needs": [theirs["id"]]})
            with pytest.raises(Invalid) as unknown:
                await red.submit({"command": "x", "needs": ["j-nowhere"]})
            assert str(caught.value).replace(theirs["id"], "j-nowhere") == str(unknown.value)
            with pytest.raises(Forbidden):
                await red.jobs(project="blue")
            seen = set()
            async for event in red.events(since=0):
                seen.add((event["project"], event["subject"]))
                if event["kind"] == "job.succeeded":
                    break
            assert seen == {("red", mine["id"])}


async def test_no_secret_is_left_lying_about(programs: Programs) -> None:
    """Keys and tokens are nowhere in what the controller keeps, logs or tells; a node's own is with the node alone, for its owner to read."""
    async with Client(Settings(url=programs.url, key=ADMIN)) as admin:
        made = await admin.make_key("viewer", name="watch")
        token = (await admin.make_join_token())["token"]
        told = str(await admin.keys()) + str(await admin.nodes())
        async with Client(Settings(url=programs.url, key=made["key"] + "x"), patience_s=0) as wrong:
            with pytest.raises(Exception, match="wrong, expired or revoked"):
                await wrong.jobs()
    identity = next(programs.agent_folder.rglob("identity.json"))
    assert identity.stat().st_mode & 0o077 == 0
    node_key = re.search(r"node[-_][A-Za-z0-9_-]{16,}", identity.read_text())
    assert node_key is not None
    secrets = [ADMIN, made["key"], token, token.partition(".")[0], programs.token, node_key[0]]
    files = [path for path in programs.folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    for path in files:
        held = path.read_bytes()
        assert [secret for secret in secrets if secret.encode() in held] == [], path
    assert [secret for secret in secrets if secret in told] == []
    assert [secret for secret in secrets if secret in (programs.agent_folder / "log").read_text()] == []


async def test_secrets_of_builds_are_left_nowhere(programs: Programs) -> None:
    secret = "secret-of-a-build-0123456789"  # noqa: S105 - to be searched for
    body = {"name": "shop", "git": "https://example.org/shop.git", "secrets": {"npm": secret}}
    told = []
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with aiohttp.ClientSession(programs.url, headers=headers) as http:
        for wrong in ({}, {"folder": "../x"}, {"tags": [secret + " "]}, {"sources": secret}, {"secrets": [secret]}):
            key = {"Idempotency-Key": "wrong" if wrong else "once"}
            async with http.post("/api/builds", json={**body, **wrong}, headers=key) as answer:
                assert answer.status == (400 if wrong else 201)
                told.append(await answer.text())
        form = aiohttp.FormData()
        form.add_field("spec", json.dumps({"name": "shop", "secrets": {"npm": secret}}))
        form.add_field("source", b"pretends to be a tar", filename="shop.tar")
        async with http.post("/api/builds", data=form, headers={"Idempotency-Key": "twice"}) as answer:
            assert answer.status == 201, await answer.text()
            told.append(await answer.text())
        ids = [json.loads(told[0])["id"], json.loads(told[-1])["id"]]
        paths = [f"/api/builds/{id}{rest}" for id in ids for rest in ("", "/explain", "/logs")]
        for path in ("/api/builds", "/api/openapi.json", "/docs", "/metrics", "/api/nodes", *paths):
            async with http.get(path) as answer:
                assert answer.status == 200, (path, await answer.text())
                told.append(await answer.text())
        for id in ids:
            async with http.post(f"/api/builds/{id}/cancel", headers={"Idempotency-Key": id}) as answer:
                told.append(await answer.text())
        async with http.post("/api/builds", json=body, headers={"Idempotency-Key": "once"}) as answer:
            told.append(await answer.text())
            assert told[-1] == told[0]
    async with Client(Settings(url=programs.url, key=ADMIN)) as admin:
        async for event in admin.events(since=0):
            told.append(str(event))
            if event["kind"] == "build.cancelled" and event["subject"] == ids[1]:
                break
    assert [text for text in told if secret in text] == []
    for path in (path for path in programs.folder.rglob("*") if path.is_file()):
        assert secret.encode() not in path.read_bytes(), path


# --- the agent's own port ---


def ask_agent(programs: Programs, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{programs.port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def test_the_agent_tells_its_health_and_figures(programs: Programs) -> None:
    assert json.loads(ask_agent(programs, "/healthz")) == {"status": "ok", "linked": True}
    run = (*DRAAS, "run", "--host", "--quiet", "--", "echo", "one line")
    subprocess.run(run, env=programs.environ(), capture_output=True, timeout=60, check=True)
    figures = wait_for(
        lambda: ask_agent(programs, "/metrics"), lambda text: "log_shipped_bytes_total 0.0" not in text, "bytes shipped"
    )
    for line in ("draas_agent_linked 1.0", 'draas_agent_allocations{state="running"} 0.0', "draas_agent_cpu_cores "):
        assert line in figures
    assert float(re.findall(r"^draas_agent_disk_total_bytes (.+)$", figures, re.MULTILINE)[0]) > 0


def test_an_agents_port_that_is_in_use_is_one_line(programs: Programs, tmp_path: Path) -> None:
    words = ("agent", "--url", programs.url, "--token", programs.token, "--data-dir", str(tmp_path))
    environ = clean_environ(tmp_path) | {"AGENT_PORT": str(programs.port)}
    ended = subprocess.run((*DRAAS, *words), env=environ, capture_output=True, text=True, timeout=60, check=False)
    told = f"cannot serve health and metrics on 127.0.0.1:{programs.port}: Address already in use; choose another with AGENT_PORT or --port"
    assert (ended.returncode, ended.stderr.strip().splitlines()[-1:]) == (2, [f"draas: {told}"])
    assert not (tmp_path / "agent" / "identity.json").exists()  # told before the token is used


async def test_beyond_loopback_the_figures_need_their_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with health_page(("0.0.0.0", port), tmp_path, Figures), aiohttp.ClientSession() as http:
        key = (tmp_path / "metrics.key").read_text().strip()
        assert (tmp_path / "metrics.key").stat().st_mode & 0o777 == 0o600
        for path, given, status in (
            ("/healthz", None, 200),
            ("/metrics", None, 401),
            ("/metrics", "Bearer wrong", 401),
            ("/metrics", f"Basic {key}", 401),
            ("/metrics", f"Bearer {key}", 200),
            ("/", f"Bearer {key}", 404),
        ):
            headers = {"Authorization": given} if given is not None else {}
            async with http.get(f"http://127.0.0.1:{port}{path}", headers=headers) as answer:
                assert (path, given, answer.status) == (path, given, status)
    async with health_page(("0.0.0.0", port), tmp_path, Figures):
        assert (tmp_path / "metrics.key").read_text().strip() == key  # the same after a restart
