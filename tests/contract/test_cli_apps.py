"""The commands about apps against the real API: what each prints, in its three forms, and the code that it ends with."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cli_world import environment
from click.testing import CliRunner, Result

from draas.cli.main import main
from draas.client.api import Client
from draas.model.allocation import AllocationState, Cause
from draas.model.command import RemoveApp
from draas.server.services.controller import Reply
from draas.testing.api import Served, make_node, serve_api

Draas = Callable[..., Awaitable[Result]]
FILE = """
app: shop
image: nginx:1.25
port: 80
replicas: 2
env:
  MODE: production
---
app: worker
image: busybox
command: [sleep, 1000]
"""


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_api() as started:
        await started.controller.put_node(make_node())
        started.controller.apps_now.prompt = True
        yield started


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with Client(served.settings()) as opened:
        yield opened


@pytest.fixture
def draas(served: Served, tmp_path: Path) -> Draas:
    async def run(*words: str, given: str | None = None) -> Result:
        runner = CliRunner(env=environment(served, tmp_path))
        return await asyncio.to_thread(runner.invoke, main, words, input=given)

    return run


async def asked(served: Served, kind: str) -> None:
    """Until a command of this kind has come."""
    async with asyncio.timeout(30):
        async for _ in served.controller.follow_events(0):
            if any(type(command).__name__ == kind for command in served.controller.commands):
                return


# --- deploy ---


async def test_deploy_ends_with_the_addresses(draas: Draas, client: Client) -> None:
    result = await draas("deploy", "--image", "nginx:1.25", "--port", "80", "--replicas", "3")
    assert (result.exit_code, result.stdout.split()) == (0, [f"http://10.0.0.1:4000{at}/" for at in (1, 2, 3)])
    assert result.stderr.splitlines()[0] == "nginx: release 1 of nginx:1.25, 3 replicas"
    assert result.stderr.splitlines()[-1] == "nginx is live: release 1, 3 of 3 replicas"
    assert (await draas("apps", "-q")).stdout == "nginx\n"


async def test_what_is_not_said_stays_as_it_is(draas: Draas, client: Client) -> None:
    words = (
        "--env",
        "A=1",
        "--env",
        "B=2",
        "--memory",
        "1g",
        "--health",
        "/ok",
        "--domain",
        "a.example",
        "--port",
        "80",
    )
    await draas("deploy", "--image", "team/shop:1", "--replicas", "2..4", *words)
    result = await draas("deploy", "--image", "team/shop:2", "--env", "B=3", "--env", "A-", "--cpu", "1")
    assert result.exit_code == 0
    spec = (await client.app("shop"))["spec"]
    assert (spec["image"], spec["env"], spec["replicas"]) == ("team/shop:2", {"B": "3"}, {"min": 2, "max": 4})
    assert (spec["resources"]["memory_mb"], spec["resources"]["cpu_cores"]) == (1024, 1)
    assert (spec["health"]["http"], spec["domains"]) == ("/ok", ["a.example"])
    again = await draas("deploy", "--name", "shop", "--json")
    assert len(json.loads(again.stdout)["releases"]) == 2


async def test_progress_is_told_and_a_failure_with_its_last_lines(served: Served, draas: Draas) -> None:
    controller = served.controller
    controller.apps_now.prompt = False
    deploying = asyncio.ensure_future(draas("deploy", "--image", "shop:1", "--port", "80"))
    await asked(served, "PutApp")
    replica = await controller.place("shop", make_node())
    await controller.logs.write(replica.id, b"".join(b"line %d\n" % at for at in range(60)))
    await controller.observe("shop", 1, state=AllocationState.RUNNING, health="unhealthy")
    told = "nothing listens on port 80: check --port"
    await controller.observe("shop", 1, state=AllocationState.FAILED, cause=Cause.EXIT, exit_code=3, detail=told)
    await controller.fail_release("shop", "a replica was not healthy within 60 s")
    result = await deploying
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert f"shop.1 on node-a: {told} (exit code 3)" in lines
    assert lines[-1] == "draas: shop: release 1 failed: a replica was not healthy within 60 s"
    assert [line for line in lines if line.startswith("  line")] == [f"  line {at}" for at in range(10, 60)]
    assert (await draas("deploy", "--name", "shop", "--port", "81", "--detach")).stdout == "shop\n"


async def test_a_canary_is_up_and_decided(draas: Draas, tmp_path: Path) -> None:
    await draas("deploy", "--image", "shop:1", "--port", "80")
    file = tmp_path / "draas.yaml"
    file.write_text("app: shop\nimage: shop:2\nport: 80\ndeploy:\n  canary: {share_percent: 10}\n")
    result = await draas("apply", str(file))
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        0, "shop: the canary of release 2 is up: promote or abort it",
    )  # fmt: skip
    assert (await draas("apps", "canary", "shop", "promote")).stderr.splitlines()[
        -1
    ] == "shop is live: release 2, 1 of 1 replica"
    none = await draas("apps", "canary", "shop", "abort")
    assert (none.exit_code, none.stderr) == (1, "draas: shop has no canary; deploy one with deploy.canary\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("deploy", "/no/such"), "draas deploy: /no/such is not there: name a folder, an archive (.zip, .tar.gz, .tgz, .tar) or a git URL (see draas deploy --help)"),
        (("deploy",), "draas deploy: say what to run: a folder, or --image nginx:1.25 --port 80, or a file: draas apply draas.yaml (see draas deploy --help)"),
        (("deploy", "--name", "none"), "draas deploy: there is no app 'none' yet: give --image, or the folder to build (see draas deploy --help)"),
        (("deploy", "--image", "nginx", "--port", "0"), "draas: --port must be at least 1"),
        (("deploy", "--image", "nginx", "--port", "70000"), "draas: --port must be at most 65535"),
        (("deploy", "--image", "nginx", "--name", "a.b"), "draas: --name must be a name such as shop-2: lower-case letters, digits and hyphens, a letter or digit at both ends"),
        (("deploy", "--image", "nginx", "--replicas", "x"), "draas deploy: --replicas must be a number, or MIN..MAX such as 2..6, not 'x' (see draas deploy --help)"),
        (("deploy", "--image", "nginx", "--health", "x"), "draas deploy: --health must be a path such as /healthz, tcp, none or exec:COMMAND, not 'x' (see draas deploy --help)"),
        (("plan", "/no/such"), "draas plan: /no/such cannot be read: No such file or directory (see draas plan --help)"),
        (("apps", "scael"), "draas apps: No such command 'scael'. Did you mean 'scale'? (see draas apps --help)"),
    ],
)  # fmt: skip
async def test_wrong_usage_is_one_line_and_code_2(draas: Draas, words: tuple[str, ...], told: str) -> None:
    result = await draas(*words)
    assert (result.stderr, result.stdout, result.exit_code) == (told + "\n", "", 2)


async def test_a_folder_with_several_apps_is_told_how_it_is_applied(draas: Draas, tmp_path: Path) -> None:
    (tmp_path / "draas.yaml").write_text(FILE)
    told = f"{tmp_path}/draas.yaml has 2 apps, and is applied by: draas apply {tmp_path}/draas.yaml"
    assert told in (await draas("deploy", str(tmp_path))).stderr


# --- plan and apply ---


async def test_plan_says_in_words_what_apply_does_and_twice_changes_nothing(
    draas: Draas, served: Served, tmp_path: Path
) -> None:
    file = tmp_path / "draas.yaml"
    file.write_text(FILE)
    planned = await draas("plan", str(file))
    assert planned.exit_code == 0
    assert planned.stdout.splitlines() == [
        "shop: new",
        "  + image: nginx:1.25",
        "  + port: 80",
        "  + replicas: 2",
        "  + env.MODE: production",
        "worker: new",
        "  + image: busybox",
        "  + command: sleep, 1000",
        "2 to create",
    ]
    assert served.controller.commands == []
    applied = await draas("apply", str(file))
    assert applied.exit_code == 0
    assert "http://10.0.0.1:40001/" in applied.stdout
    assert "worker is live: release 1, 1 of 1 replica" in applied.stderr
    before = len(served.controller.commands)
    assert (await draas("apply", str(file))).stdout.splitlines() == ["shop: no change", "worker: no change"]
    assert len(served.controller.commands) == before
    file.write_text(
        FILE.replace("1.25", "1.26")
        .replace("MODE: production", "DEBUG: 1")
        .replace("replicas: 2", "replicas: {min: 1, max: 3}")
    )
    changed = await draas("plan", "--json", str(file))
    first, second = map(json.loads, changed.stdout.splitlines())
    assert (first["action"], second["action"]) == ("update", "none")
    told = (await draas("plan", str(file))).stdout.splitlines()
    assert told == [
        "shop: changes, rolled out as a new release",
        "  ~ image: nginx:1.25 > nginx:1.26",
        "  ~ replicas: 2 > min 1, max 3",
        "  + env.DEBUG: 1",
        "  - env.MODE: production",
        "worker: no change",
        "1 to change, 1 as it is",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("app: shop\nimage: nginx\nprot: 80\n", "line 3: prot is not known; did you mean port?"),
        ("app: shop\nimage: nginx\nhealth:\n  htpp: /\n", "line 4: health.htpp is not known; did you mean http?"),
        ("app: shop\nimage: nginx\nport: 70000\n", "line 3: port must be at most 65535"),
        ("app: Shop.x\nimage: nginx\n", "line 1: app must be a name such as"),
        ("app: shop\nport: 80\n", "line 1: image is required, for example nginx:1.25"),
        ("app: shop\nimage: x\nsecrets: [A]\n", "line 3: secrets[0] names no secret"),
        ("app: shop\nimage: x\nport: 1\ndomains:\n  - 'a\"b.example'\n", "line 5: domains[0] must be a host name"),
    ],
)
async def test_what_the_controller_finds_wrong_is_told_with_its_line(draas: Draas, text: str, told: str) -> None:
    for command in ("plan", "apply"):
        result = await draas(command, "-", given=text)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"draas: - {told}"), result.stderr


# --- apps ---


async def test_apps_are_listed_shown_and_changed(draas: Draas, served: Served) -> None:
    assert (await draas("apps")).stdout == "No apps yet. Run one: draas deploy --image nginx:1.25 --port 80\n"
    await draas("deploy", "--image", "shop:1", "--port", "80", "--env", "A=1")
    listed = (await draas("apps", "list")).stdout.splitlines()
    assert listed[1].split()[:5] == ["shop", "live", "1/1", "1", "shop:1"]
    assert listed[1].split()[-1] == "http://10.0.0.1:40001/"
    assert (await draas("apps", "scale", "shop", "3")).stderr.splitlines()[
        -1
    ] == "shop is live: release 1, 3 of 3 replicas"
    shown = (await draas("apps", "show", "shop")).stdout
    for words in ("3 of 3 healthy", "A=1", "10.0.0.1:40003", "1 to 3", "asked for"):
        assert words in shown
    assert json.loads((await draas("apps", "restart", "shop", "--json")).stdout)["healthy"] == 3
    await draas("deploy", "--image", "shop:2")
    back = await draas("apps", "rollback", "shop")
    assert (back.exit_code, back.stderr.splitlines()[-1]) == (0, "shop is live: release 3, 3 of 3 replicas")
    releases = (await draas("apps", "releases", "shop")).stdout.splitlines()
    assert [line.split()[:3] for line in releases[1:]] == [
        ["3", "live", "shop:1"],
        ["2", "replaced", "shop:2"],
        ["1", "replaced", "shop:1"],
    ]
    assert (await draas("apps", "rebalance")).stdout.startswith("shop is looked at")
    assert "nothing runs here" in (await draas("explain", "shop")).stdout
    assert (await draas("apps", "scale", "shop", "0")).stderr.splitlines()[
        -1
    ] == "shop is stopped: no replicas are wanted"
    assert (await draas("apps", "rm", "shop", "gone")).stdout == "shop removed\n"
    missing = await draas("apps", "show", "shop")
    assert (missing.stderr, missing.exit_code) == ("draas: there is no app 'shop'\n", 1)


async def test_logs_work_for_apps_as_for_jobs(draas: Draas, served: Served, client: Client) -> None:
    await draas("deploy", "--image", "shop:1", "--port", "80", "--replicas", "2")
    first, second = served.controller.apps_now.get("shop").replicas
    await served.controller.logs.write(first.id, b"one\ntwo", at=10)
    await served.controller.logs.write(second.id, b"three\n", at=20)
    for words, out in [
        ((), "shop.1 | one\nshop.1 | two\nshop.2 | three\n"),
        (("--tail", "1"), "shop.2 | three\n"),
        (("--grep", "^t"), "shop.1 | two\nshop.2 | three\n"),
        (("--replica", "2"), "three\n"),
        (("--replica", "1"), "one\ntwo"),
        (("-t", "--replica", "2"), "1970-01-01T00:00:20.000Z three\n"),
    ]:
        assert (await draas("logs", "shop", *words)).stdout == out, words
    lines = [json.loads(line) for line in (await draas("logs", "shop", "--json")).stdout.splitlines()]
    assert [(line["number"], line["text"]) for line in lines] == [(1, "one"), (1, "two"), (2, "three")]
    following = asyncio.ensure_future(draas("logs", "-f", "shop"))
    await served.controller.logs.write(first.id, b" and a half\n", at=30)
    for replica in (first, second):
        await served.controller.logs.close_output(replica.id)
    # Not by the command line: two at once in one process would share their streams.
    await served.controller.command_apps(RemoveApp(name="shop"), lambda _: Reply(200, b"{}"))
    ended = await following
    assert ended.exit_code in (0, 1), ended.stderr  # 1: it was gone before it could be followed
    missing = await draas("logs", "shop")
    assert "neither as an id nor as a name" in missing.stderr
