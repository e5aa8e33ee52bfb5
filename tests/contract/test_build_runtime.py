"""The build runtime over a real engine: what it makes, what it refuses, and what is left when it is stopped."""

import asyncio
import functools
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from begin_build import Begun
from build_world import BASE, DEADLINE_S, Machine, machine, run, text_of
from runtimes import processes_of

from draas.agent.runtimes.build.build_runtime import BuildRuntime
from draas.agent.runtimes.build.group_settings import parse_cpus
from draas.agent.runtimes.docker.usage import ROOT
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.lib.promptness import NICE
from draas.model.allocation import AllocationId, Cause
from draas.model.login import Login
from draas.model.resources import MIB
from draas.testing.engine import PrivateEngine
from draas.testing.waiting import until

pytestmark = pytest.mark.needs("root", "dockerd", "busybox")
SECRET = "s3cret-of-the-build-4711"  # noqa: S105
HOG = "head -c 400m /dev/zero | tail; exit $?"
BUILDERS = pytest.mark.parametrize("builder", ["buildkit", "classic"], indirect=True)
CLASSIC = pytest.mark.parametrize("builder", ["classic"], indirect=True)


@pytest.fixture
def builder(request: pytest.FixtureRequest) -> Any:
    return getattr(request, "param", None)


@pytest.fixture
async def here(docker_engine: PrivateEngine, tmp_path: Path, builder: Any) -> AsyncIterator[Machine]:
    async with machine(tmp_path, docker_engine, builder) as made:
        yield made


@pytest.fixture
async def runtime(here: Machine) -> AsyncIterator[BuildRuntime]:
    opened = here.open()
    yield opened
    await opened.close()


async def until_log(runtime: BuildRuntime, id: AllocationId, text: str) -> None:
    """Wait until its log has `text`."""
    seen = b""
    async with asyncio.timeout(DEADLINE_S):
        async for records in runtime.output(id, 0):
            seen += records
            if text.encode() in seen:
                return
    raise AssertionError(f"its log never said {text!r}: {seen.decode(errors='replace')}")


def stepping(mark: str) -> list[int]:
    """Processes of a RUN step that have this in their command."""
    listed = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    commands = {pid: read(Path(f"/proc/{pid}/cmdline")).replace(b"\0", b" ") for pid in listed}
    groups = {pid: read(Path(f"/proc/{pid}/cgroup")) for pid, command in commands.items() if mark.encode() in command}
    return [pid for pid, group in groups.items() if b"/draas-engine-" in group]


async def containers_of(here: Machine, mark: str) -> list[str]:
    listed = await here.api.call("GET", "containers/json", all=1)
    return [item["Command"] for item in listed if mark in item["Command"]]


def group_of(here: Machine, controller: str) -> Path:
    return ROOT / controller / here.engine._group.strip("/") / "buildkit"


# --- what it makes ---


@BUILDERS
async def test_a_project_with_a_dockerfile(here: Machine, runtime: BuildRuntime, builder: str) -> None:
    info = await runtime.probe()
    assert info.available
    assert ("BuildKit" if builder == "buildkit" else "classic") in info.version
    files = {
        "Dockerfile": f"FROM {BASE}\nEXPOSE 8080\nCOPY . /app\nRUN ls -A /app; cat /app/hello\n",
        ".dockerignore": "notes\n",
        "hello": "good day\n",
        "notes": "mine",
    }
    order = here.order(files, tags=("v1", "latest"))
    ended, log = await run(runtime, order)
    assert ended.exit_code == 0, log
    built = ended.built
    assert built is not None
    digest = built.image.removeprefix("draas.internal/p/web@")
    assert (built.kind, built.port, built.platform, built.dockerfile) == ("Dockerfile", 8080, "linux/amd64", "")
    for reference in ("v1", "latest", digest):
        told = await here.client.ask("HEAD", f"/v2/p/web/manifests/{reference}")
        assert (told.status, told.headers["Docker-Content-Digest"]) == (200, digest)
    assert "good day" in log
    assert not any(line.endswith(("notes", ".draas.Dockerfile")) for line in log.splitlines())
    assert here.sources.login.host not in log
    labels = (await here.inspect(f"{here.sources.login.host}/p/web:v1"))["Config"]["Labels"]
    assert labels == {"draas.owner": "n-contract", "draas.repository": "p/web"}
    assert (ended.cpu_s or 0) > 0


async def test_a_python_project_is_recognised_and_its_dockerfile_shown(here: Machine, runtime: BuildRuntime) -> None:
    await here.base("python:3.13-slim", "printf '#!/bin/sh\\necho pip \"$@\"\\n' >/bin/pip; chmod +x /bin/pip")
    ended, log = await run(runtime, here.order({"shop/requirements.txt": "flask\n", "shop/app.py": "import flask\n"}))
    assert ended.built is not None, log
    assert ended.built.kind == "Python"
    assert ended.built.port == 8000
    assert "FROM python:3.13-slim" in ended.built.dockerfile
    assert "    FROM python:3.13-slim" in log
    assert "pip install" in log


async def test_a_static_site_is_recognised(here: Machine, runtime: BuildRuntime) -> None:
    await here.base(
        "nginx:alpine", "mkdir -p /etc/nginx/conf.d /usr/share/nginx/html /var/cache/nginx /run; touch /run/x"
    )
    ended, log = await run(runtime, here.order({"index.html": "<p>hi"}))
    assert ended.built is not None, log
    assert (ended.built.kind, ended.built.port) == ("static site", 8080)


@BUILDERS
async def test_a_changed_line_keeps_the_steps_before_it(here: Machine, runtime: BuildRuntime) -> None:
    text = f"FROM {BASE}\nCOPY need /\nRUN cat /proc/sys/kernel/random/uuid >/made\nCOPY page /\nRUN echo made=$(cat /made)\n"

    async def made(page: str, *, cache: bool = True) -> tuple[str, str]:
        ended, log = await run(runtime, here.order({"Dockerfile": text, "need": "x", "page": page}, cache=cache))
        assert ended.built is not None, log
        shown = [line.partition("made=")[2] for line in log.splitlines() if "made=" in line and "$(" not in line]
        return (shown or [""])[0], ended.built.image

    first, image = await made("one")
    second, other = await made("two")
    assert len(first) == 36
    assert second == first
    assert other != image
    assert (await made("one"))[1] == image
    again, _ = await made("two", cache=False)
    assert len(again) == 36
    assert again != first


@BUILDERS
async def test_arguments_and_target(here: Machine, runtime: BuildRuntime) -> None:
    text = f"FROM {BASE} AS one\nARG WHO=nobody\nRUN echo it is $WHO\nFROM {BASE}\nRUN echo not this; exit 1\n"
    ended, log = await run(runtime, here.order({"Dockerfile": text}, args={"WHO": "somebody & 'more'"}, target="one"))
    assert ended.exit_code == 0, log
    assert "it is somebody & more" in log or "it is somebody & 'more'" in log
    assert "not this" not in log


@BUILDERS
async def test_an_image_of_the_same_project_is_built_upon(here: Machine, runtime: BuildRuntime) -> None:
    base, log = await run(
        runtime, here.order({"Dockerfile": f"FROM {BASE}\nRUN echo laid >/base\n"}, repository="p/base", tags=("1",))
    )
    assert base.built is not None, log
    await here.api.call("DELETE", f"images/{here.sources.login.host}/p/base:1")
    text = f"ARG FROM_TAG=1\nFROM draas.internal/p/base:${{FROM_TAG}}\nCOPY --from={base.built.image} /base /again\nRUN cat /again\n"
    ended, log = await run(runtime, here.order({"Dockerfile": text}))
    assert ended.built is not None, log
    assert "laid" in log


async def test_other_dockerfile_and_folder(here: Machine, runtime: BuildRuntime) -> None:
    files = {"top/api/web.Dockerfile": f"FROM {BASE}\nCOPY x /x\nRUN cat /x\n", "top/api/x": "from api\n", "top/y": ""}
    ended, log = await run(runtime, here.order(files, folder="api", dockerfile="web.Dockerfile"))
    assert ended.exit_code == 0, log
    assert "from api" in log


# --- secrets ---


async def test_a_secret_is_nowhere_but_in_its_step(here: Machine, runtime: BuildRuntime) -> None:
    text = (
        f"FROM {BASE}\nRUN --mount=type=secret,id=token wc -c </run/secrets/token; cat /run/secrets/token; "
        "[ -e /go ] || sleep 1; ls /run/secrets\nRUN cat /run/secrets/token || echo gone\n"
    )
    order = here.order({"Dockerfile": text}, secrets={"token": SECRET}, logins=())
    await runtime.prepare(order, lambda _: None)
    await runtime.start(order)
    await until_log(runtime, order.id, f" {len(SECRET)}")
    seen = having(SECRET, *Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ"))  # noqa: ASYNC240
    left = having(SECRET, *here.folder.rglob("*"))
    ended = await runtime.wait(order.id)
    log = await text_of(runtime, order.id)
    assert ended.built is not None, log
    assert (seen, left) == ([], [])
    assert SECRET not in log
    assert "***" in log
    assert "gone" in log
    name = f"{here.sources.login.host}/p/web:{order.job_id}"
    assert SECRET not in json.dumps(await here.api.call("GET", f"images/{name}/history"))
    async with here.api.stream("GET", f"images/{name}/get") as stream:
        image = await stream.read()
    assert SECRET.encode() not in image
    assert having(SECRET, *here.folder.rglob("*")) == []
    assert not (here.folder / "orders" / order.id / "private").exists()


def having(text: str, *paths: Path) -> list[str]:
    return [str(path) for path in paths if text.encode() in read(path)]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@CLASSIC
async def test_secrets_are_refused_where_they_would_stay(here: Machine, runtime: BuildRuntime) -> None:
    order = here.order({"Dockerfile": f"FROM {BASE}\n"}, secrets={"token": SECRET})
    with pytest.raises(RuntimeFailure, match="classic builder of this node would leave them in the image") as failure:
        await runtime.prepare(order, lambda _: None)
    assert failure.value.cause is Cause.REFUSED


# --- limits ---


@BUILDERS
async def test_too_much_memory_ends_it_with_cause_and_remedy(here: Machine, runtime: BuildRuntime) -> None:
    order = here.order({"Dockerfile": f"FROM {BASE}\nRUN {HOG}\n"}, memory_bytes=64 * MIB)
    ended, log = await run(runtime, order)
    assert (ended.cause, ended.oom, ended.exit_code, ended.built) == (Cause.OUT_OF_MEMORY, True, 137, None), log
    assert "more than the 64 MB of memory" in ended.detail
    assert log.rstrip().splitlines()[-1].startswith("build failed: a step used more than the 64 MB of memory")


async def test_limits_are_set_while_it_runs_and_taken_back(here: Machine, runtime: BuildRuntime) -> None:
    text = f"FROM {BASE}\nRUN echo up; while :; do :; done\n"
    orders = [here.order({"Dockerfile": text}, cpu_millis=200, memory_bytes=100 * MIB, cache=False) for _ in range(2)]
    memory, cpu = group_of(here, "memory"), group_of(here, "cpu")

    def limits() -> tuple[str, str]:
        return read(memory / "memory.limit_in_bytes").decode().strip(), read(cpu / "cpu.cfs_quota_us").decode().strip()

    async def begin(number: int) -> None:
        await runtime.prepare(orders[number], lambda _: None)
        await runtime.start(orders[number])
        await until_log(runtime, orders[number].id, "building with BuildKit")

    await begin(0)
    await until(limits, lambda seen: seen == (str(100 * MIB), "20000"), "limits of one build")
    assert (cpu / "cpu.shares").read_text().strip() == "16" or (cpu / "cpu.idle").read_text().strip() == "1"
    usable = os.sched_getaffinity(0)
    stepped = await until(lambda: stepping("echo up; while"), bool, "its step does not run")
    for pid in (
        stepped
    ):  # one CPU is the apps', and then builds are not idle on the others; a machine with one has none to leave
        assert os.sched_getaffinity(pid) == (usable - {min(usable)} or usable)
    assert (cpu / "cpu.idle").read_text().strip() == ("0" if len(usable) > 1 else "1")
    await begin(1)
    await until(limits, lambda seen: seen == (str(200 * MIB), "40000"), "limits of two builds together")

    def throttled() -> int:
        return int(dict(line.split() for line in (cpu / "cpu.stat").read_text().splitlines())["nr_throttled"])

    await until(throttled, bool, "how often the steps were held back")
    for order in orders:
        await runtime.stop(order.id, 5.0)
    assert int(limits()[0]) > 2**60
    assert limits()[1] == "-1"
    assert (cpu / "cpu.idle").read_text().strip() == "0"
    assert parse_cpus((group_of(here, "cpuset") / "cpuset.cpus").read_text()) >= usable


async def test_what_carries_requests_to_apps_comes_before_the_engines_packing(
    here: Machine, runtime: BuildRuntime, tmp_path: Path
) -> None:
    carrier = tmp_path / "docker-proxy"  # known by its name, as the engine has no other word for it
    shutil.copy(shutil.which("sleep") or "", carrier)
    process = await asyncio.create_subprocess_exec(carrier, "600")
    try:
        ended, log = await run(runtime, here.order({"Dockerfile": f"FROM {BASE}\n"}))
        assert ended.exit_code == 0, log
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == NICE
    finally:
        process.kill()
        await process.wait()


async def test_disk_is_limited(here: Machine, runtime: BuildRuntime) -> None:
    text = f"FROM {BASE}\nRUN i=0; while [ $i -lt 60 ]; do dd if=/dev/urandom of=/f$i bs=1M count=10 2>/dev/null; sync; sleep 0.1; i=$((i+1)); done\n"
    ended, log = await run(runtime, here.order({"Dockerfile": text}, disk_bytes=40 * MIB))
    assert ended.cause is Cause.DISK, log
    assert "MB of disk and may take 40" in ended.detail
    await until(lambda: stepping("of=/f$i"), lambda seen: not seen, "its step runs on")


# --- ends ---


@BUILDERS
async def test_a_stop_ends_also_the_step(here: Machine, runtime: BuildRuntime, builder: str) -> None:
    mark = f"sleep 1234{len(builder)}"
    order = here.order({"Dockerfile": f"FROM {BASE}\nRUN echo up; {mark}\n"})
    await runtime.prepare(order, lambda _: None)
    await runtime.start(order)
    await until(lambda: stepping(mark), bool, "its step does not run")
    async with asyncio.timeout(10):
        await runtime.stop(order.id, 5.0)
        await until(lambda: stepping(mark), lambda seen: not seen, "its step runs on")
    ended = await runtime.wait(order.id)
    assert ended.exit_code == 143
    assert ended.built is None
    await until(lambda: containers_of(here, mark), lambda seen: not seen, "its container is left")
    if builder == "buildkit":
        assert (group_of(here, "cpu") / "cpu.cfs_quota_us").read_text().strip() == "-1"
    await runtime.remove(order.id)
    assert processes_of(order.id) == []
    assert list((here.folder / "orders").iterdir()) == []


async def test_a_kill_ends_also_the_step_and_gives_the_limits_back(here: Machine, runtime: BuildRuntime) -> None:
    order = here.order({"Dockerfile": f"FROM {BASE}\nRUN echo up; sleep 12399\n"})
    await runtime.prepare(order, lambda _: None)
    await runtime.start(order)
    await until(lambda: stepping("sleep 12399"), bool, "its step does not run")
    async with asyncio.timeout(10):
        await runtime.stop(order.id, 0.0)
        await until(lambda: stepping("sleep 12399"), lambda seen: not seen, "its step runs on")
    await runtime.wait(order.id)
    assert (group_of(here, "cpu") / "cpu.cfs_quota_us").read_text().strip() == "-1"


async def test_an_agent_that_is_killed_finds_its_build_again(here: Machine, tmp_path: Path) -> None:
    order = here.order({"Dockerfile": f"FROM {BASE}\nRUN echo early; sleep 2; echo late\n"}, tags=("v1",))
    assert order.build is not None
    assert order.build.source is not None
    begun = Begun(
        folder=str(here.folder),
        engine=here.engine.url,
        login=here.sources.login,
        assignment=order,
        source=here.sources.uploads[order.build.source],
    )
    (tmp_path / "begun").write_bytes(msgspec.msgpack.encode(begun))
    script = Path(__file__).with_name("begin_build.py")
    agent = await asyncio.create_subprocess_exec(sys.executable, script, tmp_path / "begun", stdout=subprocess.PIPE)
    assert agent.stdout is not None
    assert await agent.stdout.readline() == b"begun\n"
    await until(lambda: stepping("echo early; sleep 2"), bool, "its step does not run")
    agent.kill()
    await agent.wait()
    successor = here.open()
    found = await successor.found()
    assert [(one.id, one.ended) for one in found] == [(order.id, False)]
    assert await successor.start(order) == found[0].started_at
    async with asyncio.timeout(DEADLINE_S):
        ended = await successor.wait(order.id)
    log = await text_of(successor, order.id)
    assert ended.built is not None, log
    assert log.count("recognised:") == 1
    await successor.close()


async def test_what_was_only_prepared_leaves_nothing(here: Machine, runtime: BuildRuntime) -> None:
    order = here.order({"Dockerfile": f"FROM {BASE}\n"}, secrets={"token": SECRET})
    await runtime.prepare(order, lambda _: None)
    assert await runtime.found() == []
    assert (here.folder / "orders" / order.id).exists()  # by this agent: it may be about to start it
    successor = here.open()
    assert await successor.found() == []
    assert not (here.folder / "orders" / order.id).exists()
    await successor.close()


async def test_unknown_ids_and_a_start_twice(here: Machine, runtime: BuildRuntime) -> None:
    nobody = AllocationId("a-nobody")
    await runtime.stop(nobody, 0.1)
    await runtime.remove(nobody)
    assert [item async for item in runtime.output(nobody, 0)] == []
    with pytest.raises(RuntimeFailure):
        await runtime.wait(nobody)
    order = here.order({"Dockerfile": f"FROM {BASE}\n"})
    await runtime.prepare(order, lambda _: None)
    both = await asyncio.gather(runtime.start(order), runtime.start(order))
    assert both[0] == both[1]
    first = await runtime.wait(order.id)
    assert await runtime.wait(order.id) == first
    assert not (here.folder / "orders" / order.id / "order").exists()
    whole = await text_of(runtime, order.id)
    assert whole.count("recognised:") == 1


# --- what it refuses, and how it says so ---


@BUILDERS
async def test_a_step_that_fails_is_named(here: Machine, runtime: BuildRuntime) -> None:
    ended, log = await run(runtime, here.order({"Dockerfile": f"FROM {BASE}\nRUN echo hm; exit 3\n"}))
    assert (ended.exit_code, ended.cause) == (1, Cause.EXIT)
    assert "exit 3" in ended.detail
    assert "exit code 3" in ended.detail
    assert log.rstrip().splitlines()[-1] == f"build failed: {ended.detail}"


REFUSALS: tuple[tuple[dict[str, str], dict[str, Any], str], ...] = (
    ({"notes.txt": "x"}, {}, "nothing that can be built was recognised"),
    ({"../evil": "x"}, {}, "leads out of the archive"),
    ({"Dockerfile": f"FRM {BASE}\n"}, {}, "correct the Dockerfile"),
    ({"Dockerfile": f"FROM {BASE}\nCOPY nothere /\n"}, {}, "nothere"),
    ({"Dockerfile": "FROM draas.internal/other/web:1\n"}, {}, "is no image of the project p"),
    (
        {"Dockerfile": "FROM draas.internal/p/never:1\n"},
        {},
        "draas.internal/p/never:1, which the Dockerfile builds upon",
    ),
    ({"Dockerfile": "# syntax=evil/frontend\nFROM x\n"}, {}, "syntax is 'evil/frontend'"),
    ({"Dockerfile": f"FROM {BASE}\n"}, {"folder": "../.."}, "leads out of the source"),
    ({"Dockerfile": f"FROM {BASE}\n"}, {"dockerfile": "other"}, "the source has no dockerfile 'other'"),
    *(({}, {"git": url}, "git URLs begin with") for url in ("file:///etc", "ext::sh -c id", "/etc", "--upload-pack=x")),
    ({}, {"git": "https://h.example/p#--x"}, "no branch, tag or commit"),
)


async def test_refusals_name_what_and_why(here: Machine, runtime: BuildRuntime) -> None:
    await runtime.probe()
    for some in (REFUSALS[:5], REFUSALS[5:10], REFUSALS[10:]):
        ends = await asyncio.gather(*(run(runtime, here.order(files, **given)) for files, given, _ in some))
        for (ended, log), (_, _, told) in zip(ends, some, strict=True):
            assert ended.exit_code == 1, log
            assert told in ended.detail
            assert log.rstrip().splitlines()[-1] == f"build failed: {ended.detail}"


async def test_another_platform_is_refused(here: Machine, runtime: BuildRuntime) -> None:
    with pytest.raises(RuntimeFailure, match="for linux/s390x, and this node builds for linux/") as failure:
        await runtime.prepare(here.order({"Dockerfile": ""}, platform="linux/s390x"), lambda _: None)
    assert failure.value.cause is Cause.REFUSED


# --- pushing ---


async def test_other_registries_get_it_and_say_why_not(here: Machine, runtime: BuildRuntime) -> None:
    host = here.sources.login.host
    files = {"Dockerfile": f"FROM {BASE}\nRUN echo $RANDOM >/r\n"}
    good = Login(host=host, username="me", password=here.sources.login.password)
    ended, log = await run(runtime, here.order(files, also_push={f"{host}/else/where:2": good}))
    assert ended.built is not None, log
    assert ended.built.pushed == (f"{host}/else/where:2",)
    assert (await here.client.ask("HEAD", "/v2/else/where/manifests/2")).status == 200
    bad = Login(host=host, username="me", password="wrong-password")  # noqa: S106
    ended, log = await run(runtime, here.order(files, also_push={f"{host}/else/other:2": bad}))
    assert ended.cause is Cause.EXIT, log
    assert "said: unauthorized" in ended.detail
    assert "wrong-password" not in log


async def test_a_push_waits_for_the_agent_to_come_back(here: Machine, runtime: BuildRuntime) -> None:
    here.away = True
    order = here.order({"Dockerfile": f"FROM {BASE}\nRUN echo $RANDOM >/r\n"})
    await runtime.prepare(order, lambda _: None)
    await runtime.start(order)
    await until_log(runtime, order.id, "trying again")
    here.away = False
    async with asyncio.timeout(DEADLINE_S):
        ended = await runtime.wait(order.id)
    assert ended.built is not None, await text_of(runtime, order.id)


# --- git ---


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.needs("git")
async def test_a_git_url_with_a_branch(here: Machine, runtime: BuildRuntime, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init")
    (work / "Dockerfile").write_text(f"FROM {BASE}\nCOPY . /src\nRUN ls -A /src; cat /src/kept\n")
    (work / ".gitignore").write_text("kept\n")
    (work / ".gitattributes").write_text("kept export-ignore\n")
    (work / "kept").write_text("of the branch\n")
    git(work, "add", "-f", ".")
    git(work, "commit", "-m", "one")
    git(work, "branch", "other")
    (work / "kept").write_text("of main\n")
    git(work, "commit", "-am", "two")
    git(tmp_path, "clone", "--bare", str(work), str(tmp_path / "shop.git"))
    git(tmp_path / "shop.git", "update-server-info")
    with serving(tmp_path) as url:
        ended, log = await run(runtime, here.order(git=f"{url}/shop.git#other"))
        assert ended.built is not None, log
        assert "of the branch" in log
        ended, log = await run(runtime, here.order(git=f"{url}/shop.git"))
        assert "of main" in log
        ended, log = await run(runtime, here.order(git=f"{url}/shop.git#nobranch"))
        assert ended.exit_code == 1
        assert "nobranch of http://127.0.0.1" in ended.detail
        assert "check the URL and the branch" in ended.detail


async def test_an_archive_with_links_out_is_refused(here: Machine, runtime: BuildRuntime) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        link = tarfile.TarInfo("Dockerfile")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        tar.addfile(link)
    order = here.order(source=here.sources.upload(out.getvalue()))
    ended, log = await run(runtime, order)
    assert "is a link out of the archive" in ended.detail, log
    assert not (here.folder / "orders" / order.id / "tree").exists()
