"""From a source to an app by the command line, against the real API and registry; a pretended builder makes the images."""

import asyncio
import json
import os
import signal
import sys
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cli_world import environment, for_process
from click.testing import CliRunner, Result
from pretended_builder import Builder
from registry_client import RegistryClient, registry

from draas.build.unpack import unpack
from draas.cli.main import main
from draas.client.api import Client
from draas.model.errors import Invalid
from draas.model.image_name import Digest, Repository
from draas.model.job import JobId
from draas.testing.api import Served, make_node, serve_api

Draas = Callable[..., Awaitable[Result]]
TIMEOUT_S = 30


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[RegistryClient]:
    async with registry(tmp_path / "registry") as opened:
        await opened.served.controller.put_node(make_node())
        opened.served.controller.apps_now.prompt = True
        yield opened


@pytest.fixture
def served(images: RegistryClient) -> Served:
    return images.served


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with Client(served.settings()) as opened:
        yield opened


@pytest.fixture
def draas(served: Served, tmp_path: Path) -> Draas:
    async def run(*words: str, given: str | None = None, **more: str) -> Result:
        runner = CliRunner(env=environment(served, tmp_path, **more))
        return await asyncio.to_thread(runner.invoke, main, words, input=given)

    return run


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "Shop"
    folder.mkdir()
    (folder / "main.py").write_text("print(1)\n")
    (folder / "requirements.txt").write_text("")
    return folder


async def queued_build(served: Served, after: int = 0) -> JobId:
    """The next build that is asked for."""
    async with asyncio.timeout(TIMEOUT_S):
        async for event in served.controller.follow_events(after):
            if event.event.kind == "build.queued":
                return JobId(event.event.subject)
    raise LookupError("no build was asked for")


@pytest.fixture
async def builder(images: RegistryClient) -> AsyncIterator[Builder]:
    async with Builder(images) as opened:
        yield opened


async def arrived(images: RegistryClient, digest: str, into: Path) -> list[str]:
    """The files of a source as the controller has it."""
    archive = into.parent / "arrived.tar.gz"
    size = await images.images.blobs.size(Repository("default/shop"), Digest(digest))
    with archive.open("wb") as out:
        async for piece in images.images.blobs.read(Digest(digest), 0, size):
            out.write(piece)
    with archive.open("rb") as opened:
        unpack(opened, into)
    return sorted(os.listdir(into))


# --- deploy ---


async def test_a_folder_becomes_an_app(
    draas: Draas, client: Client, images: RegistryClient, builder: Builder, shop: Path, tmp_path: Path
) -> None:
    result = await draas("deploy", str(shop), "--env", "A=1")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "http://10.0.0.1:40001/\n"
    told = result.stderr.splitlines()
    (id,) = builder.built
    build = await client.builds.get(id)
    assert told[0] == "shop: python, by requirements.txt, main.py; 2 files"
    assert told[1] == "the Dockerfile that is made for it, and sent along:"
    assert "  FROM python:3.13-slim" in told
    assert [line for line in told if line.startswith("sent ")] == [f"sent {told[told.index(f'build {id}') - 1][5:]}"]
    assert "Step 1/2 : FROM python" in told
    assert "make: *** no rule" in told
    assert any(line.startswith("built in ") and line.endswith("linux/amd64, 5.0 MiB") for line in told)
    assert told[-1] == "shop is live: release 1, 1 of 1 replica"
    digest = build["source"]["digest"]
    assert await arrived(images, digest, tmp_path / "out") == ["Dockerfile", "main.py", "requirements.txt"]
    app = await client.app("shop")
    assert (app["image"], app["spec"]["port"], app["spec"]["env"]) == (build["image"], 8000, {"A": "1"})
    assert app["spec"]["labels"] == {"draas.build": id, "draas.source": digest}
    row = (await draas("apps", "releases", "shop")).stdout.splitlines()[1].split()
    assert (row[2], row[4], row[5]) == ("draas.internal/default/shop", id, digest[:19])


async def test_what_has_not_changed_is_not_built_again(
    draas: Draas, client: Client, images: RegistryClient, builder: Builder, shop: Path
) -> None:
    assert (await draas("deploy", str(shop))).exit_code == 0
    again = await draas("deploy", str(shop))
    assert again.stderr.splitlines()[0] == f"shop: unchanged since build {builder.built[0]}"
    assert (again.exit_code, again.stdout, len(builder.built)) == (0, "http://10.0.0.1:40001/\n", 1)
    assert len((await client.app("shop"))["releases"]) == 1
    scaled = await draas("deploy", str(shop), "--replicas", "2")
    assert (scaled.stderr.splitlines()[-1], len(builder.built)) == ("shop is live: release 1, 2 of 2 replicas", 1)
    for count, words in enumerate((("--force-build",), ("--no-cache",), ("--build-arg", "A=1")), start=2):
        assert (await draas("deploy", str(shop), *words)).exit_code == 0
        assert len(builder.built) == count
    (shop / "main.py").write_text("print(2)\n")
    assert (await draas("deploy", str(shop))).exit_code == 0
    assert (len(builder.built), (await client.app("shop"))["spec"]["replicas"]["max"]) == (5, 2)
    # Its image was removed meanwhile.
    image = (await client.app("shop"))["image"]
    gone = await images.ask("DELETE", f"/v2/default/shop/manifests/{image.partition('@')[2]}")
    assert gone.status == 202
    assert not await client.has_image(image)
    assert (await draas("deploy", str(shop))).exit_code == 0
    assert len(builder.built) == 6


async def test_options_reach_the_build_and_secrets_nothing_else(
    draas: Draas, client: Client, builder: Builder, served: Served, shop: Path
) -> None:
    (shop / "Dockerfile.dev").write_text("FROM scratch\n")
    words = (
        "--dockerfile",
        "Dockerfile.dev",
        "--build-arg",
        "A=1",
        "--build-secret",
        "token=env:TOKEN",
        "--target",
        "run",
    )
    result = await draas("deploy", str(shop), *words, "--platform", "linux/amd64", "--port", "81", TOKEN="t0p-s3cret")  # noqa: S106 - to be searched for
    assert result.exit_code == 0
    assert "t0p-s3cret" not in result.output
    build = await client.builds.get(builder.built[0])
    assert (build["dockerfile_path"], build["args"], build["secrets"]) == ("Dockerfile.dev", {"A": "1"}, ["token"])
    assert (build["target"], build["platform"]) == ("run", "linux/amd64")
    assert (await client.app("shop"))["spec"]["port"] == 81


async def test_another_value_of_a_secret_builds_again(draas: Draas, builder: Builder, shop: Path) -> None:
    words = ("deploy", str(shop), "--build-secret", "npm=env:NPM")
    assert (await draas(*words, NPM="one")).exit_code == 0
    again = await draas(*words, NPM="one")
    assert again.stderr.splitlines()[0] == f"shop: unchanged since build {builder.built[0]}"
    changed = await draas(*words, NPM="two")
    assert (changed.exit_code, len(builder.built)) == (0, 2)
    assert "two" not in changed.output


async def test_a_failed_build_is_told_and_the_old_release_goes_on(
    draas: Draas, client: Client, builder: Builder, shop: Path
) -> None:
    await draas("deploy", str(shop), "--port", "80")
    (shop / "main.py").write_text("print(2)\n")
    builder.exit_code = 2
    failed = await draas("deploy", str(shop))
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr.count("make: *** no rule") == 1
    assert failed.stderr.splitlines()[-1] == f"draas: build {builder.built[1]} failed; release 1 of shop serves on"
    assert len((await client.app("shop"))["releases"]) == 1
    quiet = await draas("deploy", str(shop), "--quiet")
    assert quiet.stderr.splitlines() == [
        f"its last lines (draas builds logs {builder.built[2]}):",
        "  Step 1/2 : FROM python",
        "  Step 2/2 : RUN make",
        "  make: *** no rule",
        f"draas: build {builder.built[2]} failed; release 1 of shop serves on",
    ]
    machine = await draas("deploy", str(shop), "--json")
    assert (machine.exit_code, json.loads(machine.stdout)["state"]) == (1, "failed")
    builder.exit_code = 0
    well = await draas("deploy", str(shop), "--json")
    assert (well.exit_code, json.loads(well.stdout)["release"], well.stderr) == (0, 2, "")


async def test_an_archive_and_git(draas: Draas, client: Client, builder: Builder, shop: Path, tmp_path: Path) -> None:
    archive = tmp_path / "store-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(shop, "store-1.0")
    result = await draas("deploy", str(archive), "--name", "store")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.splitlines()[0] == "store: an archive"
    url = "https://example.org/team/blog.git#main"
    builder.port = None
    of_git = await draas("deploy", url)
    assert of_git.exit_code == 0, of_git.stderr
    assert of_git.stderr.splitlines()[0] == f"blog: {url}"
    assert "blog: no port is known, so it serves nothing: EXPOSE one in the Dockerfile, or give --port" in of_git.stderr
    assert (await client.builds.get(builder.built[1]))["git"] == url
    assert (await client.app("blog"))["spec"]["labels"]["draas.source"] == url
    wrong = await draas("deploy", "https://user:secret@example.org/shop.git")
    assert (wrong.exit_code, "the git URL must not hold a password" in wrong.stderr) == (2, True)


async def test_a_file_in_the_folder_counts(draas: Draas, client: Client, builder: Builder, shop: Path) -> None:
    (shop / "draas.yaml").write_text(
        "app: store\nbuild: {context: ., args: {A: 1}}\nreplicas: 2\nenv: {MODE: production}\n"
    )
    result = await draas("deploy", str(shop), "--env", "B=2")
    assert result.exit_code == 0, result.stderr
    spec = (await client.app("store"))["spec"]
    assert (spec["replicas"], spec["env"]) == ({"min": 2, "max": 2}, {"MODE": "production", "B": "2"})
    assert (await client.builds.get(builder.built[0]))["args"] == {"A": "1"}
    (shop / "draas.yaml").write_text("app: store\nprot: 1\n")
    wrong = await draas("deploy", str(shop))
    assert (wrong.exit_code, wrong.stderr) == (
        2, f"draas: {shop}/draas.yaml line 2: prot is not known; did you mean port?\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (("--image", "nginx"), "--image and a source are given", 2),
        (("--port", "70000"), "--port must be at most 65535", 2),
        (("--name", "a.b"), "--name must be a name such as shop-2", 2),
        (("--base", "x=y"), "--base must be KIND=IMAGE", 2),
        (("--build-secret", "x"), "--build-secret must be ID=FILE", 2),
        (("--platform", "windows"), "--platform must be linux/ and an architecture", 2),
        (("--dockerfile", "none"), "--dockerfile none: it is not among what is sent", 2),
    ],
)
async def test_wrong_usage_is_told_before_anything_is_built(
    draas: Draas, builder: Builder, shop: Path, words: tuple[str, ...], told: str, code: int
) -> None:
    result = await draas("deploy", str(shop), *words)
    assert (result.exit_code, told in result.stderr, result.stdout) == (code, True, ""), result.stderr
    assert builder.built == []


async def test_what_is_no_source_is_told(draas: Draas, builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    nothing = await draas("deploy", str(tmp_path / "empty"))
    assert nothing.exit_code == 1
    assert nothing.stderr.splitlines()[:2] == [
        "draas: nothing that can be built was recognised: add a Dockerfile; looked for:",
        "  Dockerfile, or one sub-folder with a Dockerfile",
    ]
    flags = await draas("deploy", "--image", "nginx", "--build-arg", "A=1")
    assert flags.stderr.startswith("draas deploy: --build-arg is for builds: say what to build")
    (tmp_path / "draas.yaml").write_text("app: a\nimage: x\n")
    assert f"draas apply {tmp_path}/draas.yaml" in (await draas("deploy", str(tmp_path))).stderr
    assert builder.built == []


async def deploying(served: Served, tmp_path: Path, *words: str) -> asyncio.subprocess.Process:
    """`draas deploy` as a process of its own."""
    pipe = asyncio.subprocess.PIPE
    given = for_process(environment(served, tmp_path))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "draas", "deploy", *words, stdout=pipe, stderr=pipe, env=given
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_ctrl_c_cancels_the_build(
    served: Served, client: Client, shop: Path, tmp_path: Path, number: int, code: int
) -> None:
    process = await deploying(served, tmp_path, str(shop), "--quiet")
    async with asyncio.timeout(TIMEOUT_S):
        id = await queued_build(served)
        await served.controller.start(id, make_node())
        process.send_signal(number)
        out, err = await process.communicate()
    assert (out, err, process.returncode) == (b"", b"", code)
    assert (await client.builds.get(id))["state"] == "cancelled"
    assert (await client.apps())["items"] == []


async def test_a_build_that_waits_says_why(served: Served, client: Client, shop: Path, tmp_path: Path) -> None:
    process = await deploying(served, tmp_path, str(shop))
    assert process.stderr is not None
    async with asyncio.timeout(TIMEOUT_S):
        id = await queued_build(served)
        while not (line := await process.stderr.readline()).startswith(b"queued: "):
            assert line
        assert line == b"queued: the fake controller places nothing\n"
        await client.builds.cancel(id)
        _, err = await process.communicate()
    assert (process.returncode, err.decode().splitlines()[-1]) == (1, f"draas: build {id} cancelled")


# --- plan and apply ---


async def test_a_file_with_build_is_planned_and_applied(
    draas: Draas, client: Client, builder: Builder, shop: Path, tmp_path: Path
) -> None:
    file = tmp_path / "draas.yaml"
    file.write_text("app: shop\nbuild: Shop\nenv: {A: 1}\n---\napp: worker\nimage: busybox\n")
    planned = await draas("plan", str(file))
    assert planned.stdout.splitlines() == [
        "shop: new", "  would build Shop/", "  + env.A: 1", "worker: new", "  + image: busybox", "2 to create",
    ]  # fmt: skip
    assert builder.built == []
    applied = await draas("apply", str(file))
    assert applied.exit_code == 0, applied.stderr
    image = (await client.app("shop"))["image"]
    assert applied.stdout.splitlines()[:3] == ["shop: new", f"  + image: {image}", "  + port: 8000"]
    again = await draas("apply", str(file))
    assert (again.exit_code, again.stdout.splitlines(), len(builder.built)) == (
        0, ["shop: no change", "worker: no change"], 1,
    )  # fmt: skip
    assert (await draas("plan", str(file))).stdout.splitlines() == [
        "shop: no change", "  would build Shop/", "worker: no change", "2 as it is",
    ]  # fmt: skip
    assert json.loads((await draas("plan", "--json", str(file))).stdout.splitlines()[0])["build"] == "Shop/"
    (shop / "main.py").write_text("print(2)\n")
    builder.exit_code = 1
    failed = await draas("apply", str(file))
    assert (failed.exit_code, failed.stdout) == (1, "")
    file.write_text("app: shop\nbuild: Shop\nimage: x\n")
    both = await draas("apply", str(file))
    assert (both.exit_code, f"{file} line 2: build and image are given" in both.stderr) == (2, True)
    (shop / "main.py").unlink()
    file.write_text("app: shop\nbuild: Shop\n")
    unknown = await draas("apply", str(file))
    assert (unknown.exit_code, "nothing says how it starts" in unknown.stderr) == (1, True)


async def test_the_bare_api_says_how_to_build(client: Client) -> None:
    for build in (".", {"context": "."}):
        with pytest.raises(Invalid) as refused:
            await client.put_app("shop", {"build": build})
        assert [fault.path for fault in refused.value.faults] == ["build"]
        assert "POST /api/builds, then give the build's image as image" in refused.value.faults[0].message


# --- builds ---


async def test_builds_are_listed_shown_and_read(draas: Draas, client: Client, builder: Builder, shop: Path) -> None:
    assert (await draas("builds")).stdout == "No builds yet. Make one: draas deploy DIR\n"
    await draas("deploy", str(shop))
    builder.exit_code = 3
    await draas("deploy", str(shop), "--force-build")
    good, bad = builder.built
    lines = (await draas("builds", "list")).stdout.splitlines()
    assert lines[0].split() == ["ID", "NAME", "STATE", "NODE", "TOOK", "AGE", "KIND", "SIZE", "IMAGE"]
    assert [line.split()[:4] for line in lines[1:]] == [
        [bad, "shop", "failed", "node-a"], [good, "shop", "succeeded", "node-a"],
    ]  # fmt: skip
    assert (await draas("builds", "--state", "failed", "-q")).stdout == f"{bad}\n"
    assert (await draas("builds", "--name", "other")).stdout == "No such builds.\n"
    assert [json.loads(line)["id"] for line in (await draas("builds", "--json")).stdout.splitlines()] == [bad, good]
    assert (await draas("builds", "--limit", "1")).stdout.splitlines()[-1] == "1 more: --limit 2 shows them"
    shown = (await draas("builds", "show", good)).stdout
    for words in ("succeeded", "draas.internal/default/shop@sha256:", "5.0 MiB", "linux/amd64", "draas.inputs="):
        assert words in shown
    assert (await draas("builds", "show", "shop", "-q")).stdout == "failed\n"
    logs = await draas("builds", "logs", good)
    assert logs.stdout == "Step 1/2 : FROM python\n"
    assert logs.stderr == "Step 2/2 : RUN make\nmake: *** no rule\n"
    assert (await draas("builds", "logs", good, "--grep", "RUN")).stderr == "Step 2/2 : RUN make\n"
    assert [(await draas("builds", "logs", "-f", id)).exit_code for id in (good, bad)] == [0, 1]
    assert "the fake controller places nothing" in (await draas("explain", good)).stdout
    assert f"{good} is a build: draas builds logs {good}" in (await draas("logs", good)).stderr
    builder.exit_code = 0
    assert (await draas("builds", "retry", bad)).stdout == f"{bad} queued\n"
    assert (await client.builds.wait(bad, timeout_s=TIMEOUT_S))["state"] == "succeeded"
    assert (await draas("builds", "rm", bad, "b-none")).stdout == f"{bad} deleted\n"
    missing = await draas("builds", "show", "nobody")
    assert (missing.exit_code, missing.stderr) == (1, "draas: there is no build 'nobody', neither as an id nor by the name of its app\n")  # fmt: skip


async def test_a_build_is_cancelled(draas: Draas, served: Served, client: Client) -> None:
    build = await client.builds.create({"name": "shop", "git": "https://example.org/shop.git"})
    assert (await draas("builds", "cancel", build["id"])).stdout == f"{build['id']} cancelled\n"


async def test_no_builds_without_a_registry(shop: Path, tmp_path: Path) -> None:
    async with serve_api() as served:
        runner = CliRunner(env=environment(served, tmp_path))
        result = await asyncio.to_thread(runner.invoke, main, ["deploy", str(shop)])
        assert result.exit_code in (1, 3), result.output
        assert result.stderr.startswith("shop: python")
