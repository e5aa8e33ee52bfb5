"""What every Runtime must do, run over the fake and the real ones (tests/contract/runtimes.py)."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import runtimes
from runtimes import KINDS, Place

from draas.agent.runtimes.runtime import Exited, Runtime, RuntimeFailure
from draas.lib import clock
from draas.model.allocation import AllocationId, Cause
from draas.model.resources import MIB
from draas.testing.builders import a_service
from draas.testing.engine import PrivateEngine
from draas.wire.link import Assignment
from draas.wire.records import Stream, payload_bytes, unpack

DEADLINE_S = 30.0
MAX_ITEM_BYTES = 256 * 1024


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.needs("root", "dockerd", "busybox") if name == "docker" else ())
        for name in KINDS
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def engine(kind: str, request: pytest.FixtureRequest) -> PrivateEngine | None:
    found: PrivateEngine | None = request.getfixturevalue("docker_engine") if kind == "docker" else None
    return found


@pytest.fixture
async def place(kind: str, engine: PrivateEngine | None, tmp_path: Path) -> AsyncIterator[Place]:
    async with KINDS[kind](tmp_path, engine) as made:
        yield made


@pytest.fixture
async def runtime(place: Place) -> AsyncIterator[Runtime]:
    opened = place.open()
    yield opened
    for one in await opened.found():
        await opened.remove(one.id)
    await opened.close()


def fresh_id() -> str:
    return f"a-{uuid.uuid4().hex[:12]}"


async def run(runtime: Runtime, assignment: Assignment) -> Exited:
    await runtime.prepare(assignment, lambda _: None)
    await runtime.start(assignment)
    async with asyncio.timeout(DEADLINE_S):
        return await runtime.wait(assignment.id)


async def read(runtime: Runtime, id: AllocationId, offset: int = 0) -> list[tuple[int, bytes]]:
    """Stream and bytes, neighbours of one stream joined."""
    joined: list[tuple[int, bytes]] = []
    async with asyncio.timeout(DEADLINE_S):
        async for item in runtime.output(id, offset):
            assert 0 < len(item) <= MAX_ITEM_BYTES
            for record in unpack(item):
                if joined and joined[-1][0] == record.stream:
                    joined[-1] = (record.stream, joined[-1][1] + record.data)
                else:
                    joined.append((record.stream, record.data))
    return joined


async def text_of(runtime: Runtime, id: AllocationId, stream: Stream = Stream.STDOUT) -> bytes:
    return b"".join(data for found, data in await read(runtime, id) if found == stream)


async def until(what: Callable[[], object], message: str) -> None:
    """Wait until `what()` is true; the last value seen is in the failure."""
    deadline = clock.monotonic() + DEADLINE_S
    while not (seen := what()):
        assert clock.monotonic() < deadline, f"{message}: last seen {seen!r}"
        await asyncio.sleep(0.01)


async def test_probe_says_that_it_can_be_used(runtime: Runtime, place: Place) -> None:
    info = await runtime.probe()
    assert info.name == runtime.name == place.runtime_name
    assert info.available, info.missing


async def test_both_streams_are_kept_apart(runtime: Runtime, place: Place) -> None:
    one = place.assignment("echo out; echo err >&2; exit 3", id=fresh_id())
    ended = await run(runtime, one)
    assert ended.exit_code == 3
    assert not ended.oom
    assert await text_of(runtime, one.id) == b"out\n"
    assert await text_of(runtime, one.id, Stream.STDERR) == b"err\n"


async def test_times_of_the_end(runtime: Runtime, place: Place) -> None:
    one = place.assignment("sleep 0.2", id=fresh_id())
    before = clock.now()
    ended = await run(runtime, one)
    assert before - 1 <= ended.started_at <= ended.finished_at <= clock.now() + 1
    assert ended.finished_at - ended.started_at >= 0.15


@pytest.mark.parametrize(
    ("command", "output"),
    [
        pytest.param(runtimes.PRINT_BINARY, runtimes.BINARY, id="binary"),
        pytest.param("printf unfinished", b"unfinished", id="no newline at the end"),
        pytest.param(runtimes.LONG_LINE, b"x" * runtimes.LONG_LINE_BYTES, id="a long line"),
        pytest.param("true", b"", id="nothing"),
        pytest.param(
            "echo first\necho 'second one'\n\necho third", b"first\nsecond one\nthird\n", id="lines of a script"
        ),
        pytest.param(("echo", "a b", "$HOME"), b"a b $HOME\n", id="a list is run as it is"),
    ],
)
async def test_output_is_exact(runtime: Runtime, place: Place, command: str | tuple[str, ...], output: bytes) -> None:
    one = place.assignment(command, id=fresh_id())
    assert (await run(runtime, one)).exit_code == 0
    assert await text_of(runtime, one.id) == output


@pytest.mark.parametrize(
    ("command", "code"), [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137), ("kill -15 $$", 143)]
)
async def test_exit_codes_and_signals(runtime: Runtime, place: Place, command: str, code: int) -> None:
    assert (await run(runtime, place.assignment(command, id=fresh_id()))).exit_code == code


async def test_a_command_that_is_not_there(runtime: Runtime, place: Place) -> None:
    one = place.assignment("no-such-program --flag", id=fresh_id())
    assert (await run(runtime, one)).exit_code == 127
    assert b"not found" in await text_of(runtime, one.id, Stream.STDERR)


async def test_environment_takes_unicode_and_newlines(runtime: Runtime, place: Place) -> None:
    env = {"GREETING": runtimes.GREETING, "LINES_OF_TEXT": runtimes.LINES_OF_TEXT}
    one = place.assignment(runtimes.PRINT_ENV, id=fresh_id(), env=env)
    await run(runtime, one)
    assert (await text_of(runtime, one.id)).decode() == f"{runtimes.GREETING}|{runtimes.LINES_OF_TEXT}|"


async def test_the_agents_environment_is_not_handed_on(
    runtime: Runtime, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAAS_KEY", "a-secret-of-the-agent")
    one = place.assignment(runtimes.LIST_ENV, id=fresh_id(), env={"MARK": "1"})
    await run(runtime, one)
    listed = await text_of(runtime, one.id)
    assert b"MARK=1" in listed
    assert b"a-secret-of-the-agent" not in listed


async def test_output_resumes_at_every_offset(runtime: Runtime, place: Place) -> None:
    one = place.assignment("echo one; echo two >&2; printf three; echo four >&2; echo five", id=fresh_id())
    await run(runtime, one)
    whole = b"".join([item async for item in runtime.output(one.id, 0)])
    everything = b"".join(record.data for record in unpack(whole))
    assert len(everything) == payload_bytes(whole)
    for offset in range(len(everything) + 3):
        tail = b"".join(data for _, data in await read(runtime, one.id, offset))
        assert tail == everything[offset:], f"from offset {offset}"


async def test_a_large_output_resumes_within_a_record(runtime: Runtime, place: Place) -> None:
    one = place.assignment(runtimes.LONG_LINE, id=fresh_id())
    await run(runtime, one)
    for offset in (1, 65_535, 65_536, 65_537, 500_001, runtimes.LONG_LINE_BYTES - 1):
        tail = b"".join(data for _, data in await read(runtime, one.id, offset))
        assert len(tail) == runtimes.LONG_LINE_BYTES - offset


async def test_reading_twice_gives_the_same_records(runtime: Runtime, place: Place) -> None:
    one = place.assignment("echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three", id=fresh_id())
    await runtime.start(one)
    live = b"".join([item async for item in runtime.output(one.id, 0)])
    assert live == b"".join([item async for item in runtime.output(one.id, 0)])


async def test_output_comes_while_it_is_written(runtime: Runtime, place: Place) -> None:
    one = place.assignment("echo early; sleep 300", id=fresh_id())
    await runtime.start(one)
    reader = runtime.output(one.id, 0)
    async with asyncio.timeout(DEADLINE_S):
        first = await anext(reader)
    assert [record.data for record in unpack(first)] == [b"early\n"]
    assert place.running(one.id)
    await runtime.remove(one.id)  # ends the reader too
    assert [item async for item in reader] == []


async def test_waiting_again_after_the_end(runtime: Runtime, place: Place) -> None:
    one = place.assignment("exit 5", id=fresh_id())
    first = await run(runtime, one)
    assert await runtime.wait(one.id) == first


async def test_unknown_ids(runtime: Runtime) -> None:
    nobody = AllocationId(fresh_id())
    with pytest.raises(RuntimeFailure) as failure:
        await runtime.wait(nobody)
    assert failure.value.cause is Cause.RUNTIME
    await runtime.stop(nobody, 0.1)
    await runtime.remove(nobody)
    assert [item async for item in runtime.output(nobody, 0)] == []


async def test_starting_twice_runs_it_once(runtime: Runtime, place: Place) -> None:
    one = place.assignment("echo here; sleep 0.3", id=fresh_id())
    both = await asyncio.gather(runtime.start(one), runtime.start(one))
    assert both[0] == both[1]
    ended = await run(runtime, one)
    assert await runtime.start(one) == ended.started_at
    assert await text_of(runtime, one.id) == b"here\n"


async def test_term_is_enough_for_most(runtime: Runtime, place: Place) -> None:
    one = place.assignment("echo up; sleep 300", id=fresh_id())
    await runtime.start(one)
    await anext(runtime.output(one.id, 0))
    async with asyncio.timeout(DEADLINE_S):
        await runtime.stop(one.id, 20.0)
    assert (await runtime.wait(one.id)).exit_code in (143, 137)
    assert not place.running(one.id)


async def test_kill_follows_for_all_that_it_started(runtime: Runtime, place: Place) -> None:
    one = place.assignment(runtimes.HAS_CHILDREN, id=fresh_id())
    await runtime.start(one)
    await anext(runtime.output(one.id, 0))
    assert place.running(one.id)
    async with asyncio.timeout(DEADLINE_S):
        await runtime.stop(one.id, 0.2)
    assert not place.running(one.id)
    assert (await runtime.wait(one.id)).exit_code == 137


async def test_removal_leaves_nothing_and_may_be_repeated(runtime: Runtime, place: Place) -> None:
    one = place.assignment("echo something; sleep 300", id=fresh_id())
    await runtime.start(one)
    await anext(runtime.output(one.id, 0))
    assert place.traces(one.id)
    await runtime.remove(one.id)
    assert place.traces(one.id) == []
    assert await runtime.found() == []
    await runtime.remove(one.id)


async def test_an_id_is_free_again_after_removal(runtime: Runtime, place: Place) -> None:
    one = place.assignment("echo once", id=fresh_id())
    await run(runtime, one)
    await runtime.remove(one.id)
    await run(runtime, one)
    assert await text_of(runtime, one.id) == b"once\n"


async def test_a_successor_adopts_what_runs(runtime: Runtime, place: Place) -> None:
    one = place.assignment("echo before; sleep 0.5; echo after; exit 7", id=fresh_id(), exclusive=True)
    await runtime.renew({one.id: clock.monotonic() + 60})
    started_at = await runtime.start(one)
    await anext(runtime.output(one.id, 0))
    await runtime.close()
    successor = place.open()
    found = await successor.found()
    assert [(each.id, each.exclusive, each.ended) for each in found] == [(one.id, True, False)]
    assert await successor.start(one) == started_at
    assert (await run(successor, one)).exit_code == 7
    assert await text_of(successor, one.id) == b"before\nafter\n"
    assert [each.ended for each in await successor.found()] == [True]
    await successor.remove(one.id)
    await successor.close()


async def test_what_ended_while_nobody_looked(runtime: Runtime, place: Place) -> None:
    one = place.assignment("sleep 0.2; echo late; exit 9", id=fresh_id())
    await runtime.start(one)
    await runtime.close()
    await until(lambda: not place.running(one.id), "it runs on")
    successor = place.open()
    assert (await successor.wait(one.id)).exit_code == 9
    assert await text_of(successor, one.id) == b"late\n"
    await successor.remove(one.id)
    await successor.close()


@pytest.mark.needs("root")
async def test_too_much_memory_ends_it_with_the_flag(runtime: Runtime, place: Place) -> None:
    one = place.assignment(runtimes.EAT_MEMORY, id=fresh_id(), memory_bytes=32 * MIB)
    ended = await run(runtime, one)
    assert ended.oom
    assert ended.exit_code == 137


@pytest.mark.needs("root")
async def test_no_more_cpu_than_asked_for(runtime: Runtime, place: Place) -> None:
    """A busy machine only lowers what it gets. Two periods' worth more: before the quota is set, and at its edges."""
    ended = await run(runtime, place.assignment(runtimes.SPIN, id=fresh_id(), cpu_millis=200))
    assert ended.cpu_s is not None
    assert ended.cpu_s <= 0.2 * (ended.finished_at - ended.started_at) + 0.2


async def test_what_was_used_is_reported(runtime: Runtime, place: Place) -> None:
    ended = await run(runtime, place.assignment(runtimes.BURN_CPU, id=fresh_id()))
    assert ended.cpu_s is not None
    assert ended.peak_memory_bytes is not None
    assert 0.0005 < ended.cpu_s < DEADLINE_S
    assert 50_000 < ended.peak_memory_bytes < 128 * MIB


async def test_output_is_cut_at_the_cap_and_says_so(runtime: Runtime, place: Place) -> None:
    one = place.assignment(runtimes.LONG_LINE, id=fresh_id(), log_cap_bytes=100_000)
    assert (await run(runtime, one)).exit_code == 0
    assert await text_of(runtime, one.id) == b"x" * 100_000
    notices = [data for stream, data in await read(runtime, one.id) if stream == Stream.NOTICE]
    assert len(notices) == 1
    assert b"output cut at" in notices[0]


async def test_output_that_just_fits_is_not_called_cut(runtime: Runtime, place: Place) -> None:
    one = place.assignment("echo 12345; echo 12345", id=fresh_id(), log_cap_bytes=12)
    await run(runtime, one)
    assert await read(runtime, one.id) == [(Stream.STDOUT, b"12345\n12345\n")]


async def test_an_exclusive_one_ends_with_its_lease(runtime: Runtime, place: Place) -> None:
    one = place.assignment("echo up; sleep 300", id=fresh_id(), exclusive=True)
    await runtime.renew({one.id: clock.monotonic() + 60})
    await runtime.start(one)
    await runtime.renew({one.id: clock.monotonic() + 0.2})
    await runtime.close()  # the agent does not have to be there
    await until(lambda: not place.running(one.id), "it runs on without a lease")
    successor = place.open()
    if place.knows_leases:
        with pytest.raises(RuntimeFailure) as failure:
            await successor.wait(one.id)
        assert failure.value.cause is Cause.LEASE
    else:
        assert (await successor.wait(one.id)).exit_code == 137
    await successor.remove(one.id)
    await successor.close()


async def test_many_at_once_do_not_mix(runtime: Runtime, place: Place) -> None:
    many = [place.assignment(f"echo {number}; exit {number}", id=fresh_id()) for number in range(20)]
    ends = await asyncio.gather(*(run(runtime, one) for one in many))
    assert [end.exit_code for end in ends] == list(range(20))
    for number, one in enumerate(many):
        assert await text_of(runtime, one.id) == f"{number}\n".encode()


async def test_a_refused_host_command_never_starts(runtime: Runtime, place: Place) -> None:
    """The device does not exist and nothing is copied, so that a runtime that lets it through harms nothing."""
    one = place.assignment("dd if=/dev/null of=/dev/sdzz9 count=0", id=fresh_id())
    if place.name not in ("plain", "sandboxed"):
        await runtime.prepare(one, lambda _: None)
        return
    for step in (runtime.prepare(one, lambda _: None), runtime.start(one)):
        with pytest.raises(RuntimeFailure, match="writes to a block device") as failure:
            await step
        assert failure.value.cause is Cause.REFUSED
    assert place.traces(one.id) == []


# --- replicas of apps ---

HTTPD = ("httpd", "-f", "-p", "8080")


@pytest.fixture
def beside(engine: PrivateEngine | None) -> Iterator[None]:
    """In the engine's network, as an agent beside it."""
    with engine.inside() if engine is not None else contextlib.nullcontext():
        yield


async def test_a_runtime_without_replicas_refuses_them_in_one_sentence(runtime: Runtime, place: Place) -> None:
    one = place.assignment(HTTPD, id=fresh_id(), service=a_service())
    if place.serves:
        await runtime.prepare(one, lambda _: None)
        await runtime.start(one)
        assert place.running(one.id)
        return
    for step in (runtime.prepare(one, lambda _: None), runtime.start(one), runtime.door(one.id)):
        with pytest.raises(RuntimeFailure, match="apps run in containers") as failure:
            await step
        assert failure.value.cause is Cause.REFUSED
    assert place.traces(one.id) == []


async def serve(runtime: Runtime, place: Place, command: str | tuple[str, ...] = HTTPD) -> Assignment | None:
    """A replica that runs; None where this runtime has none."""
    one = place.assignment(command, id=fresh_id(), service=a_service())
    if not place.serves:
        with pytest.raises(RuntimeFailure):
            await runtime.start(one)
        return None
    await runtime.prepare(one, lambda _: None)
    await runtime.start(one)
    return one


@pytest.mark.usefixtures("beside")
async def test_a_replicas_door_leads_to_its_port(runtime: Runtime, place: Place) -> None:
    if (one := await serve(runtime, place)) is None:
        return
    door = await runtime.door(one.id)
    host, _, port = door.endpoint.rpartition(":")
    for address in ((host, int(port)), (door.host, door.port), *([door.published] if door.published else ())):
        await until_answers(*address)
    assert {listener.port for listener in await runtime.listeners(one.id) or ()} == {8080}
    await runtime.stop(one.id, 0)
    with pytest.raises(RuntimeFailure):
        await runtime.door(one.id)


async def until_answers(host: str, port: int) -> None:
    """Wait until HTTP is spoken there: what publishes a port accepts before anything listens behind it."""
    deadline = clock.monotonic() + DEADLINE_S
    line = b""
    while not line.startswith(b"HTTP/"):
        assert clock.monotonic() < deadline, f"{host}:{port} said {line!r}"
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            line = await reader.readline()
            writer.close()


async def test_commands_run_inside_a_replica(runtime: Runtime, place: Place) -> None:
    if (one := await serve(runtime, place)) is None:
        return
    ran = await runtime.execute(one.id, ("echo", "well"), 10)
    assert (ran.exit_code, ran.output.strip()) == (0, "well")
    assert (await runtime.execute(one.id, ("no-such-program",), 10)).exit_code in (126, 127)
    with pytest.raises(TimeoutError):
        await runtime.execute(one.id, ("sleep", "60"), 0.3)
    assert not await runtime.frozen(one.id)


async def test_what_replicas_use_is_known(runtime: Runtime, place: Place) -> None:
    if (one := await serve(runtime, place)) is None:
        assert await runtime.used([AllocationId("unknown")]) == {}
        return
    found = await runtime.used([one.id, AllocationId("unknown")])
    assert list(found) == [one.id]
    assert found[one.id].cpu_s >= 0
    assert found[one.id].memory_bytes > 0


async def test_what_a_replicas_image_is_exactly_is_told(runtime: Runtime, place: Place) -> None:
    one = place.assignment(HTTPD, id=fresh_id(), service=a_service())
    one = msgspec.structs.replace(one, image=place.image or "shop:1")
    pinned: list[str] = []
    if not place.serves:
        with pytest.raises(RuntimeFailure):
            await runtime.prepare(one, lambda _: None, pinned.append)
        assert pinned == []
        return
    await runtime.prepare(one, lambda _: None, pinned.append)
    assert len(set(pinned)) == 1
    assert "sha256:" in pinned[0]
    again: list[str] = []
    await runtime.prepare(msgspec.structs.replace(one, image=pinned[0]), lambda _: None, again.append)
    assert set(again) == set(pinned)
