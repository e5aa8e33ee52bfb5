"""Builds as data: the docker command, limits, disks, logs, git URLs, ends."""

from pathlib import Path

import msgspec
import pytest

from draas.agent.core.exits import judge
from draas.agent.runtimes.build.build_runtime import check_order, host_assignment, normal_platform, render_ended
from draas.agent.runtimes.build.buildkit import Failing, StepFailed
from draas.agent.runtimes.build.classic import build_query, lines_of
from draas.agent.runtimes.build.docker_command import Files, build_environment, build_words
from draas.agent.runtimes.build.git_source import git_environment, parse_git_url
from draas.agent.runtimes.build.group_settings import (
    NO_LIMITS,
    add_limits,
    cpus_for_builds,
    cpus_setting,
    find_folders,
    leave_a_core,
    parse_cpus,
    render_settings,
    without_needless_quota,
)
from draas.agent.runtimes.build.log_text import Lines, Masks, clean, is_noise
from draas.agent.runtimes.build.order import Engine, Order, Result, read_result, take_order, write_order, write_result
from draas.agent.runtimes.build.own_weight import render_own_weight
from draas.agent.runtimes.build.room import Disk, check_room
from draas.agent.runtimes.process.cgroup_files import Limits
from draas.agent.runtimes.runtime import Exited, RuntimeFailure
from draas.model.allocation import AllocationState, Cause
from draas.model.build import Built
from draas.model.errors import Invalid
from draas.model.image_name import Repository
from draas.model.login import Login
from draas.model.resources import GIB, MIB
from draas.testing.builders import an_assignment
from draas.wire.link import BuildOrder

ENGINE = Engine(
    url="unix:///run/docker.sock", version="20.10.24", platform="linux/amd64", builder="buildkit", root="/var/lib/docker",
    cli="/usr/bin/docker", group="/docker",
)  # fmt: skip
BUILD = BuildOrder(
    repository=Repository("p/web"), source=None, git="", tags=(), folder="", dockerfile="", target="", args={}, platform="",
    disk_bytes=GIB, cache=True,
)  # fmt: skip
LOGIN = Login(host="127.0.0.1:41999", username="node", password="pass-of-the-node")  # noqa: S106
ORDER = Order(
    id="a-1", job_id="j-1", project="p", owner="n-1", build=BUILD, registry=LOGIN, logins=(), engine=ENGINE, cpu_millis=1500,
    memory_bytes=256 * MIB,
)  # fmt: skip


def test_the_docker_command() -> None:
    build = msgspec.structs.replace(BUILD, args={"B": "2", "A": "--x y"}, target="run", cache=False)
    files = Files(dockerfile=Path("/b/recipe/Dockerfile"), image_id=Path("/b/id"), config=Path("/b/docker"))
    words = build_words(
        msgspec.structs.replace(ORDER, build=build), Path("/b/tree"), files, {"token": "/proc/self/fd/5"}
    )
    assert words == [
        *("/usr/bin/docker", "--host", "unix:///run/docker.sock", "build", "--progress=plain"),
        *("--file", "/b/recipe/Dockerfile", "--iidfile", "/b/id", "--build-arg", "A=--x y", "--build-arg", "B=2"),
        *("--secret", "id=token,src=/proc/self/fd/5", "--label", "draas.owner=n-1", "--label", "draas.repository=p/web"),
        *("--target", "run", "--no-cache", "--", "/b/tree"),
    ]  # fmt: skip
    assert build_environment(files.config)["DOCKER_CONFIG"] == "/b/docker"


def test_the_classic_builder_is_asked_with_limits() -> None:
    query = build_query(ORDER)
    assert (query["version"], query["memory"], query["memswap"]) == ("1", 256 * MIB, 256 * MIB)
    assert (query["cpuquota"], query["cpuperiod"], query["forcerm"]) == (150_000, 100_000, 1)
    assert "nocache" not in query


def test_limits_of_builds_are_those_of_all_together() -> None:
    one = Limits(memory_bytes=100, cpu_millis=200, pids_max=10)
    assert add_limits([]) == NO_LIMITS
    assert add_limits([one, one]) == Limits(memory_bytes=200, cpu_millis=400, pids_max=20)
    assert add_limits([one, Limits(memory_bytes=0, cpu_millis=1, pids_max=10)]).memory_bytes == 0


@pytest.mark.parametrize(
    ("asked", "cores", "left"),
    [(1000, 1, 1000), (1000, 2, 1000), (2000, 2, 1000), (0, 4, 3000), (1500, 4, 1500), (0, 1, 0)],
)
def test_a_core_is_left_to_what_runs_beside_builds(asked: int, cores: int, left: int) -> None:
    limits = Limits(memory_bytes=100, cpu_millis=asked, pids_max=10)
    assert leave_a_core(limits, cores) == Limits(memory_bytes=100, cpu_millis=left, pids_max=10)


@pytest.mark.parametrize(
    ("asked", "cores", "left"), [(1000, 1, 0), (999, 1, 999), (3000, 2, 0), (1000, 3, 1000), (0, 1, 0)]
)
def test_a_quota_that_the_cpus_grant_anyway_is_left_out(asked: int, cores: int, left: int) -> None:
    limits = Limits(memory_bytes=100, cpu_millis=asked, pids_max=10)
    assert without_needless_quota(limits, cores) == Limits(memory_bytes=100, cpu_millis=left, pids_max=10)


@pytest.mark.parametrize("cores", [1, 2, 64])
def test_without_builds_the_group_has_no_limit(cores: int) -> None:
    assert leave_a_core(NO_LIMITS, cores) == NO_LIMITS


@pytest.mark.parametrize(
    ("machine", "builds"), [("0", "0"), ("0-1", "1"), ("0-3", "1,2,3"), ("2,5-6\n", "5,6"), ("0-1,8", "1,8")]
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_builds_run_on_all_cpus_but_the_first(machine: str, builds: str, version: str) -> None:
    setting = cpus_setting(cpus_for_builds(parse_cpus(machine)), version)
    assert (setting.controller, setting.name) == ("cpuset" if version == "v1" else "", "cpuset.cpus")
    assert (setting.value, setting.optional) == (builds, True)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_builds_that_keep_off_a_cpu_are_light_and_not_idle(version: str) -> None:
    """The kernel wakes apps up on a CPU where nothing but idle groups runs as if it were free."""
    limits = Limits(memory_bytes=100, cpu_millis=200, pids_max=10)
    kept_off = {one.name: one.value for one in render_settings(limits, version, kept_off=True)}
    assert kept_off["cpu.idle"] == "0"
    assert kept_off["cpu.shares" if version == "v1" else "cpu.weight"] == ("16" if version == "v1" else "1")
    order = [one.name for one in render_settings(limits, version, kept_off=True)]
    assert order.index("cpu.idle") < order.index("cpu.shares" if version == "v1" else "cpu.weight")


def test_the_program_lowers_its_own_group_alone() -> None:
    v1 = render_own_weight({"cpu": "/draas-1/7", "": "/"}, {"cpu": "/c/cpu", "memory": "/c/memory"})
    assert [(folder, one.name, one.value) for folder, one in v1] == [("/c/cpu/draas-1/7", "cpu.shares", "128")]
    v2 = render_own_weight({"": "/draas-1/7"}, {"": "/c"})
    assert [(folder, one.name, one.value) for folder, one in v2] == [("/c/draas-1/7", "cpu.weight", "12")]
    assert render_own_weight({"cpu": "/", "": "/"}, {"cpu": "/c/cpu", "": "/c"}) == []


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_limits_are_set_and_all_of_them_taken_back(version: str) -> None:
    limits = Limits(memory_bytes=100, cpu_millis=200, pids_max=10)
    on, off = (
        {setting.name: setting.value for setting in render_settings(one, version, kept_off=False)}
        for one in (limits, NO_LIMITS)
    )
    assert on.keys() == off.keys()
    if version == "v1":
        assert (on["memory.limit_in_bytes"], on["cpu.cfs_quota_us"], on["cpu.idle"]) == ("100", "20000", "1")
        assert (off["memory.limit_in_bytes"], off["cpu.cfs_quota_us"], off["cpu.shares"]) == ("-1", "-1", "1024")
    else:
        assert (on["memory.max"], on["cpu.max"], on["io.weight"]) == ("100", "20000 100000", "default 10")
        assert (off["memory.max"], off["cpu.max"], off["cpu.weight"]) == ("max", "max 100000", "100")
    order = [setting.name for setting in render_settings(NO_LIMITS, version, kept_off=False)]
    weight = "cpu.shares" if version == "v1" else "cpu.weight"
    assert order.index("cpu.idle") < order.index(weight)


def test_where_the_group_is() -> None:
    both = {"memory": "/c/memory", "cpu": "/c/cpu", "pids": "/c/pids", "": "/c/unified"}
    assert find_folders("/docker", both)[1]["cpu"] == "/c/cpu/docker/buildkit"
    assert find_folders("/docker", {"": "/c"}) == ("v2", {"": "/c/docker/buildkit"})
    assert find_folders("/docker", {}) == ("", {})


def test_disks() -> None:
    def disk(free: int) -> Disk:
        return Disk(path="/d", device=1, free_bytes=free * MIB, total_bytes=1000 * MIB)

    assert check_room([disk(500)], [disk(401)], 100 * MIB) is None
    taken = check_room([disk(500)], [disk(399)], 100 * MIB)
    assert taken is not None
    assert (taken.cause, "took 101 MB of disk and may take 100" in taken.detail) == (Cause.DISK, True)
    last = check_room([disk(60)], [disk(49)], 100 * MIB)
    assert last is not None
    assert "only 49 MB (4.9 %) are free on this node at /d" in last.detail


@pytest.mark.parametrize(
    ("raw", "shown"),
    [("plain", "plain"), ("\x1b[1;31mred\x1b[0m", "red"), ("10 %\r50 %\r100 %", "100 %"), ("a\x07b\x00c", "abc"),
     ("\x1b]0;title\x07x", "x"), ("tab\there\r\n", "tab\there"), ("\x1b]8;;http://x\x1b\\link", "link")],
)  # fmt: skip
def test_lines_are_without_what_steers_terminals(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_noise_and_masks() -> None:
    assert is_noise("#5 sha256:" + "a" * 64)
    assert not is_noise("#5 CACHED")
    mask = Masks(["hunter22", "two\nlines of it", "ab"])
    assert mask("x hunter22 y lines of it z two ab") == "x *** y *** z two ab"
    assert Masks([])("as it is") == "as it is"


def test_a_stream_becomes_lines() -> None:
    lines = Lines()
    assert lines.feed(b"one\ntw") == ["one"]
    assert lines.feed(b"o\n\xff") == ["two"]
    assert lines.end() == ["\ufffd"]
    assert sum(map(len, lines.feed(b"x" * 200_000))) + sum(map(len, lines.end())) == 200_000


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ("executor failed running [/bin/sh -c false]: exit code: 1", "'RUN false' ended with exit code 1"),
        ('ERROR: failed to solve: process "/bin/sh -c x" did not complete successfully: exit code: 7', "ended with exit code 7"),
        ("failed to solve with frontend dockerfile.v0: dockerfile parse error line 1: unknown instruction: FRM", "dockerfile parse error line 1"),
        ("rpc error: code = Unknown desc = failed to solve: not found", "not found: correct the Dockerfile"),
    ],
)  # fmt: skip
def test_why_docker_build_failed(last: str, told: str) -> None:
    failing = Failing()
    for line in ("#5 ERROR: x", "------", " > [2/2] RUN false:", "------", last):
        failing.take(line)
    failure = failing.failure(1)
    assert told in failure.detail or told.replace("RUN false", "x") in failure.detail
    assert isinstance(failure, StepFailed) == ("exit code" in last)


def test_what_the_engine_says_is_told_once() -> None:
    assert lines_of({"stream": "Step 1/2 : FROM x\n"}) == ["Step 1/2 : FROM x"]
    assert lines_of({"stream": "\n"}) == []
    assert lines_of({"status": "Pushing", "progressDetail": {"current": 1}, "id": "a"}) == []
    assert lines_of({"status": "Pushed", "progressDetail": {}, "id": "a"}) == ["a: Pushed"]


@pytest.mark.parametrize(
    ("text", "url", "ref"),
    [
        ("https://h.example/a/b.git", "https://h.example/a/b.git", "HEAD"),
        ("https://h.example:8443/a#v1.2", "https://h.example:8443/a", "v1.2"),
        ("https://me:pa%3Ass@h.example/a#feature/x", "https://h.example/a", "feature/x"),
        ("ssh://git@h.example:22/a", "ssh://git@h.example:22/a", "HEAD"),
        ("git@h.example:a/b.git#main", "ssh://git@h.example/a/b.git", "main"),
        ("http://[::1]:80/a", "http://[::1]:80/a", "HEAD"),
    ],
)
def test_git_urls(text: str, url: str, ref: str) -> None:
    parsed = parse_git_url(text)
    assert (parsed.url, parsed.ref) == (url, ref)


@pytest.mark.parametrize(
    "text",
    ["", "file:///etc", "/srv/git", "ext::sh -c id", "git://h/x", "-u", "https://", "https:///x", "https://h", "https://-oX/x",
     "https://h/x#-x", "https://h/x#a..b", "https://h/x#a b", "https://h/ x", "https://h/x\n", "https://h:99999/x",
     "ssh://-oProxyCommand=x/y", "ssh://a@-oX/x", "-oX@h:x", "h:x", "https://h/x#" + "a" * 300, "fd::17", "ssh://a%20b@h/x"],
)  # fmt: skip
def test_git_urls_that_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_git_url(text)


def test_git_has_nothing_of_this_machine(tmp_path: Path) -> None:
    private = parse_git_url("https://me:pass-of-mine@h.example/a")
    environment = git_environment(private, tmp_path, token="", ssh_key="")
    assert "pass-of-mine" not in str(environment)
    assert (tmp_path / "git-credentials").read_text() == "https://me:pass-of-mine@h.example\n"
    assert (tmp_path / "git-credentials").stat().st_mode & 0o777 == 0o600
    assert environment["GIT_ALLOW_PROTOCOL"] == "https:http:ssh"
    ssh = git_environment(parse_git_url("git@h.example:a"), tmp_path, token="", ssh_key="KEY")
    assert f"IdentityFile={tmp_path}/ssh-key" in ssh["GIT_SSH_COMMAND"]
    assert (tmp_path / "ssh-key").stat().st_mode & 0o777 == 0o600


def test_platforms() -> None:
    assert [normal_platform(text) for text in ("linux/x86_64", "Linux/arm64/v8", "linux/arm/v7", "", "amd64")] == [
        "linux/amd64", "linux/arm64", "linux/arm/v7", "", "amd64",
    ]  # fmt: skip
    check_order(msgspec.structs.replace(BUILD, platform="linux/amd64"), ENGINE)
    with pytest.raises(RuntimeFailure, match="for linux/arm64, and this node builds for linux/amd64"):
        check_order(msgspec.structs.replace(BUILD, platform="linux/arm64"), ENGINE)


def test_the_order_is_gone_once_taken(tmp_path: Path) -> None:
    order = msgspec.structs.replace(ORDER, build=msgspec.structs.replace(BUILD, secrets={"a": "hidden"}))
    assert "hidden" not in repr(order)
    write_order(tmp_path, order)
    assert (tmp_path / "order").stat().st_mode & 0o777 == 0o600
    assert take_order(tmp_path) == order
    assert list(tmp_path.iterdir()) == []
    assert read_result(tmp_path) is None
    write_result(tmp_path, Result(cause=Cause.DISK, detail="full"))
    assert read_result(tmp_path) == Result(cause=Cause.DISK, detail="full")


def test_no_secret_of_a_build_is_in_the_process_that_is_started() -> None:
    hub, login = (Login(host="docker.io", username="u", password=f"hidden-{number}") for number in (2, 3))
    build = msgspec.structs.replace(BUILD, secrets={"a": "hidden-1"}, also_push={"docker.io/x/y:1": hub})
    assignment = msgspec.structs.replace(an_assignment(), build=build, logins=(login,))
    assert "hidden" not in str(msgspec.to_builtins(host_assignment(assignment, Path("/b"))))


def test_ends() -> None:
    ended = Exited(exit_code=1, started_at=1.0, finished_at=2.0, cpu_s=0.5, peak_memory_bytes=10)
    assert render_ended(ended, None) == ended
    disk = render_ended(ended, Result(cause=Cause.DISK, detail="the disk", cpu_s=1.0, peak_memory_bytes=20))
    assert (disk.cpu_s, disk.peak_memory_bytes) == (1.5, 20)
    seen = judge(disk, Cause.NONE, "")
    assert (seen.state, seen.cause, seen.detail, seen.built) == (AllocationState.FAILED, Cause.DISK, "the disk", None)
    built = Built(image="draas.internal/p/web@sha256:x", platform="linux/amd64")
    good = render_ended(Exited(exit_code=0, started_at=1.0, finished_at=2.0), Result(built=built))
    assert judge(good, Cause.NONE, "").built == built
    late = judge(good, Cause.TIMEOUT, "too long")
    assert (late.state, late.cause, late.built) == (AllocationState.FAILED, Cause.TIMEOUT, None)
