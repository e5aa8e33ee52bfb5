"""A container's output from the engine's own file and through its API: the same bytes, on a real engine."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from draas.agent.runtimes.docker import output
from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.container_body import container_name
from draas.agent.runtimes.docker.log_entries import DAMAGE_NOTICE
from draas.agent.runtimes.docker.log_file import open_log
from draas.agent.runtimes.docker.runtime import DockerRuntime
from draas.agent.runtimes.docker.sample_image import DEFAULT_SAMPLE_IMAGE
from draas.lib import ids
from draas.model.allocation import AllocationId, Desired
from draas.model.job import DEFAULT_PROJECT, JobId, RuntimeName
from draas.model.resources import MIB, Resources
from draas.testing.engine import PrivateEngine
from draas.wire.link import Assignment
from draas.wire.records import Record, Stream, unpack

COMMANDS = {
    "lines": "seq 1 30000",
    "empty lines": "i=0; while [ $i -lt 500 ]; do echo; echo $i; i=$((i+1)); done",
    "both streams": "i=0; while [ $i -lt 500 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done",
    "no newline at the end": "printf 'one\\ntwo'",
    "ten megabytes without a newline": "head -c 10000000 /dev/zero | tr '\\0' x; echo; echo after; head -c 40000 /dev/zero",
    "binary": "head -c 300000 /dev/urandom",
    "nothing": "true",
}


@pytest.fixture
async def runtime(docker_engine: PrivateEngine) -> AsyncIterator[DockerRuntime]:
    made = DockerRuntime(owner="n-output", default_image=DEFAULT_SAMPLE_IMAGE, url=docker_engine.url)
    yield made
    for found in await made.found():
        await made.remove(found.id)
    await made.close()


def assignment(command: str, **more: Any) -> Assignment:
    given: dict[str, Any] = {
        "id": AllocationId(ids.new("a")),
        "job_id": JobId("j-1"),
        "project": DEFAULT_PROJECT,
        "number": 1,
        "name": "test",
        "runtime": RuntimeName.DOCKER,
        "image": None,
        "command": command,
        "env": {},
        "resources": Resources(memory_bytes=64 * MIB),
        "timeout_s": None,
        "exclusive": False,
        "desired": Desired.RUN,
        "log_cap_bytes": 100_000_000,
    }
    return Assignment(**{**given, **more})


async def read(runtime: DockerRuntime, id: AllocationId, offset: int = 0) -> list[Record]:
    async with asyncio.timeout(60):
        return [record async for item in runtime.output(id, offset) for record in unpack(item)]


def by_stream(records: list[Record]) -> dict[int, bytes]:
    return {stream: b"".join(record.data for record in records if record.stream == stream) for stream in Stream}


def whole(records: list[Record]) -> bytes:
    return b"".join(record.data for record in records)


@contextlib.contextmanager
def only(monkeypatch: pytest.MonkeyPatch, way: str) -> Any:
    """Within the block output is read in this way, "file" or "engine", or the test fails."""

    async def never(*_: Any) -> AsyncIterator[bytes]:
        raise AssertionError(f"output was not read by way of the {way}")
        yield b""

    with monkeypatch.context() as patch:
        if way == "file":
            patch.setattr(output, "_follow_engine", never)
        else:
            patch.setattr(output, "open_log", lambda root, id: None)
        yield


@pytest.mark.parametrize("kind", COMMANDS)
async def test_both_ways_give_the_same_bytes(
    runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    wanted = assignment(COMMANDS[kind])
    await runtime.start(wanted)
    with only(monkeypatch, "file"):
        live = await read(runtime, wanted.id)
        file = await read(runtime, wanted.id)
    with only(monkeypatch, "engine"):
        engine = await read(runtime, wanted.id)
    assert whole(live) == whole(file) == whole(engine)
    assert by_stream(live) == by_stream(file) == by_stream(engine)
    middle = len(whole(file)) // 2
    for way in ("file", "engine"):
        with only(monkeypatch, way):
            assert whole(await read(runtime, wanted.id, middle)) == whole(file)[middle:]


async def test_a_job_goes_on_when_the_way_changes(runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = assignment("i=0; while [ $i -lt 40 ]; do seq $i 1000; i=$((i+1)); usleep 50000; done")
    await runtime.start(wanted)
    got: list[Record] = []
    for way in ("engine", "file", "engine", "file"):
        with only(monkeypatch, way):
            async for item in runtime.output(wanted.id, len(whole(got))):
                got += unpack(item)
                if way != "file" or len(whole(got)) < 50_000:
                    break
    got += await read(runtime, wanted.id, len(whole(got)))
    assert whole(got) == b"".join(b"%d\n" % n for start in range(40) for n in range(start, 1001))


async def test_the_last_lines_of_short_jobs_are_there(runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    with only(monkeypatch, "file"):
        wanted = [assignment(f"seq 1 3000; echo {n}") for n in range(12)]
        await asyncio.gather(*(runtime.start(one) for one in wanted[:6]))
        found = await asyncio.gather(*(read(runtime, one.id) for one in wanted[:6]))
        for one in wanted[6:]:
            await runtime.start(one)
            found.append(await read(runtime, one.id))
    for n, records in enumerate(found):
        assert whole(records) == b"".join(b"%d\n" % line for line in range(1, 3001)) + b"%d\n" % n


async def test_an_entry_torn_by_a_killed_engine_is_told(runtime: DockerRuntime, docker_engine: PrivateEngine) -> None:
    wanted = assignment("echo before; while [ ! -e /tmp/go ]; do usleep 20000; done; echo after; echo last")
    await runtime.start(wanted)
    reader = runtime.output(wanted.id, 0)
    got = [record.data for record in unpack(await anext(reader))]
    info = await runtime.api.call("GET", f"containers/{container_name(wanted.id)}/json")
    root = Path((await runtime.api.call("GET", "info"))["DockerRootDir"])
    file = root / "containers" / info["Id"] / "local-logs" / "container.log"
    with file.open("ab") as log:
        log.write(file.read_bytes()[:21])
    await run_in(runtime.api, info["Id"], "touch /tmp/go")
    got += [record.data async for item in reader for record in unpack(item)]
    assert b"".join(got) == b"before\n" + DAMAGE_NOTICE + b"after\nlast\n"
    assert whole(await read(runtime, wanted.id)) == b"".join(got)
    assert whole(await read(runtime, wanted.id, 9)) == b"".join(got)[9:]


async def run_in(api: EngineApi, container: str, command: str) -> None:
    words = {"Cmd": ["sh", "-c", command]}
    made = await api.call("POST", f"containers/{container}/exec", body=words)
    await api.call("POST", f"exec/{made['Id']}/start", body={"Detach": True})


async def test_a_file_that_the_engine_begins_anew_is_read_on(runtime: DockerRuntime) -> None:
    command = "seq 1 100; while [ ! -e /tmp/go ]; do usleep 20000; done; seq 101 200"
    wanted = assignment(command)
    await runtime.start(wanted)
    reader = runtime.output(wanted.id, 0)
    got = b""
    while not got.endswith(b"\n100\n"):
        got += whole([*unpack(await anext(reader))])
    info = await runtime.api.call("GET", f"containers/{container_name(wanted.id)}/json")
    root = Path((await runtime.api.call("GET", "info"))["DockerRootDir"])
    os.truncate(root / "containers" / info["Id"] / "local-logs" / "container.log", 0)
    rest = asyncio.ensure_future(anext(reader))
    await run_in(runtime.api, info["Id"], "touch /tmp/go")
    got += whole([*unpack(await rest)])
    async for item in reader:
        got += whole([*unpack(item)])
    assert got == b"".join(b"%d\n" % n for n in range(1, 201))


# --- opening it ---

ID = "0123456789abcdef" * 4


def make_log(root: Path) -> Path:
    folder = root / "containers" / ID / "local-logs"
    folder.mkdir(parents=True)
    (folder / "container.log").write_bytes(b"x")
    return folder


def opens(root: Path, id: str = ID) -> bool:
    file = open_log(str(root), id)
    if file is not None:
        os.close(file)
    return file is not None


def test_only_the_file_of_a_container_is_opened(tmp_path: Path) -> None:
    folder = make_log(tmp_path)
    assert opens(tmp_path)
    assert not opens(tmp_path, ID[:-1] + "e")  # another container
    assert not opens(tmp_path, f"../containers/{ID}")
    assert open_log("", ID) is None
    assert open_log("relative", ID) is None
    (folder / "container.log").unlink()
    assert not opens(tmp_path)
    os.mkfifo(folder / "container.log")
    assert not opens(tmp_path)


@pytest.mark.parametrize("part", ["containers", ID, "local-logs", "container.log"])
def test_links_are_not_followed(tmp_path: Path, part: str) -> None:
    (tmp_path / "engine").mkdir()
    folder = make_log(tmp_path / "engine")
    for place in (folder / "container.log", folder, folder.parent, folder.parent.parent):
        if place.name == part:
            place.rename(tmp_path / "elsewhere")
            place.symlink_to(tmp_path / "elsewhere")
    assert not opens(tmp_path / "engine")
