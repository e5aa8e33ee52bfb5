"""Logins to registries: over the API and the command line, sealed where they are kept, and sent to the machine that pulls alone."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import click
import pytest
from cli_world import environment, for_process
from click.testing import CliRunner, Result
from msgspec import structs

from draas.cli.main import main
from draas.client.api import Client
from draas.client.settings import Settings
from draas.lib.sealing import Sealer, Unsealable
from draas.model.allocation import NodeId
from draas.model.command import SubmitJobs
from draas.model.errors import Forbidden, Invalid, NotFound
from draas.model.image_name import Repository, Tag
from draas.model.job import JobId, JobSpec, ProjectName, RuntimeName
from draas.model.login import Login
from draas.model.policy import Policy
from draas.model.resources import GIB
from draas.server.config import DockerHub
from draas.server.loops.control import ControlLoop
from draas.server.services.controller import Reply
from draas.server.services.docker_hub import with_push
from draas.server.services.registries import Registries, open_login, seal_login
from draas.store.memory import Medium, MemoryStore
from draas.store.store import Write
from draas.testing.api import Served, put_key, serve_api
from draas.testing.builders import an_assignment, some_facts
from draas.testing.fake_logs import FakeLogs
from draas.testing.waiting import until
from draas.wire.link import Assign, Assignment, BuildOrder

HOST, PASSWORD = "registry.example:5000", "hush-hush-4711"
RED, BLUE = ProjectName("red"), ProjectName("blue")
SEALER = Sealer(bytes(32))
PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "registries.md"


def test_a_password_is_sealed_for_its_project_and_host() -> None:
    kept = seal_login(RED, HOST, "me", PASSWORD, 1.0, SEALER)
    assert PASSWORD.encode() not in kept.sealed_password
    login = open_login(kept, SEALER)
    assert (login.host, login.username, login.password) == (HOST, "me", PASSWORD)
    assert PASSWORD not in repr(login) + repr(kept) + repr(DockerHub(username="me", password=PASSWORD))
    for moved in (replace(kept, project=BLUE), replace(kept, host="other.example")):
        with pytest.raises(Unsealable):
            open_login(moved, SEALER)


# --- over the API ---


async def test_over_the_api() -> None:
    async with serve_api() as served, Client(served.settings("deployer")) as client:
        put = await client.put_registry("Registry.Example:5000", "me", PASSWORD)
        assert set(put) == {"host", "username", "project", "created_at"}
        assert (put["host"], put["username"], put["project"]) == (HOST, "me", "default")
        hub = await client.put_registry("index.docker.io", "me", PASSWORD, "red")
        assert hub["host"] == "docker.io"
        assert (await client.registries())["items"] == [put, hub]
        assert (await client.registries("red"))["items"] == [hub]
        again = await client.put_registry(HOST, "you", "another", "default")
        assert (again["username"], (await client.registries())["total"]) == ("you", 2)
        with pytest.raises(NotFound, match=f"project red has no login to {HOST}"):
            await client.remove_registry(HOST, "red")
        await client.remove_registry("REGISTRY.example:5000")
        assert (await client.registries())["items"] == [hub]
        async with Client(served.settings("viewer")) as viewer:
            told = str(await viewer.registries())
            with pytest.raises(Forbidden):
                await viewer.put_registry(HOST, "me", PASSWORD)
            with pytest.raises(Forbidden):
                await viewer.remove_registry("docker.io", "red")
        events = [one.event for one in await served.controller.events(0, 100)]
        assert PASSWORD not in told + str(events)


async def test_what_is_wrong_is_told_of_its_field_and_never_repeated() -> None:
    async with serve_api() as served, Client(served.settings("deployer")) as client:
        with pytest.raises(Invalid, match="give its port as well"):
            await client.put_registry("nas", "me", PASSWORD)
        with pytest.raises(Invalid, match="own registry"):
            await client.put_registry("draas.internal", "me", PASSWORD)
        for username, password, path in (
            ("a:b", PASSWORD, "username"),
            ("", PASSWORD, "username"),
            ("me", "", "password"),
        ):
            with pytest.raises(Invalid) as caught:
                await client.put_registry(HOST, username, password)
            assert [fault.path for fault in caught.value.faults] == [path]
        with pytest.raises(Invalid) as long:
            await client.put_registry(HOST, "me", PASSWORD * 1000)
        assert PASSWORD not in str(long.value.faults) + str(long.value)
        assert (await client.registries())["total"] == 0


async def test_a_key_of_a_project_has_to_do_with_that_projects_logins_alone() -> None:
    async with serve_api() as served, Client(served.settings("deployer")) as whole:
        await whole.put_registry(HOST, "theirs", PASSWORD, "blue")
        secret = await put_key(served.controller, "deployer", project="red")
        async with Client(Settings(url=served.url, key=secret)) as red:
            mine = await red.put_registry(HOST, "mine", PASSWORD)
            assert mine["project"] == "red"
            assert (await red.registries())["items"] == [mine]
            for call in (
                red.registries("blue"),
                red.put_registry(HOST, "x", "y", "blue"),
                red.remove_registry(HOST, "blue"),
            ):
                with pytest.raises(Forbidden, match="for project red only"):
                    await call
            await red.remove_registry(HOST)
        assert [one["username"] for one in (await whole.registries())["items"]] == ["theirs"]


# --- the command line ---


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_api() as started:
        yield started


async def draas(served: Served, folder: Path, *words: str, given: str = "") -> Result:
    runner = CliRunner(env=environment(served, folder))
    return await asyncio.to_thread(runner.invoke, main, ["registries", *words], input=given)


async def test_the_command_line(served: Served, tmp_path: Path) -> None:
    added = await draas(served, tmp_path, "add", HOST, "-u", "me", "--password-stdin", given=f"{PASSWORD}\n")
    assert (added.exit_code, added.output) == (0, f"{HOST}: project default pulls as me\n"), added.output
    (kept,) = served.controller.registries()
    assert open_login(kept, served.controller.sealer).password == PASSWORD  # without the newline of `echo`
    quiet = ("--password-stdin", "--project", "red", "--quiet")
    assert (await draas(served, tmp_path, "add", "ghcr.io", "--username", "you", *quiet, given="x")).output == ""
    table = (await draas(served, tmp_path)).output
    assert [line.split()[:3] for line in table.splitlines()] == [
        ["HOST", "USERNAME", "PROJECT"], [HOST, "me", "default"], ["ghcr.io", "you", "red"],
    ]  # fmt: skip
    assert PASSWORD not in table + added.output + (await draas(served, tmp_path, "--json")).output
    assert (await draas(served, tmp_path, "--quiet", "--project", "red")).output == "ghcr.io\n"
    assert (await draas(served, tmp_path, "rm", HOST)).output == f"{HOST} removed\n"
    gone = await draas(served, tmp_path, "rm", HOST)
    assert (gone.exit_code, gone.output) == (1, f"draas: project default has no login to {HOST}\n")


async def test_the_command_line_takes_a_password_from_nowhere_but_standard_input_or_a_terminal(
    served: Served, tmp_path: Path
) -> None:
    no_terminal = await draas(served, tmp_path, "add", HOST, "-u", "me", given=PASSWORD)
    assert (no_terminal.exit_code, "--password-stdin" in no_terminal.output) == (2, True)
    wrong = await draas(served, tmp_path, "add", "https://ghcr.io", "-u", "me", "--password-stdin", given=PASSWORD)
    assert (wrong.exit_code, "without https://" in wrong.output) == (2, True)
    empty = await draas(served, tmp_path, "add", HOST, "-u", "me", "--password-stdin")
    assert (empty.exit_code, empty.output) == (2, "draas: the password must have at least 1 characters\n")
    names = [
        option
        for one in main.get_command(click.Context(main), "registries").commands["add"].params
        for option in one.opts
    ]
    assert [name for name in names if "password" in name] == ["--password-stdin"]


# --- what machines are sent ---


@asynccontextmanager
async def running(medium: Medium, sealer: Sealer = SEALER) -> AsyncIterator[ControlLoop]:
    loop = ControlLoop(MemoryStore(medium), FakeLogs(), Policy())
    loop.sealer = sealer
    await loop.open()
    task = asyncio.ensure_future(loop.run())
    try:
        yield loop
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Machine:
    """A linked agent that runs nothing: what it was sent of each job."""

    def __init__(self, loop: ControlLoop) -> None:
        self.loop = loop
        self.welcomes: list[Assign] = []
        self.put: dict[str, Assignment] = {}
        loop.send_orders = lambda _node, assign: self._take(assign)
        self.link()

    def link(self) -> None:
        self.loop.on_hello(
            NodeId("n-1"),
            "one",
            some_facts(cpu=64_000, memory=64 * GIB),
            {},
            True,
            lambda orders, _: self._welcome(orders),
        )

    def _welcome(self, orders: Assign) -> None:
        self.welcomes.append(orders)
        self._take(orders)

    def _take(self, assign: Assign) -> None:
        self.put.update({str(one.job_id): one for one in assign.put})

    async def sent(self, id: str, image: str, project: ProjectName) -> list[tuple[str, str]]:
        """With which logins a new job goes out."""
        spec = JobSpec(command="true", image=image)
        submit = SubmitJobs(project=project, ids=(JobId(id),), specs=(spec,), known={})
        await self.loop.command(submit, lambda _jobs, _nodes: Reply(201, b""))
        found = await until(lambda: self.put.get(id), lambda one: one is not None, f"{id} sent")
        return pairs(found)


def pairs(assignment: Assignment) -> list[tuple[str, str]]:
    return [(login.host, login.password) for login in assignment.logins]


async def test_a_job_is_sent_its_projects_login_for_its_images_registry_and_no_other() -> None:
    medium = Medium()
    async with running(medium) as loop:
        machine = Machine(loop)
        given = [(RED, HOST, "secret-1"), (RED, "docker.io", "secret-2"), (BLUE, HOST, "secret-3")]
        for project, host, password in given:
            await loop.write(Write(registries=(seal_login(project, host, "me", password, 1.0, SEALER),)))
        assert await machine.sent("j-1", f"{HOST}/shop:1", RED) == [(HOST, "secret-1")]
        assert await machine.sent("j-2", "nginx:1.25", RED) == [("docker.io", "secret-2")]
        assert await machine.sent("j-3", "registry-1.docker.io/team/shop", RED) == [("docker.io", "secret-2")]
        assert await machine.sent("j-4", "registry.example/shop", RED) == []
        assert await machine.sent("j-5", f"{HOST}/shop:1", BLUE) == [(HOST, "secret-3")]
        assert await machine.sent("j-6", "nginx", BLUE) == []
        assert await machine.sent("j-7", f"{HOST}/shop", ProjectName("green")) == []
        machine.put.clear()
        machine.link()  # again: full state has them too
        await until(lambda: machine.put, lambda put: len(put) == 7, "all sent again")
        assert pairs(machine.put["j-1"]) == [(HOST, "secret-1")]
    kept = str(medium).encode() + b"".join(login.sealed_password for login in medium.registries.values())
    assert b"secret-" not in kept


async def test_a_login_that_is_changed_or_removed_is_so_for_what_is_placed_afterwards() -> None:
    async with running(Medium()) as loop:
        machine = Machine(loop)
        await loop.write(Write(registries=(seal_login(RED, HOST, "me", "old", 1.0, SEALER),)))
        assert await machine.sent("j-1", f"{HOST}/shop", RED) == [(HOST, "old")]
        await loop.write(Write(registries=(seal_login(RED, HOST, "me", "new", 2.0, SEALER),)))
        assert await machine.sent("j-2", f"{HOST}/shop", RED) == [(HOST, "new")]
        await loop.write(Write(gone_registries=((RED, HOST),)))
        assert await machine.sent("j-3", f"{HOST}/shop", RED) == []


async def test_a_controller_that_starts_again_sends_what_it_can_open() -> None:
    medium = Medium()
    async with running(medium) as loop:
        other = Sealer(b"y" * 32)
        lost = seal_login(RED, "lost.example", "me", "x", 1.0, other)
        await loop.write(Write(registries=(seal_login(RED, HOST, "me", "secret-1", 1.0, SEALER), lost)))
    async with running(medium) as loop:
        machine = Machine(loop)
        assert await machine.sent("j-1", f"{HOST}/shop", RED) == [(HOST, "secret-1")]
        assert await machine.sent("j-2", "lost.example/shop", RED) == []


# --- Docker Hub ---

ORDER = BuildOrder(
    source=None, git="", folder="", dockerfile="", target="", args={}, platform="", disk_bytes=1, cache=True,
    repository=Repository("default/shop"), tags=(Tag("1"), Tag("latest")),
)  # fmt: skip
HUB = DockerHub(username="Me", password=PASSWORD)


def build(repository: str = "default/shop", *tags: str) -> Assignment:
    order = structs.replace(ORDER, repository=Repository(repository), tags=tuple(Tag(tag) for tag in tags))
    return structs.replace(an_assignment("j-7.1", runtime=RuntimeName.BUILD), build=order)


def pushed(assignment: Assignment, hub: DockerHub | None = HUB) -> dict[str, Login]:
    sent = with_push(assignment, hub)
    assert sent.build is not None
    return dict(sent.build.also_push)


def test_a_build_is_pushed_under_each_of_its_tags() -> None:
    login = Login(host="docker.io", username="Me", password=PASSWORD)
    names = ("docker.io/me/shop:1", "docker.io/me/shop:latest")
    assert pushed(build("default/shop", "1", "latest")) == dict.fromkeys(names, login)
    assert list(pushed(build("default/shop"))) == ["docker.io/me/shop:j-7"]
    assert list(pushed(build("red/shop/web", "1"))) == ["docker.io/me/red-shop-web:1"]
    mirror = replace(HUB, registry="127.0.0.1:5000")
    assert [(name, one.host) for name, one in pushed(build("default/shop", "1"), mirror).items()] == [
        ("127.0.0.1:5000/me/shop:1", "127.0.0.1:5000")
    ]


def test_nothing_is_pushed_where_that_is_off_or_nothing_is_built() -> None:
    assert pushed(build("default/shop", "1"), None) == {}
    job = an_assignment()
    assert with_push(job, HUB) is job


def test_a_build_is_sent_all_of_its_projects_logins_and_a_host_job_none() -> None:
    kept = [seal_login(RED, host, "me", PASSWORD, 1.0, SEALER) for host in (HOST, "docker.io")]
    kept.append(seal_login(BLUE, HOST, "other", PASSWORD, 1.0, SEALER))
    registries = Registries(kept)
    sent = registries.with_logins(structs.replace(build("red/shop"), project=RED), SEALER)
    assert [(login.host, login.username) for login in sent.logins] == [("docker.io", "me"), (HOST, "me")]
    whole = with_push(sent, HUB)
    assert PASSWORD not in repr(whole) + str(Assign(epoch=1, generation=1, put=[whole]))
    on_host = an_assignment(runtime=RuntimeName.PROCESS)
    assert registries.with_logins(structs.replace(on_host, project=RED, image="nginx"), SEALER).logins == ()


# --- the page ---


async def test_the_examples_of_the_page_run_as_they_stand(served: Served, tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    script = ["set -euo pipefail", f'draas() {{ "{sys.executable}" -m draas "$@"; }}', *blocks]
    ran = await asyncio.create_subprocess_exec(
        "bash", "-c", "\n".join(script),
        cwd=tmp_path, env=for_process(environment(served, tmp_path, TOKEN=PASSWORD)),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told = (await asyncio.wait_for(ran.communicate(), 60))[0].decode()
    assert ran.returncode == 0, told
    (kept,) = served.controller.registries()
    login = open_login(kept, served.controller.sealer)
    assert (login.host, login.username, login.password) == ("docker.io", "robot", PASSWORD)
    assert PASSWORD not in told
    assert f"{HOST} removed" in told
