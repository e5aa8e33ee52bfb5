"""1,000 simulated agents over real WebSockets and 20,000 jobs: how many a second are placed and acknowledged, all durable, and how
long other API calls take meanwhile. `python bench/fleet.py [AGENTS [JOBS [RATE]]]`.

With RATE jobs are submitted at that many a second, which shows how long calls take below saturation; without it as fast as they are taken.

The controller is `draas server` in a process of its own. A second process has all agents: they speak the real protocol and say at once
that what they were given runs. The floor, in the same run: the same frames over the same WebSockets from a server that does nothing else,
and the same rows into SQLite (WAL, FULL) in commits of 512.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
import uvloop

from draas.lib import clock
from draas.model.allocation import AllocationId, AllocationState, Desired, Observed
from draas.model.job import JobId, ProjectName, RuntimeName
from draas.model.node import Facts, Load, RuntimeInfo
from draas.model.resources import MIB, Resources
from draas.wire import link as wire

KEY = "bench-admin-key-0123456789"
BATCH = 200  # jobs a request; larger ones make the others wait longer
PACED_BATCH = 50
SUBMITTING = 2  # requests under way
CONNECTING = 50  # agents that connect at the same time
PROBE_EVERY_S = 0.05
JOB = {
    "name": "resize", "command": "python -c 'print(1)'", "resources": {"cpu_cores": 1, "memory_mb": 64},
    "labels": {"team": "bench"}, "constraints": ["node.arch == amd64"],
}  # fmt: skip
FACTS = Facts(
    capacity=Resources(cpu_millis=64_000, memory_bytes=64 * 1024 * MIB),
    runtimes=(RuntimeInfo(name=RuntimeName.DOCKER, available=True),),
)


# --- the agents' process ---


class Agents:
    """All simulated agents. `running` counts what they have reported."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._welcomed = 0
        self.running = 0

    async def run(self, keys: list[str]) -> None:
        """Connect all, tell stdout when they are, and from then on how many jobs run."""
        room = asyncio.Semaphore(CONNECTING)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            agents = [asyncio.ensure_future(self._agent(session, key, room)) for key in keys]
            told, ready = -1, False
            while True:
                await asyncio.sleep(0.01)
                if any(agent.done() for agent in agents):
                    raise SystemExit("an agent's link was closed")
                if not ready and self._welcomed == len(keys):
                    ready = True
                    print("ready", flush=True)
                if ready and self.running != told:
                    told = self.running
                    print(told, flush=True)

    async def _agent(self, session: aiohttp.ClientSession, key: str, room: asyncio.Semaphore) -> None:
        async with room:
            socket = await session.ws_connect(
                self._url + wire.PATH, headers={"Authorization": f"Bearer {key}"}, compress=0, max_msg_size=0
            )
            hello = wire.Hello(version=wire.VERSION, name="x", facts=FACTS, sent_at=clock.now(), have={})
            await socket.send_bytes(wire.encode([hello]))
            welcome = wire.decode_from_controller((await socket.receive()).data)[0]
        assert isinstance(welcome, wire.Welcome)
        self._welcomed += 1
        beating = asyncio.ensure_future(self._beat(socket, welcome.heartbeat_s))
        try:
            async for frame in socket:
                for message in wire.decode_from_controller(frame.data):
                    if isinstance(message, wire.Assign) and message.put:
                        await self._report(socket, message)
        finally:
            beating.cancel()

    async def _report(self, socket: aiohttp.ClientWebSocketResponse, assign: wire.Assign) -> None:
        seen = Observed(state=AllocationState.RUNNING, started_at=clock.now())
        await socket.send_bytes(wire.encode([wire.Report(observed={one.id: seen for one in assign.put})]))
        self.running += len(assign.put)

    async def _beat(self, socket: aiohttp.ClientWebSocketResponse, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await socket.send_bytes(wire.encode([wire.Heartbeat(mono=clock.monotonic(), load=Load(cpu_percent=5.0))]))


@contextlib.asynccontextmanager
async def agents(url: str, keys: list[str]) -> AsyncIterator[asyncio.StreamReader]:
    """The agents' process, once all are connected; what it prints from then on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "agents", url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(keys).encode() + b"\n")
        if await process.stdout.readline() != b"ready\n":
            raise SystemExit("the agents did not connect")
        yield process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def until_running(told: asyncio.StreamReader, count: int) -> None:
    """Read what the agents' process prints until `count` jobs run."""
    while line := await told.readline():
        if int(line) >= count:
            return
    raise SystemExit("the agents ended early")


# --- DRaaS ---


@dataclass(slots=True)
class Probe:
    """Latencies of API calls in ms."""

    get_ms: list[float] = field(default_factory=list)
    post_ms: list[float] = field(default_factory=list)

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Ask for ever."""
        await asyncio.gather(self._ask(session, self.get_ms, "GET", "/api/jobs?limit=50"), self._submit(session))

    async def _submit(self, session: aiohttp.ClientSession) -> None:
        await self._ask(session, self.post_ms, "POST", "/api/jobs", json=JOB)

    async def _ask(
        self, session: aiohttp.ClientSession, into: list[float], method: str, path: str, **more: Any
    ) -> None:
        while True:
            began = time.perf_counter()
            async with session.request(method, path, **more) as response:
                await response.read()
                response.raise_for_status()
            into.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(PROBE_EVERY_S)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def told(name: str, values: list[float]) -> str:
    return f"{name} p50 {percentile(values, 0.5):.0f} p99 {percentile(values, 0.99):.0f} max {max(values):.0f} ms ({len(values)})"


@contextlib.contextmanager
def controller(folder: Path, port: int) -> Any:
    """`draas server` in `folder`."""
    environ = os.environ | {
        "HOME": str(folder), "DRAAS_DATA_DIR": str(folder), "DRAAS_LISTEN": f"127.0.0.1:{port}", "DRAAS_ADMIN_KEY": KEY,
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "draas", "server"], env=environ, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def join_all(session: aiohttp.ClientSession, count: int) -> list[str]:
    """Keys of `count` new nodes, as `draas join` gets them."""
    keys = []
    for at in range(count):
        async with session.post("/api/join-tokens") as response:
            token = (await response.json())["token"]
        async with session.post("/api/join", json={"token": token, "name": f"n{at}"}) as response:
            response.raise_for_status()
            keys.append((await response.json())["key"])
    return keys


async def wait_ready(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get("/readyz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)


async def measure_draas(folder: Path, count: int, jobs: int, rate: float | None) -> float:
    """Jobs a second, from the first submission to the last agent's report and its being durable."""
    port = free_port()
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"http://127.0.0.1:{port}"
    with controller(folder, port) as process:
        async with aiohttp.ClientSession(url, headers=headers) as session:
            await wait_ready(session)
            began = time.perf_counter()
            keys = await join_all(session, count)
            joined_s = time.perf_counter() - began
            async with agents(url, keys) as reports:
                print(
                    f"{count} agents: joined in {joined_s:.1f} s, linked in {time.perf_counter() - began - joined_s:.1f} s"
                )
                await measure_idle(process.pid)
                probe = Probe()
                probing = asyncio.ensure_future(probe.run(session))
                running = asyncio.ensure_future(until_running(reports, jobs))
                profiling = profile(process.pid)
                cpu, began = cpu_s(process.pid), time.perf_counter()
                await (submit_paced(session, jobs, rate) if rate is not None else submit_all(session, jobs))
                submitted_s = time.perf_counter() - began
                await running
                took = time.perf_counter() - began
                await until_durable(session, jobs)
                known_s, cpu = time.perf_counter() - began, cpu_s(process.pid) - cpu
                probing.cancel()
                profiling()
                print(
                    f"{jobs} jobs: submitted in {submitted_s:.1f} s, running everywhere after {took:.1f} s, known after {known_s:.1f} s"
                )
                print(f"controller CPU {cpu / known_s * 100:.0f} %, {cpu / jobs * 1e6:.0f} us a job")
                print(
                    f"meanwhile: {told('GET /api/jobs?limit=50', probe.get_ms)}; {told('POST /api/jobs', probe.post_ms)}"
                )
                return jobs / known_s


def profile(pid: int) -> Callable[[], None]:
    """With PROFILE=file, py-spy (to be installed beforehand) writes there where the controller's time went."""
    if (into := os.environ.get("PROFILE")) is None:
        return lambda: None
    spying = subprocess.Popen(["py-spy", "record", "--gil", "-p", str(pid), "-r", "200", "-f", "raw", "-o", into])

    def stop() -> None:
        spying.send_signal(signal.SIGINT)
        spying.wait(30)

    return stop


async def submit(session: aiohttp.ClientSession, count: int) -> None:
    async with session.post("/api/jobs/batch", json={"jobs": [JOB] * count}) as response:
        response.raise_for_status()


async def submit_all(session: aiohttp.ClientSession, jobs: int) -> None:
    """As fast as they are taken, SUBMITTING requests at a time."""
    batches = iter(range(jobs // BATCH))

    async def one_after_another() -> None:
        for _ in batches:
            await submit(session, BATCH)

    await asyncio.gather(*(one_after_another() for _ in range(SUBMITTING)))


async def submit_paced(session: aiohttp.ClientSession, jobs: int, rate: float) -> None:
    """`rate` jobs a second, whether the ones before are answered or not."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as requests:
        for number in range(jobs // PACED_BATCH):
            await asyncio.sleep(max(0.0, began + number * PACED_BATCH / rate - time.perf_counter()))
            requests.create_task(submit(session, PACED_BATCH))


async def until_durable(session: aiohttp.ClientSession, jobs: int) -> None:
    """Ask until the controller knows of `jobs` running ones."""
    known = 0
    while known < jobs:
        async with session.get("/api/jobs?state=running&limit=1") as response:
            known = int((await response.json())["total"])


async def measure_idle(pid: int) -> None:
    before = cpu_s(pid)
    await asyncio.sleep(5)
    print(f"controller idle with all agents linked: {(cpu_s(pid) - before) / 5 * 100:.1f} % CPU")


def cpu_s(pid: int) -> float:
    """CPU seconds that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- the floor ---


def assignment(number: int) -> wire.Assignment:
    return wire.Assignment(
        id=AllocationId(f"j-{number:020d}.1"),
        job_id=JobId(f"j-{number:020d}"),
        project=ProjectName("default"),
        number=1,
        name="resize",
        runtime=RuntimeName.DOCKER,
        image=None,
        command="python -c 'print(1)'",
        env={},
        resources=Resources(cpu_millis=1000, memory_bytes=64 * MIB),
        timeout_s=None,
        exclusive=False,
        desired=Desired.RUN,
        log_cap_bytes=100_000_000,
    )


async def floor_links(count: int, jobs: int) -> float:
    """Jobs a second over `count` WebSockets of a server that sends each its jobs, four a frame, and reads what comes back."""
    each, all_in, waiting, done, reported = jobs // count, asyncio.Event(), asyncio.Event(), asyncio.Event(), 0
    here = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal reported, here
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        welcome = wire.Welcome(node_id="n", epoch=1, heartbeat_s=1000.0, lease_s=30.0, log_ends={})  # type: ignore[arg-type]
        await send({"type": "websocket.send", "bytes": wire.encode([welcome])})
        here += 1
        if here == count:
            all_in.set()
        await waiting.wait()
        for first in range(0, each, 4):
            put = [assignment(at) for at in range(first, min(first + 4, each))]
            await send({"type": "websocket.send", "bytes": wire.encode([wire.Assign(epoch=1, generation=1, put=put)])})
            message = await receive()
            for report in wire.decode_from_agent(message["bytes"]):
                reported += len(report.observed) if isinstance(report, wire.Report) else 0
        if reported >= each * count:
            done.set()
        await receive()  # until the agents go

    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            app, port=port, log_level="error", lifespan="off", ws="websockets-sansio", ws_per_message_deflate=False,
            ws_ping_interval=None,
        )
    )  # fmt: skip
    serving = asyncio.ensure_future(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    async with agents(f"http://127.0.0.1:{port}", ["x"] * count):
        await all_in.wait()
        began = time.perf_counter()
        waiting.set()
        await done.wait()
        took = time.perf_counter() - began
    server.should_exit = server.force_exit = True
    await serving
    return jobs / took


def floor_rows(folder: Path, jobs: int) -> float:
    """Jobs a second into SQLite: each written three times (queued, assigned, running), 512 a commit."""
    database = sqlite3.connect(folder / "floor.db", isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE j (id TEXT PRIMARY KEY, s TEXT, d BLOB)"
    )
    body = os.urandom(600)
    began = time.perf_counter()
    for state in ("queued", "assigned", "running"):
        for first in range(0, jobs, 512):
            rows = [(f"j-{at:020d}", state, body) for at in range(first, min(first + 512, jobs))]
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO j VALUES (?,?,?) ON CONFLICT (id) DO UPDATE SET s=excluded.s, d=excluded.d", rows
            )
            database.execute("COMMIT")
    took = time.perf_counter() - began
    database.close()
    return jobs / took


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


async def main(count: int, jobs: int, offered: float | None = None) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="draas-bench-") as name:
        folder = Path(name)
        rate = await measure_draas(folder, count, jobs, offered)
        links, rows = await floor_links(count, jobs), await asyncio.to_thread(floor_rows, folder, jobs)
    floor = 1 / (1 / links + 1 / rows)
    print(
        f"draas {rate:.0f} jobs/s; floor {floor:.0f} (bare WebSockets {links:.0f}, bare SQLite {rows:.0f}); ratio {rate / floor:.2f}"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["agents"]:
        uvloop.run(Agents(sys.argv[2]).run(json.loads(sys.stdin.readline())))
    else:
        numbers = [int(text) for text in sys.argv[1:4]]
        uvloop.run(main(*(numbers + [1_000, 20_000][len(numbers) :])))
