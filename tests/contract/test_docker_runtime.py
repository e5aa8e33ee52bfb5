"""DockerRuntime against a real engine: what it promises beyond the Runtime protocol."""

import asyncio
import contextlib
import itertools
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.container_body import container_name
from draas.agent.runtimes.docker.output import cut_notice
from draas.agent.runtimes.docker.runtime import DockerRuntime
from draas.agent.runtimes.docker.sample_image import DEFAULT_SAMPLE_IMAGE, load_sample_image, sample_archive
from draas.agent.runtimes.runtime import Exited, RuntimeFailure
from draas.model.allocation import AllocationId, Cause, Desired
from draas.model.job import DEFAULT_PROJECT, JobId, RuntimeName
from draas.model.resources import MIB, Resources
from draas.testing.engine import PrivateEngine
from draas.wire.link import Assignment
from draas.wire.records import Record, Stream, unpack

_numbers = itertools.count(1)
CAP = 100_000_000


def assignment(command: str | tuple[str, ...], **more: Any) -> Assignment:
    given: dict[str, Any] = {
        "id": AllocationId(f"a-{next(_numbers):04}"),
        "job_id": JobId("j-1"),
        "project": DEFAULT_PROJECT,
        "number": 1,
        "name": "test",
        "runtime": RuntimeName.DOCKER,
        "image": None,
        "command": command,
        "env": {},
        "resources": Resources(cpu_millis=1000, memory_bytes=64 * MIB),
        "timeout_s": None,
        "exclusive": False,
        "desired": Desired.RUN,
        "log_cap_bytes": CAP,
    }
    return Assignment(**{**given, **more})


def make_runtime(engine: PrivateEngine, **more: Any) -> DockerRuntime:
    return DockerRuntime(**{"owner": "n-test", "default_image": DEFAULT_SAMPLE_IMAGE, "url": engine.url, **more})


@pytest.fixture
async def runtime(docker_engine: PrivateEngine) -> AsyncIterator[DockerRuntime]:
    made = make_runtime(docker_engine)
    yield made
    for found in await made.found():
        await made.remove(found.id)
    await made.close()
    assert await leftovers(docker_engine) == []


async def leftovers(engine: PrivateEngine) -> list[str]:
    api = EngineApi(engine.url)
    listed = await api.call("GET", "containers/json", all=1)
    await api.close()
    return [item["Names"][0] for item in listed]


async def read(runtime: DockerRuntime, id: AllocationId, offset: int = 0) -> list[Record]:
    return [record async for item in runtime.output(id, offset) for record in unpack(item)]


async def run(runtime: DockerRuntime, wanted: Assignment) -> tuple[Exited, str]:
    """How it ended and all it wrote."""
    await runtime.prepare(wanted, lambda _: None)
    await runtime.start(wanted)
    records = await read(runtime, wanted.id)
    return await runtime.wait(wanted.id), b"".join(record.data for record in records).decode()


async def until(condition: Callable[[], Any], seen: Callable[[], Any], limit_s: float = 20.0) -> None:
    """Wait for `condition`; on time-out say what was seen last."""
    try:
        async with asyncio.timeout(limit_s):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {limit_s} s; last seen: {seen()!r}")


# --- running ---


async def test_streams_are_kept_apart_and_the_result_is_whole(runtime: DockerRuntime) -> None:
    wanted = assignment("echo a; echo b >&2; sleep 0.2; exit 3")
    started = await runtime.start(wanted)
    records = await read(runtime, wanted.id)
    ended = await runtime.wait(wanted.id)
    by_stream = {stream: b"".join(r.data for r in records if r.stream == stream) for stream in Stream}
    assert by_stream == {Stream.NOTICE: b"", Stream.STDOUT: b"a\n", Stream.STDERR: b"b\n"}
    assert (ended.exit_code, ended.oom, ended.started_at) == (3, False, started)
    assert 0.2 <= ended.finished_at - ended.started_at < 60
    assert ended.peak_memory_bytes is not None
    assert 100_000 < ended.peak_memory_bytes <= 64 * MIB
    assert ended.cpu_s is not None
    assert 0 < ended.cpu_s < 10
    assert all(abs(r.at_ms / 1000 - ended.started_at) < 60 for r in records)


async def test_a_list_runs_as_it_is_and_a_string_keeps_its_lines(runtime: DockerRuntime) -> None:
    assert (await run(runtime, assignment(("echo", "$HOME", "a  b"))))[1] == "$HOME a  b\n"
    assert (await run(runtime, assignment("for i in 1 2\ndo\n  echo $i\ndone\n")))[1] == "1\n2\n"


async def test_env_reaches_the_job_and_ours_wins(runtime: DockerRuntime) -> None:
    wanted = assignment("echo $A $DRAAS_JOB_ID", env={"A": "1=2", "DRAAS_JOB_ID": "forged"})
    assert (await run(runtime, wanted))[1] == "1=2 j-1\n"


async def test_a_signal_is_128_and_its_number(runtime: DockerRuntime) -> None:
    ended, _ = await run(runtime, assignment("kill -USR1 $$"))
    assert ended.exit_code == 138


async def test_a_command_that_is_not_there_is_127_and_says_so(runtime: DockerRuntime) -> None:
    ended, output = await run(runtime, assignment(("no-such-program", "x")))
    assert ended.exit_code == 127
    assert "no-such-program" in output


async def test_output_is_exact_again_and_from_any_offset(runtime: DockerRuntime) -> None:
    wanted = assignment("seq 1 20000; head -c 300000 /dev/zero; printf '\\377\\376end'")
    await runtime.start(wanted)
    whole = b"".join(r.data for r in await read(runtime, wanted.id))
    expected = b"".join(b"%d\n" % n for n in range(1, 20001)) + bytes(300000) + b"\xff\xfeend"
    assert whole == expected
    for offset in (0, 1, 65536, len(whole) - 1, len(whole)):
        assert b"".join(r.data for r in await read(runtime, wanted.id, offset)) == expected[offset:]


async def test_output_ends_with_one_notice_at_the_cap(runtime: DockerRuntime) -> None:
    wanted = assignment("seq 1 100000; sleep 60", log_cap_bytes=10_000)
    await runtime.start(wanted)
    records = await read(runtime, wanted.id)
    assert [r.data for r in records if r.stream == Stream.NOTICE] == [cut_notice(10_000)]
    assert sum(len(r.data) for r in records if r.stream == Stream.STDOUT) == 10_000
    again = await read(runtime, wanted.id, 10_003)
    assert [(r.stream, r.data) for r in again] == [(Stream.NOTICE, cut_notice(10_000)[3:])]
    assert await read(runtime, wanted.id, 10_000 + len(cut_notice(10_000))) == []


async def test_a_line_is_seen_while_the_job_runs(runtime: DockerRuntime) -> None:
    wanted = assignment("echo first; sleep 60")
    await runtime.start(wanted)
    async for item in runtime.output(wanted.id, 0):
        assert [record.data for record in unpack(item)] == [b"first\n"]
        break
    await runtime.stop(wanted.id, 0)


# --- limits and walls ---


async def test_a_memory_hog_is_killed_and_flagged(runtime: DockerRuntime) -> None:
    ended, _ = await run(
        runtime, assignment("tail /dev/zero", resources=Resources(cpu_millis=1000, memory_bytes=16 * MIB))
    )
    assert ended.exit_code != 0
    assert ended.oom
    assert ended.peak_memory_bytes is not None
    assert ended.peak_memory_bytes > 12 * MIB


async def test_cpu_is_capped(runtime: DockerRuntime) -> None:
    command = "timeout 2 sh -c 'while :; do :; done'"
    ended, _ = await run(runtime, assignment(command, resources=Resources(cpu_millis=200, memory_bytes=32 * MIB)))
    assert ended.cpu_s is not None
    assert ended.cpu_s <= 0.2 * (ended.finished_at - ended.started_at) + 0.3


async def test_walls_as_seen_from_inside(runtime: DockerRuntime, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the host")
    command = f"""grep -E 'NoNewPrivs|CapBnd|CapEff' /proc/self/status
cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null
ls {secret} /run/docker.sock /var/run/docker.sock 2>/dev/null
ls /proc | grep -c '^[0-9]'
for file in /etc/hosts /etc/resolv.conf /etc/hostname; do (echo x >>$file) 2>/dev/null && echo wrote $file; done
ip link add dummy0 type dummy 2>/dev/null && echo made a link
mount -t tmpfs none /tmp 2>/dev/null && echo mounted
grep -c . /etc/resolv.conf"""
    wanted = assignment(command)
    _, output = await run(runtime, wanted)
    lines = output.splitlines()
    # CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, KILL 5, SETGID 6, SETUID 7, NET_BIND_SERVICE 10
    assert lines[:2] == ["CapEff:\t00000000000004fb", "CapBnd:\t00000000000004fb"]
    assert lines[2:4] == ["NoNewPrivs:\t1", "1024"]
    assert int(lines[4]) < 10
    assert len(lines) == 6
    api = EngineApi(runtime.api.address)
    host = (await api.call("GET", f"containers/{container_name(wanted.id)}/json"))["HostConfig"]
    await api.close()
    assert (host["Privileged"], host["PidMode"], host["UTSMode"], host["IpcMode"]) == (False, "", "", "private")
    assert host["NetworkMode"].startswith("container:")


async def test_two_jobs_never_share_a_namespace_at_once(docker_engine: PrivateEngine) -> None:
    runtime = make_runtime(docker_engine, pool_size=2)
    wanted = [assignment("readlink /proc/self/ns/net; read x </dev/zero; sleep 60") for _ in range(3)]
    seen = []
    for each in wanted:
        await runtime.start(each)
        async for item in runtime.output(each.id, 0):
            seen.append(item[13:])
            break
    assert len(set(seen)) == 3  # two from the pool, one of its own
    await runtime.stop(wanted[0].id, 0)
    await runtime.wait(wanted[0].id)
    follower = assignment("readlink /proc/self/ns/net")
    await runtime.start(follower)
    assert (await read(runtime, follower.id))[0].data == seen[0]  # lent again
    for each in (*wanted, follower):
        await runtime.remove(each.id)
    await runtime.close()
    assert await leftovers(docker_engine) == []


PORT = 8765
SEEN = f"grep -qi ':{PORT:04x} ' /proc/net/tcp /proc/net/tcp6"
LISTEN = f"(setsid nc -l -p {PORT} -e cat >/dev/null 2>&1 &) ; until {SEEN}; do sleep 0.05; done"
ATTACK = f"""readlink /proc/self/ns/net
{SEEN} && echo saw its socket
(timeout 3 nc -w 2 127.0.0.1 {PORT} </dev/null >/dev/null 2>&1) && echo reached its loopback
echo end"""


async def test_a_job_cannot_reach_its_neighbours_loopback(runtime: DockerRuntime) -> None:
    listener = assignment(f"{LISTEN}; readlink /proc/self/ns/net; sleep 60")
    await runtime.start(listener)
    async for item in runtime.output(listener.id, 0):  # it listens now, and sees it itself
        its_namespace = next(iter(unpack(item))).data.decode()
        break
    async with asyncio.timeout(30):
        _, output = await run(runtime, assignment(ATTACK))
    namespace, *told = output.splitlines(keepends=True)
    assert namespace != its_namespace
    assert told == ["end\n"]


async def test_what_a_job_left_listening_is_gone_for_the_next_in_its_namespace(runtime: DockerRuntime) -> None:
    async with asyncio.timeout(60):
        ended, its_namespace = await run(runtime, assignment(f"{LISTEN}; readlink /proc/self/ns/net"))
        assert ended.exit_code == 0
        _, output = await run(runtime, assignment(ATTACK))
    assert output == f"{its_namespace}end\n"  # the same namespace, lent again


# --- images ---


async def test_an_image_that_went_between_two_jobs_is_noticed(runtime: DockerRuntime) -> None:
    here = await asyncio.to_thread(sample_archive, tag="localhost:1/goes:1")
    await runtime.api.call("POST", "images/load", data=here, quiet="1")
    await runtime.prepare(assignment("true", image="localhost:1/goes:1"), lambda _: None)
    await runtime.api.call("DELETE", "images/localhost:1/goes:1")
    wanted = assignment("true", image="localhost:1/goes:1")
    await runtime.prepare(wanted, lambda _: None)
    with pytest.raises(RuntimeFailure, match="registry localhost:1 did not deliver") as caught:
        await runtime.start(wanted)
    assert caught.value.cause is Cause.IMAGE
    await runtime.remove(wanted.id)


async def test_an_image_of_another_architecture_is_refused(runtime: DockerRuntime) -> None:
    other = await asyncio.to_thread(sample_archive, tag="other-arch:1", arch="s390x")
    await runtime.api.call("POST", "images/load", data=other, quiet="1")
    with pytest.raises(RuntimeFailure, match="built for s390x and this node is") as caught:
        await runtime.prepare(assignment("true", image="other-arch:1"), lambda _: None)
    assert caught.value.cause is Cause.IMAGE


async def test_a_registry_that_is_down_is_named(runtime: DockerRuntime) -> None:
    with pytest.raises(RuntimeFailure, match="registry localhost:1 did not deliver") as caught:
        await runtime.prepare(assignment("true", image="localhost:1/x:2"), lambda _: None)
    assert caught.value.cause is Cause.IMAGE


async def test_a_name_that_is_no_image_is_named(runtime: DockerRuntime) -> None:
    with pytest.raises(RuntimeFailure, match="no valid image name") as caught:
        await runtime.prepare(assignment("true", image="UPPER case"), lambda _: None)
    assert caught.value.cause is Cause.IMAGE


class _Registry(BaseHTTPRequestHandler):
    """Knows no image; its manifest for `slow` never comes."""

    hang = threading.Event()

    def do_GET(self) -> None:
        self.do_HEAD()

    def do_HEAD(self) -> None:
        if "slow" in self.path:
            self.hang.wait(60)
        found = self.path == "/v2/"
        body = b"{}" if found else json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}).encode()
        with contextlib.suppress(OSError):
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def registry(docker_engine: PrivateEngine) -> Iterator[str]:
    """The address of a registry that the engine can reach."""
    listening: socket.socket = docker_engine.listen()
    server = HTTPServer(listening.getsockname(), _Registry, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    _Registry.hang.clear()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"localhost:{listening.getsockname()[1]}"
    _Registry.hang.set()
    server.shutdown()
    thread.join()
    server.server_close()


async def test_an_image_that_is_not_there_is_named(runtime: DockerRuntime, registry: str) -> None:
    with pytest.raises(RuntimeFailure, match="was not found at localhost") as caught:
        await runtime.prepare(assignment("true", image=f"{registry}/nothing:1"), lambda _: None)
    assert caught.value.cause is Cause.IMAGE


async def test_stop_ends_a_pull(runtime: DockerRuntime, registry: str) -> None:
    wanted = assignment("true", image=f"{registry}/slow:1")
    said: list[str] = []
    pulling = asyncio.ensure_future(runtime.prepare(wanted, said.append))
    await until(lambda: said, lambda: said)
    await runtime.stop(wanted.id, 5)
    with pytest.raises(RuntimeFailure) as caught:
        await pulling
    assert caught.value.cause is Cause.CANCELLED


async def test_images_are_listed_without_ours(runtime: DockerRuntime) -> None:
    await run(runtime, assignment("true"))
    tags = {tag for image in await runtime.images() for tag in image.tags}
    assert DEFAULT_SAMPLE_IMAGE in tags
    assert not [tag for tag in tags if "pause" in tag]


# --- stopping, removing, adopting ---


async def test_term_comes_first_and_kill_after_the_grace(runtime: DockerRuntime) -> None:
    polite = assignment("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done")
    deaf = assignment("trap '' TERM; echo up; while :; do sleep 0.05; done")
    for wanted in (polite, deaf):
        await runtime.start(wanted)
        async for _ in runtime.output(wanted.id, 0):
            break
    await runtime.stop(polite.id, 20)
    await runtime.stop(deaf.id, 0.3)
    assert (await runtime.wait(polite.id)).exit_code == 5
    assert (await runtime.wait(deaf.id)).exit_code == 137
    assert not (await runtime.wait(deaf.id)).oom


async def test_nothing_done_twice_or_to_the_unknown_matters(runtime: DockerRuntime) -> None:
    nobody = AllocationId("a-nobody")
    await runtime.stop(nobody, 1)
    await runtime.remove(nobody)
    with pytest.raises(RuntimeFailure, match="container is gone"):
        await runtime.wait(nobody)
    wanted = assignment("sleep 60")
    assert await runtime.start(wanted) == await runtime.start(wanted)
    await asyncio.gather(runtime.remove(wanted.id), runtime.remove(wanted.id))
    await runtime.remove(wanted.id)
    assert await runtime.found() == []


async def test_another_agent_adopts(runtime: DockerRuntime, docker_engine: PrivateEngine) -> None:
    wanted = assignment("echo up; read x </dev/zero; sleep 60", exclusive=True)
    made = assignment("true")
    started = await runtime.start(wanted)
    body = {"Image": DEFAULT_SAMPLE_IMAGE, "Labels": {"draas.owner": "n-test", "draas.allocation": made.id}}
    await runtime.api.call("POST", "containers/create", body=body, name=container_name(made.id))
    second = make_runtime(docker_engine)
    by_id = {found.id: found for found in await second.found()}
    assert by_id.keys() == {wanted.id, made.id}
    assert (by_id[wanted.id].started_at, by_id[wanted.id].exclusive, by_id[wanted.id].ended) == (started, True, False)
    assert by_id[made.id].started_at is None
    assert await second.start(wanted) == started
    other = assignment("readlink /proc/self/ns/net")  # must not get the namespace that `wanted` still has
    await second.start(other)
    api = second.api
    networks = [
        (await api.call("GET", f"containers/{container_name(id)}/json"))["HostConfig"]["NetworkMode"]
        for id in (wanted.id, other.id)
    ]
    assert networks[0] != networks[1]
    await second.start(made)  # was made but not started
    assert (await second.wait(made.id)).exit_code == 0
    stranger = make_runtime(docker_engine, owner="n-other")
    assert await stranger.found() == []
    await stranger.remove(wanted.id)
    assert wanted.id in {found.id for found in await second.found()}
    await stranger.close()
    await second.stop(wanted.id, 0)
    for id in (wanted.id, made.id, other.id):
        await second.remove(id)
    await second.close()


async def test_a_foreign_container_of_the_same_name_is_left_alone(runtime: DockerRuntime) -> None:
    wanted = assignment("true")
    name = container_name(wanted.id)
    await runtime.api.call("POST", "containers/create", body={"Image": DEFAULT_SAMPLE_IMAGE}, name=name)
    with pytest.raises(RuntimeFailure, match=f"docker rm -f {name}"):
        await runtime.start(wanted)
    await runtime.remove(wanted.id)
    assert f"/{name}" in await leftovers_of(runtime)
    await runtime.api.call("DELETE", f"containers/{name}", force=1)


async def leftovers_of(runtime: DockerRuntime) -> list[str]:
    listed = await runtime.api.call("GET", "containers/json", all=1)
    return [item["Names"][0] for item in listed]


async def test_renewals_reach_the_watchdog_by_container_name(docker_engine: PrivateEngine) -> None:
    told: list[dict[str, float]] = []

    async def watchdog(deadlines: dict[str, float]) -> None:
        told.append(deadlines)

    runtime = make_runtime(docker_engine, watchdog=watchdog)
    await runtime.renew({AllocationId("a-7"): 12.5})
    await runtime.close()
    assert told == [{"draas-a-7": 12.5}]


# --- an engine that comes and goes ---


async def test_no_engine_is_one_line(tmp_path: Path) -> None:
    runtime = DockerRuntime(owner="n", default_image="x", url=f"unix://{tmp_path}/none.sock")
    info = await runtime.probe()
    await runtime.close()
    assert not info.available
    assert info.missing.startswith("Docker Engine is not running: ")
    assert "\n" not in info.missing


@pytest.mark.parametrize("live_restore", [False, True])
async def test_the_engine_is_killed_and_comes_back(tmp_path: Path, live_restore: bool) -> None:
    engine = PrivateEngine(tmp_path, bridge=False, live_restore=live_restore)
    runtime = make_runtime(engine)
    wanted = assignment("i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo $i; sleep 0.1; done")
    try:
        await asyncio.to_thread(engine.start)
        await load_sample_image(runtime.api)
        await runtime.start(wanted)
        got: list[bytes] = []

        async def follow() -> None:
            async for item in runtime.output(wanted.id, 0):
                got.extend(record.data for record in unpack(item))

        following = asyncio.ensure_future(follow())
        waiting = asyncio.ensure_future(runtime.wait(wanted.id))
        await until(lambda: b"".join(got).count(b"\n") >= 5, lambda: got)
        await asyncio.to_thread(engine.kill)
        assert not (await runtime.probe()).available
        await asyncio.to_thread(engine.start)
        assert (await runtime.probe()).available
        async with asyncio.timeout(60):
            await following
            if live_restore:
                assert (await waiting).exit_code == 0
            else:
                with pytest.raises(RuntimeFailure, match="Docker Engine was restarted") as failure:
                    await waiting
                assert failure.value.cause is Cause.RUNTIME
        lines = b"".join(got).split()
        assert lines == [b"%d" % n for n in range(1, len(lines) + 1)]
        assert len(lines) == 60 if live_restore else len(lines) < 60
        again = assignment("echo again")
        assert (await run(runtime, again))[1] == "again\n"
    finally:
        await runtime.close()
        await asyncio.to_thread(engine.close)
