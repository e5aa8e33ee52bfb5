"""The command line against the real API: what each command prints, in its three forms, and the code that it ends with."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from cli_world import environment, first_job
from click.testing import CliRunner, Result

from draas.cli.main import main
from draas.client.api import Client
from draas.model.job import JobId
from draas.model.route import Ingress
from draas.server.api.config import ApiConfig
from draas.testing.api import Served, make_node, put_key, serve_api
from draas.testing.certificates import TestAuthority
from draas.wire.records import Stream

HOSTILE = "evil; \u009b31m\u202e"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_api(ApiConfig(beat_s=0.1, version="7")) as started:
        yield started


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with Client(served.settings()) as opened:
        yield opened


@pytest.fixture
def draas(served: Served, tmp_path: Path):
    """`await draas("jobs", "list")`: in a thread, as commands run a loop of their own."""

    async def run(*words: str, given: str | None = None, **more: str) -> Result:
        runner = CliRunner(env=environment(served, tmp_path, **more))
        return await asyncio.to_thread(runner.invoke, main, words, input=given)

    return run


async def ended_job(served: Served, client: Client, exit_code: int = 0, **fields: object) -> JobId:
    """A job that wrote to both streams and ended."""
    id = JobId((await client.submit({"command": "x", **fields}))["id"])
    attempt = await served.controller.start(id, make_node())
    await served.controller.logs.write(attempt, b"out 1\n", Stream.STDOUT, at=100)
    await served.controller.logs.write(attempt, b"err\n", Stream.STDERR, at=200)
    await served.controller.logs.write(attempt, b"out \xff2", Stream.STDOUT, at=300)
    await served.controller.finish(id, exit_code)
    return id


async def play(served: Served, output: bytes, exit_code: int) -> None:
    """Be the cluster for the next job: start it, write, end it."""
    id = await first_job(served)
    attempt = await served.controller.start(id, make_node())
    await served.controller.logs.write(attempt, output)
    await served.controller.finish(id, exit_code)


# --- run ---


async def test_run_keeps_the_streams_apart_and_ends_with_the_jobs_code(served: Served, draas) -> None:
    playing = asyncio.ensure_future(play(served, b"hi\nno newline", 3))
    result = await draas("run", "--name", "n", "--memory", "1g", "--timeout", "5m", "--", "echo", "hi")
    await playing
    assert (result.stdout, result.stderr, result.exit_code) == ("hi\nno newline", "", 3)
    (command,) = served.controller.commands
    assert command.specs[0].timeout_s == 300
    assert command.specs[0].command == ("echo", "hi")


async def test_run_json_is_its_lines_and_then_the_job(served: Served, draas) -> None:
    playing = asyncio.ensure_future(play(served, b"hi\n", 0))
    result = await draas("run", "--json", "true")
    await playing
    line, job = map(json.loads, result.stdout.splitlines())
    assert (line["text"], line["stream"], job["state"], result.exit_code) == ("hi", "stdout", "succeeded", 0)


async def test_detached_it_prints_the_id(served: Served, client: Client, draas) -> None:
    result = await draas("run", "--detach", "--project", "mine", "--", "true")
    job = await client.job(result.stdout.strip())
    assert (job["state"], job["project"], result.exit_code) == ("queued", "mine", 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "--memory", "x", "true"), "draas run: --memory must be a size such as 512m or 2g, not 'x' (see draas run --help)"),
        (("run", "--memory", "1", "true"), "draas: --memory (in MiB) must be at least 6.0"),
        (("run", "--name", HOSTILE, "--priority", "900", "true"), "draas: --priority must be at most 100"),
        (("run", "--memroy", "1", "true"), "draas run: No such option '--memroy'. Did you mean '--memory'? (see draas run --help)"),
        (("run",), "draas run: Missing argument 'COMMAND...' (see draas run --help)"),
        (("jbos",), "draas: there is no command 'jbos'; did you mean jobs? (see draas --help)"),
        (("jobs", "lst"), "draas jobs: No such command 'lst'. Did you mean 'list'? (see draas jobs --help)"),
        (("jobs", "submit", "/no/such"), "draas jobs submit: /no/such cannot be read: No such file or directory (see draas jobs submit --help)"),
        (("logs", "j-1", "--tail", "-1"), "draas logs: Invalid value for '--tail' / '-n': -1 is not in the range x>=0 (see draas logs --help)"),
        (("nodes", "label", "vm", "x"), "draas nodes label: a label is K=V, or K- to take it away, not 'x' (see draas nodes label --help)"),
        (("nodes", "token", "--ttl", "100d"), "draas: --ttl must be at most 604800.0"),
    ],
)  # fmt: skip
async def test_wrong_usage_is_one_line_and_code_2(draas, words: tuple[str, ...], told: str) -> None:
    result = await draas(*words)
    assert (result.stderr, result.stdout, result.exit_code) == (told + "\n", "", 2)


@pytest.mark.parametrize(
    ("settings", "told", "code"),
    [
        ({"DRAAS_URL": "http://127.0.0.1:9"}, "nothing listens at http://127.0.0.1:9: check host and port", 3),
        ({"DRAAS_URL": "", "SCHEDULER_URL": "http://127.0.0.1:9"}, "nothing listens at http://127.0.0.1:9", 3),
        ({"DRAAS_URL": "", "MASTER_URL": "http://127.0.0.1:9"}, "nothing listens at http://127.0.0.1:9", 3),
        ({"DRAAS_URL": "no url"}, "DRAAS_URL: 'no url' must be http://HOST:PORT", 2),
        ({"DRAAS_KEY": "wrong"}, "the key is wrong, expired or revoked", 3),
        ({"DRAAS_KEY": "", "API_KEY": "wrong"}, "the key is wrong, expired or revoked", 3),
        ({"DRAAS_KEY": ""}, "no key", 3),
    ],
)
async def test_who_cannot_be_reached_or_does_not_let_us_in(draas, settings: dict, told: str, code: int) -> None:
    result = await draas("jobs", **settings)
    assert result.stderr.startswith(f"draas: {told}")
    assert result.stderr.count("\n") == 1
    assert result.exit_code == code


async def test_an_expired_key_and_one_that_may_not(served: Served, draas) -> None:
    expired = await put_key(served.controller, "admin", ttl_s=-1)
    assert (await draas("jobs", DRAAS_KEY=expired)).exit_code == 3
    result = await draas("keys", DRAAS_KEY=served.secrets["viewer"])
    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)


# --- jobs ---


async def test_a_list_is_plain_aligned_and_safe(served: Served, client: Client, draas) -> None:
    await client.submit({"command": "echo one\necho \x1b[31mtwo", "name": HOSTILE.replace("\u009b", "")})
    await ended_job(served, client, name="second")
    result = await draas("jobs")
    head, second, first = result.stdout.splitlines()
    assert result.stdout.endswith("\n")
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert first.endswith("echo one …")
    assert head.index("COMMAND") == first.index("echo one") == second.index("x", second.index("node-a") + 6)


async def test_lists_are_narrowed(served: Served, client: Client, draas) -> None:
    a = await ended_job(served, client, 1, name="a", labels={"k": "v"})
    b = await ended_job(served, client, 0, name="b")
    c = (await client.submit({"command": "x"}, "other"))["id"]
    for words, ids in [
        ((), [c, b, a]),
        (("--state", "failed"), [a]),
        (("--name", "b"), [b]),
        (("--label", "k=v"), [a]),
        (("--node", "node-a"), [b, a]),
        (("--project", "other"), [c]),
        (("--limit", "1"), [c]),
        (("--limit", "1", "--all"), [c, b, a]),
    ]:
        result = await draas("jobs", "-q", *words)
        assert result.stdout.split() == ids, words
    assert (await draas("jobs", "--name", "zz")).stdout == "No such jobs.\n"
    assert "2 more: --all shows them" in (await draas("jobs", "list", "--limit", "1")).stdout
    assert [json.loads(line)["id"] for line in (await draas("jobs", "--json")).stdout.splitlines()] == [c, b, a]


async def test_show_by_id_and_by_name(served: Served, client: Client, draas) -> None:
    id = await ended_job(served, client, 2, name="n", env={"A": "1"})
    shown = (await draas("jobs", "show", "n")).stdout
    assert id in shown
    assert "A=1" in shown
    assert json.loads((await draas("jobs", "show", id, "--json")).stdout)["exit_code"] == 2
    assert (await draas("jobs", "show", id, "--quiet")).stdout == "failed\n"
    missing = await draas("jobs", "show", "j-none")
    assert (missing.stderr, missing.exit_code) == ("draas: there is no job 'j-none'\n", 1)
    assert "neither as an id nor as a name" in (await draas("logs", "nobody")).stderr


async def test_submit_takes_files_and_stdin(served: Served, client: Client, draas, tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text('{"command": "a", "name": "a"}\n{"command": "b", "needs": ["a"]}\n')
    ids = (await draas("jobs", "submit", str(tmp_path / "jobs.jsonl"))).stdout.split()
    assert [(await client.job(id))["state"] for id in ids] == ["queued", "waiting"]
    result = await draas("jobs", "submit", "-", "--json", given='[{"command": "c"}]')
    assert json.loads(result.stdout)["state"] == "queued"
    wrong = await draas("jobs", "submit", "-", given='[{"command": "c", "nam": "x"}]')
    assert wrong.stderr == "draas: jobs[0].nam is not known; did you mean name?\n"
    assert wrong.exit_code == 2


async def test_cancel_retry_rm_go_on_after_one_that_fails(served: Served, client: Client, draas) -> None:
    first, second = [(await client.submit({"command": "x"}))["id"] for _ in range(2)]
    result = await draas("jobs", "cancel", first, "j-none", second)
    assert (result.stdout, result.exit_code) == (f"{first} cancelled\n{second} cancelled\n", 1)
    assert result.stderr == "draas: there is no job 'j-none'\n"
    assert (await draas("jobs", "retry", first)).stdout == f"{first} queued\n"
    assert (await draas("jobs", "rm", first)).exit_code == 1
    assert json.loads((await draas("jobs", "rm", "--json", second)).stdout) == {"id": second, "state": "deleted"}
    assert (await draas("jobs", "cancel", "-q", first)).stdout == ""


async def test_explain(served: Served, client: Client, draas) -> None:
    await served.controller.put_node(make_node())
    id = (await client.submit({"command": "x"}))["id"]
    assert "nothing runs here" in (await draas("explain", id)).stdout
    assert json.loads((await draas("explain", id, "--json")).stdout)["job_id"] == id


# --- logs ---


@pytest.mark.parametrize("command", [("logs",), ("jobs", "logs"), ("logs", "-f")])
async def test_logs_are_the_bytes_that_were_written(served: Served, client: Client, draas, command) -> None:
    id = await ended_job(served, client)
    result = await draas(*command, id)
    assert (result.stdout_bytes, result.stderr_bytes, result.exit_code) == (b"out 1\nout \xff2", b"err\n", 0)


async def test_logs_in_part(served: Served, client: Client, draas) -> None:
    id = await ended_job(served, client, name="n")
    for words, out, err in [
        (("--tail", "2"), b"out \xff2", b"err\n"),
        (("--stdout",), b"out 1\nout \xff2", b""),
        (("--stderr",), b"", b"err\n"),
        (("--grep", "1$"), b"out 1\n", b""),
        (("--since", "1970-01-01T00:04:00Z"), b"out \xff2", b""),
        (("--stderr", "-t"), b"", b"1970-01-01T00:03:20.000Z err\n"),
        (("--attempt", "1", "--tail", "0"), b"", b""),
    ]:
        result = await draas("logs", "n", *words)
        assert (result.stdout_bytes, result.stderr_bytes, result.exit_code) == (out, err, 0), words
    lines = [json.loads(line) for line in (await draas("logs", id, "--json")).stdout.splitlines()]
    assert [line["stream"] for line in lines] == ["stdout", "stderr", "stdout"]
    assert lines[2]["base64"] == "b3V0IP8y"
    assert "base64" not in lines[0]
    wrong = await draas("logs", id, "--since", "yesterday")
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("draas: --since ")


async def test_a_followed_job_survives_the_controllers_restart(served: Served, client: Client, tmp_path: Path) -> None:
    """The way to the controller is cut in the middle and refused for a while: each line is there once."""
    id = JobId((await client.submit({"command": "x"}))["id"])
    attempt = await served.controller.start(id, make_node())
    port, open_writers, used = int(served.url.rsplit(":", 1)[1]), set(), asyncio.Event()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, out = await asyncio.open_connection("127.0.0.1", port)
        open_writers.update((writer, out))
        used.set()

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while piece := await source.read(65536):
                sink.write(piece)

        await asyncio.gather(pump(reader, out), pump(upstream, writer), return_exceptions=True)
        writer.close()

    way = await asyncio.start_server(carry, "127.0.0.1", 0)
    here = way.sockets[0].getsockname()[1]
    runner = CliRunner(env=environment(served, tmp_path, DRAAS_URL=f"http://127.0.0.1:{here}"))
    following = asyncio.ensure_future(asyncio.to_thread(runner.invoke, main, ["logs", "-f", id]))
    await served.controller.logs.write(attempt, b"".join(b"line %d\n" % at for at in range(100)))
    await asyncio.wait_for(used.wait(), 30)
    way.close()
    for writer in open_writers:
        writer.transport.abort()
    await served.controller.logs.write(attempt, b"".join(b"line %d\n" % at for at in range(100, 200)))
    way = await asyncio.start_server(carry, "127.0.0.1", here)
    await served.controller.finish(id, 0)
    result = await asyncio.wait_for(following, 60)
    way.close()
    for writer in open_writers:
        writer.transport.abort()
    assert result.stdout.splitlines() == [f"line {at}" for at in range(200)]
    assert result.exit_code == 0


# --- machines and keys ---


async def test_nodes(served: Served, draas) -> None:
    assert (await draas("nodes")).stdout == "No machines yet. Add one: draas nodes token\n"
    await served.controller.put_node(make_node("vm"))
    listed = (await draas("nodes", "list")).stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [["NAME", "STATE"], ["vm", "ready"]]
    assert (await draas("nodes", "-q")).stdout == "vm\n"
    assert "disk=ssd" in (await draas("nodes", "show", "vm")).stdout
    assert (await draas("nodes", "drain", "vm")).stdout == "vm draining\n"
    assert json.loads((await draas("nodes", "ready", "vm", "--json")).stdout)["state"] == "ready"
    assert (await draas("nodes", "label", "vm", "a=b", "c-")).exit_code == 0
    assert "a=b" in (await draas("nodes", "show", "vm")).stdout
    assert (await draas("nodes", "rm", "vm")).stdout == "vm removed\n"
    gone = await draas("nodes", "rm", "vm")
    assert (gone.stderr, gone.exit_code) == ("draas: there is no node 'vm'\n", 1)
    assert "draas join" in (await draas("nodes", "token", "--ttl", "10m")).stdout


async def test_keys(draas) -> None:
    secret = (await draas("keys", "make", "--role", "viewer", "--name", "ci", "--ttl", "30d")).stdout.strip()
    assert (await draas("jobs", DRAAS_KEY=secret)).exit_code == 0
    (listed,) = [line.split() for line in (await draas("keys")).stdout.splitlines() if " ci " in line]
    assert (await draas("keys", "revoke", listed[0])).stdout == f"{listed[0]} revoked\n"
    assert (await draas("jobs", DRAAS_KEY=secret)).exit_code == 3
    assert listed[0] not in (await draas("keys", "-q")).stdout.split()


# --- the rest ---


async def test_doctor_finds_the_controller_and_says_what_is_wrong(served: Served, draas) -> None:
    found = {check["name"]: check for check in map(json.loads, (await draas("doctor", "--json")).stdout.splitlines())}
    assert {name: found[name]["verdict"] for name in ("Python", "data folder", "controller", "key", "clock")} == {
        "Python": "ok", "data folder": "ok", "controller": "ok", "key": "ok", "clock": "ok",
    }  # fmt: skip
    assert found["controller"]["told"] == f"{served.url} answers, version 7"
    wrong = await draas("doctor", "--quiet", DRAAS_KEY="wrong")
    assert wrong.exit_code == 1
    assert any(line.split()[:2] == ["wrong", "key"] for line in wrong.stdout.splitlines())
    assert (await draas("doctor", DRAAS_URL="http://127.0.0.1:9")).exit_code == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion_scripts(draas, shell: str) -> None:
    assert "_DRAAS_COMPLETE" in (await draas("completion", shell)).stdout


async def test_completing_a_command_imports_none(draas) -> None:
    result = await draas(_DRAAS_COMPLETE="bash_complete", COMP_WORDS="draas ex", COMP_CWORD="1")
    assert result.stdout == "plain,explain\n"


async def test_certificates(draas, tmp_path: Path) -> None:
    chain, key = TestAuthority().sign("*.example.org")
    (tmp_path / "chain.pem").write_text(chain)
    (tmp_path / "key.pem").write_text(key)
    files = ("--chain", str(tmp_path / "chain.pem"), "--key", str(tmp_path / "key.pem"))
    added = await draas("certs", "add", "*.Example.org", *files)
    assert (added.exit_code, added.stdout.startswith("*.example.org: good until 20")) == (0, True)
    wrong = await draas("certs", "add", "shop.org", *files)
    assert wrong.exit_code == 2
    assert wrong.stderr == f"draas: --chain {tmp_path / 'chain.pem'}: is not for shop.org: it is for *.example.org\n"
    assert (await draas("certs", "add", "shop.org", "--chain", "none", "--key", "none")).exit_code == 2
    listed = await draas("certs")
    assert "*.example.org" in listed.stdout
    assert "Test CA" in listed.stdout
    assert (await draas("certs", "list", "-q")).stdout == "*.example.org\n"
    assert json.loads((await draas("certs", "list", "--json")).stdout)["source"] == "file"
    assert (await draas("certs", "rm", "*.example.org")).stdout == "*.example.org removed\n"
    assert (
        await draas("certs", "rm", "*.example.org")
    ).stderr == "draas: there is no certificate for '*.example.org'\n"


async def test_what_an_ingress_and_dns_node_does(draas, served: Served) -> None:
    ingress = Ingress(
        proxy="haproxy 2.6", http_port=80, https_port=443, address="10.0.0.5", dns="10.0.0.5:53", missing="a thing"
    )
    node = make_node("edge")
    await served.controller.put_node(replace(node, facts=replace(node.facts, ingress=ingress)))
    shown = await draas("nodes", "show", "edge")
    for line in ("haproxy 2.6 on port 80 and 443", "answers at 10.0.0.5:53", "a thing"):
        assert line in shown.stdout
    assert json.loads((await draas("nodes", "show", "edge", "--json")).stdout)["ingress"]["dns"] == "10.0.0.5:53"
