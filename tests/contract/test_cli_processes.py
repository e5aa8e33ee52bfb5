"""The command line as processes: signals, closed pipes, and `up` for real, with host jobs, from its start to nothing left."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from cli_world import bare_environment, environment, first_job, for_process

from draas.client.api import Client
from draas.testing.api import Served, make_node, serve_api


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_api() as started:
        yield started


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with Client(served.settings()) as opened:
        yield opened


async def start(served: Served, tmp_path: Path, *words: str) -> asyncio.subprocess.Process:
    given = for_process(environment(served, tmp_path))
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "draas", *words, stdout=pipe, stderr=pipe, env=given
    )  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_ctrl_c_cancels_the_job(served: Served, client: Client, tmp_path: Path, number: int, code: int) -> None:
    process = await start(served, tmp_path, "run", "sleep 100")
    async with asyncio.timeout(30):
        id = await first_job(served)
        attempt = await served.controller.start(id, make_node())
        await served.controller.logs.write(attempt, b"begun\n")
        assert process.stdout is not None
        assert await process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        out, err = await process.communicate()
    assert (out, err, process.returncode) == (b"", b"", code)
    assert (await client.job(id))["state"] == "cancelled"


async def test_who_stops_reading_stops_the_job(served: Served, client: Client, tmp_path: Path) -> None:
    process = await start(served, tmp_path, "run", "yes")
    async with asyncio.timeout(30):
        id = await first_job(served)
        attempt = await served.controller.start(id, make_node())
        await served.controller.logs.write(attempt, b"y\n")
        assert process.stdout is not None
        await process.stdout.readline()
        process.stdout._transport.close()
        while (await client.job(id))["state"] != "cancelled":
            await served.controller.logs.write(attempt, b"y\n" * 1000)
            await asyncio.sleep(0.05)
        assert process.stderr is not None
        err = await process.stderr.read()
        assert (await process.wait(), err) == (141, b"")


# --- up ---


class Up:
    """`draas up` as a process: lines of its output can be waited for."""

    def __init__(self, tmp_path: Path, *words: str, **more: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        where = {"DRAAS_LISTEN": f"127.0.0.1:{self.port}", "DOCKER_HOST": f"unix://{tmp_path}/no-engine"}
        self.environment = for_process({**bare_environment(tmp_path), **where, **more})
        self.command = [sys.executable, "-m", "draas", "up", *words]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )
        self.said: list[str] = []
        self._more = threading.Condition()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self.said.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._more.notify_all()

    def wait_for(self, pattern: str, timeout_s: float = 60.0) -> str:
        """The first line that matches. Raises AssertionError with all that was said."""

        def found() -> bool:
            return any(re.search(pattern, line) for line in self.said) or not self._reading.is_alive()

        with self._more:
            self._more.wait_for(found, timeout_s)
            line = next((line for line in self.said if re.search(pattern, line)), None)
        assert line is not None, f"never said {pattern!r}: {self.said}"
        return line

    def draas(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Another command of the same user."""
        command = [sys.executable, "-m", "draas", *words]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=60, check=False)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reading.join(10)
        return code


def processes_of(folder: Path) -> list[str]:
    """The command lines of living processes that were started with this folder as their data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in (*process.environ().values(), *process.cmdline()) and process.status() != "zombie":
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    started = Up(tmp_path, "--name", "here")
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.wait()


def test_up_without_an_engine_runs_host_jobs_and_leaves_nothing_behind(up: Up, tmp_path: Path) -> None:
    assert "no-engine" in up.wait_for("host jobs only")
    up.wait_for("Admin key, shown this once: draas_")
    assert "runs host jobs" in up.wait_for("^Node here is ready")
    assert sum("host jobs only" in line for line in up.said) == 1, up.said

    link = up.draas("dashboard")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/sign-in#token=k-\w+\.link_\w+\n", link.stdout), (
        link.stdout,
        link.stderr,
    )
    ran = up.draas("run", "--", "echo out; echo err >&2; exit 3")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("out\n", "err\n", 3)
    assert "here" in up.draas("jobs").stdout

    second = subprocess.run(up.command, capture_output=True, text=True, env=up.environment, timeout=60, check=False)
    assert second.returncode == 0
    assert second.stdout.startswith(f"DRaaS runs already at http://127.0.0.1:{up.port}")
    assert second.stdout.count("\n") == 1

    beside = up.draas("server", "--listen", "127.0.0.1:0")
    assert (beside.returncode, beside.stderr.count("\n")) == (1, 1), beside
    assert f"another controller (process {up.process.pid}) uses" in beside.stderr

    assert up.end() == 0
    assert up.said[-1] == "draas: controller and agent stopped"
    assert not any("Traceback" in line for line in up.said), up.said
    wait_until_gone(tmp_path / "data")


def wait_until_gone(folder: Path) -> None:
    """Until no process of this data folder lives. Raises AssertionError naming those that do."""
    gone = threading.Event()
    for _ in range(200):
        if not processes_of(folder):
            return
        gone.wait(0.1)
    raise AssertionError(f"still there: {processes_of(folder)}")


def test_killed_it_takes_its_agent_along(up: Up, tmp_path: Path) -> None:
    up.wait_for("^Node here is ready")
    up.process.kill()
    up.process.wait()
    wait_until_gone(tmp_path / "data")


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = Up(tmp_path, "--listen", address)
        assert refused.process.wait(60) == 1
        refused.wait_for(f"^draas: cannot listen on {address}: Address already in use; choose another with --listen$")


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (("join", "http://127.0.0.1:9", "join_x"), "draas: nothing listens at http://127.0.0.1:9", 3),
        (("join", "127.0.0.1:8000", "join_x"), "draas join: the controller's URL: '127.0.0.1:8000' must be http", 2),
        (("agent",), "draas agent: DRAAS_URL is not set", 2),
        (("agent", "--url", "http://127.0.0.1:9"), "draas: this machine has not joined yet: give a join token", 2),
        (("agent", "--url", "http://x", "--cpus", "many"), "draas agent: --cpus must be a number, not 'many'", 2),
        (
            ("agent", "--url", "http://x", "--port", "0"),
            "draas agent: AGENT_PORT (--port) must be PORT or HOST:PORT",
            2,
        ),
        (("join", "http://x", "t", "--port", "a:b"), "draas join: AGENT_PORT (--port) must be PORT or HOST:PORT", 2),
        (("agent", "--url", "http://x", "--role", "boss"), "draas agent: --role 'boss' is not known", 2),
        (("server", "--listen", "8000"), "draas server: the address to listen on must be HOST:PORT", 2),
        (("server", "--data-dir", "/proc/no"), "draas: the data folder cannot be used (/proc/no", 2),
        (("server", "--config", "/no/such"), "draas server: /no/such cannot be read", 2),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, words: tuple[str, ...], told: str, code: int) -> None:
    given = for_process(bare_environment(tmp_path))
    command = [sys.executable, "-m", "draas", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=given, timeout=60, check=False)
    assert done.stderr.startswith(told), done
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (code, 1, "")
