"""Every field of a job, and every other thing that a request can say, said wrong: a problem document with path and remedy, never a 500."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from draas.testing.api import Served, make_node, serve_api
from draas.wire.api import JobBody, RequirementsBody, ResourcesBody

HUGE = 10**400


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    async with serve_api() as started:
        await started.controller.put_node(make_node())
        yield started


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ask(
    served: Served, method: str, path: str, content: bytes | None = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    sent = {"Authorization": f"Bearer {served.secrets['admin']}", "Content-Type": "application/json"} | headers
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, served.url + path, data=content, headers=sent) as response,
    ):
        assert response.content_type == ("application/problem+json" if response.status >= 400 else "application/json")
        return response.status, await response.json()


async def refused(served: Served, raw: bytes, path: str, words: str, to: str = "/api/jobs") -> None:
    taken = len(served.controller.commands)
    status, problem = await ask(served, "POST", to, raw)
    assert status == 400, problem
    assert set(problem) == {"type", "title", "status", "detail", "errors"}
    fault = problem["errors"][0]
    assert fault["path"] == path
    assert words in fault["message"], fault
    assert fault["message"] in problem["detail"]
    assert len(json.dumps(problem)) < 20_000
    assert len(served.controller.commands) == taken


TEXT, WHOLE, NUMBER, LIST, OBJECT = (
    "must be text",
    "whole number",
    "must be a number",
    "must be a list",
    "must be an object",
)
NO_TEXT = [5, 1.5, True, [], {}]
NO_NUMBER = ["1", True, [], {}, "NaN"]
LONG = "x" * 200_000
BAD: list[tuple[str, Any, str, str]] = [
    *[("name", value, "name", TEXT) for value in [None, *NO_TEXT]],
    ("name", "x" * 129, "name", "at most 128"),
    *[("name", f"a{odd}b", "name", "control characters") for odd in ("\0", "\n", "\x1b[31m", "\x7f")],
    *[("command", value, "command", "must be text") for value in (None, 5, 1.5, True, {})],
    *[("command", value, "command", "empty") for value in ("", "  ", "\n")],
    ("command", LONG, "command", "131071 bytes"),
    ("command", "é" * 70_000, "command", "131071 bytes"),
    ("command", "a\0b", "command", "NUL"),
    ("command", [], "command", "1 to 1000 words"),
    ("command", ["x"] * 1001, "command", "1 to 1000 words"),
    ("command", ["x", 5], "command", "word 1 must be text"),
    ("command", ["x", "a\0"], "command", "NUL"),
    ("command", [" ", "x"], "command", "word 0"),
    ("command", ["x" * 130_000] * 5, "command", "in all"),
    *[("image", value, "image", TEXT) for value in NO_TEXT],
    *[("image", value, "image", "without blanks") for value in ("", "a b", "a\n", "a\0b")],
    ("image", "x" * 513, "image", "at most 512"),
    *[("runtime", value, "runtime", "'docker', 'process' or 'host'") for value in (5, "", "podman", "DOCKER", [])],
    *[("resources", value, "resources", OBJECT) for value in (5, "1", [], True)],
    *[("resources", {"cpu_cores": value}, "resources.cpu_cores", NUMBER) for value in [None, *NO_NUMBER]],
    *[("resources", {"cpu_cores": value}, "resources.cpu_cores", "at least 0.01") for value in (0, -1, -1e300, 1e-300)],
    *[("resources", {"cpu_cores": value}, "resources.cpu_cores", "at most 100000") for value in (1e300, 10**30)],
    *[("resources", {"memory_mb": value}, "resources.memory_mb", NUMBER) for value in [None, *NO_NUMBER]],
    *[("resources", {"memory_mb": value}, "resources.memory_mb", "at least 6") for value in (0, -256, 5.9)],
    ("resources", {"memory_mb": 1e300}, "resources.memory_mb", "at most 1000000000"),
    *[("resources", {"gpus": value}, "resources.gpus", WHOLE) for value in [None, *NO_NUMBER, 1.5]],
    ("resources", {"gpus": -1}, "resources.gpus", "at least 0"),
    ("resources", {"gpus": 1025}, "resources.gpus", "at most 1024"),
    ("resources", {"gpu": 1}, "resources.gpu", "did you mean gpus?"),
    ("resources", {"memory": 1}, "resources.memory", "did you mean memory_mb?"),
    ("resources", {"cpus": 1}, "resources.cpus", "cpu_cores"),
    *[("env", value, "env", OBJECT) for value in (None, 5, "A=1", [], ["A=1"])],
    *[("env", {"A": value}, "env.A", TEXT) for value in (None, *NO_TEXT)],
    ("env", {"A": "\0"}, "env.A", "NUL"),
    ("env", {"A": LONG}, "env.A", "at most"),
    *[("env", {name: "1"}, f"env[{name!r}]", "environment variable") for name in ("", "1A", "A-B", "A=B", "\0", "a é", "a b")],
    ("env", {"A" * 257: "1"}, "env." + "A" * 128, "the name must have at most 256"),
    ("env", {f"A{at}": "1" for at in range(1001)}, "", "at most 1000"),
    ("env", {f"A{at}": "x" * 100_000 for at in range(6)}, "env", "in all"),
    *[("priority", value, "priority", WHOLE) for value in [None, *NO_NUMBER, 1.5]],
    ("priority", -1, "priority", "at least 0"),
    *[("priority", value, "priority", "at most 100") for value in (101, 10**30)],
    *[("retries", value, "retries", WHOLE) for value in [None, *NO_NUMBER, 1.5]],
    ("retries", -1, "retries", "at least 0"),
    ("retries", 4, "retries", "at most 3"),
    *[("timeout_s", value, "timeout_s", NUMBER) for value in NO_NUMBER],
    *[("timeout_s", value, "timeout_s", "more than 0") for value in (0, -0.0, -5)],
    ("timeout_s", 1e300, "timeout_s", "at most 31622400"),
    *[("labels", value, "labels", OBJECT) for value in (None, 5, "a=b", [])],
    *[("labels", {"a": value}, "labels.a", TEXT) for value in (None, *NO_TEXT)],
    ("labels", {"a": "x" * 257}, "labels.a", "at most 256"),
    *[("labels", {"a": odd}, "labels.a", "control") for odd in ("\0", "\n")],
    *[("labels", {name: "1"}, f"labels[{name!r}]", "label name") for name in ("", " ", "-a", "a=b", "a\nb", "ä b")],
    ("labels", {f"a{at}": "" for at in range(65)}, "labels", "at most 64"),
    *[("constraints", value, "constraints", LIST) for value in (None, 5, "node.arch == amd64", {})],
    *[("constraints", [value], "constraints[0]", TEXT) for value in (None, 5, [], {})],
    *[("constraints", [value], "constraints[0]", "") for value in ("", " ", "==", "node.arch", "node.arch = amd64", "\0", "x" * 600)],
    ("constraints", ["node.arhc == amd64"], "constraints[0]", "did you mean node.arch?"),
    ("constraints", ["gibberish == 1"], "constraints[0]", "known: node.arch"),
    ("constraints", ["node.arch == amd64"] * 33, "constraints", "at most 32"),
    *[("needs", value, "needs", LIST) for value in (5, "j-1", {})],
    *[("needs", [value], "needs[0]", TEXT) for value in (None, 5, [], {})],
    *[("needs", [value], "needs[0]", "") for value in ("", "\0", "x" * 129)],
    ("needs", ["j-nowhere"], "needs", "there is no job 'j-nowhere'"),
    ("needs", ["x"] * 1001, "needs", "at most 1000"),
    *[("exclusive", value, "exclusive", "true or false") for value in (None, 0, 1, "true", [], {})],
    *[("node", value, "node", TEXT) for value in NO_TEXT],
    *[("node", value, "node", "") for value in ("", "-x", "a b", "x" * 64, "\0", "é")],
    *[("resource_requirements", {"gpu": value}, "resource_requirements.gpu", "0 to 1024") for value in (None, "1", -1, 1.5, 1025)],
    *[("resource_requirements", {"timeout": value}, "resource_requirements.timeout", "more than 0") for value in (0, -1)],
    ("resource_requirements", {"docker_image": "a b"}, "resource_requirements.docker_image", "blanks"),
    ("resource_requirements", {"memory": 5}, "resource_requirements.memory", "did you mean memory_mb?"),
    ("resource_requirements", 5, "resource_requirements", OBJECT),
    ("dependencies", 5, "dependencies", LIST),
    ("comand", "x", "comand", "did you mean command?"),
    ("timeout", 5, "timeout", "did you mean timeout_s?"),
    ("Name", "x", "Name", "did you mean name?"),
    ("cpu", 1, "cpu", "known are command"),
    ("x" * 5_000, 1, "x" * 128, "known are command"),
    ("\0", 1, "['\\x00']", "known are command"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["one", "batch"])
async def test_every_field_said_wrong(served: Served, kind: str) -> None:
    for field, value, path, words in BAD:
        job = json.dumps({"command": "x", field: value}).encode()
        if kind == "one":
            await refused(served, job, path, words)
        else:
            raw = b'{"jobs": [{"command": "x"}, %s]}' % job
            into = f"jobs[1]{'' if not path or path.startswith('[') else '.'}{path}"
            into = "jobs[1].needs" if words.startswith("there is no job") else into
            await refused(served, raw, into, words, "/api/jobs/batch")


def test_no_field_was_forgotten() -> None:
    said = {field for field, *_ in BAD}
    assert set(JobBody.model_fields) <= said
    inside = {(field, name) for field, value, *_ in BAD if isinstance(value, dict) for name in value}
    assert {("resources", name) for name in ResourcesBody.model_fields} <= inside
    assert {("resource_requirements", name) for name in ("gpu", "timeout", "docker_image")} <= inside
    assert set(RequirementsBody.model_fields) == {"cpu_cores", "memory_mb", "gpu", "docker_image", "timeout"}


@pytest.mark.parametrize("field", ["priority", "retries", "timeout_s", "resources.cpu_cores", "resources.memory_mb"])
async def test_numbers_that_are_none(served: Served, field: str) -> None:
    outer, _, inner = field.partition(".")
    for number in ("NaN", "Infinity", "-Infinity", "1e999", str(HUGE), "1" * 5000, "0x10", "01", "1_0", "+1", ".5"):
        value = f'{{"{inner}": {number}}}' if inner else number
        status, problem = await ask(served, "POST", "/api/jobs", f'{{"command": "x", "{outer}": {value}}}'.encode())
        assert status == 400, (number, problem)
        assert problem["errors"][0]["message"], number


@pytest.mark.parametrize(
    ("raw", "path", "words"),
    [
        (b"", "", "JSON"),
        (b"{", "", "JSON"),
        (b"nul", "", "JSON"),
        (b"[]", "", "must be an object"),
        (b'"x"', "", "must be an object"),
        (b"{}", "command", "is required"),
        (b'{"command": "x"} {}', "", "JSON"),
        (b'{"command": "\xff"}', "", "JSON"),
        (b'{"command": "\xed\xa0\x80"}', "", "JSON"),
        (b'{"command": "\\ud800"}', "", "JSON"),
        (b'\xef\xbb\xbf{"command": "x"}', "", "JSON"),
        ('{"command": "x"}'.encode("utf-16"), "", "JSON"),
        (b'{"command": "a", "command": "b"}', "", "'command' twice"),
        (b'{"command": "a", "env": {"A": "1", "A": "2"}}', "", "'A' twice"),
        (b'{"command": "x", "env": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}", "", ""),
        (b'{"command": "x", "needs": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "", ""),
        (b"[" * 10_000 + b"]" * 10_000, "", ""),
        (b'{"command": "x", ' + b",".join(b'"a%d": 1' % at for at in range(2_000)) + b"}", "", "2001 names"),
        (b'{"command": "x", "resource_requirements": {}, "resources": {}}', "resource_requirements", "one of them"),
        (b'{"command": "x", "dependencies": [], "needs": []}', "dependencies", "one of them"),
        (b'{"command": "x", "timeout_s": 1, "resource_requirements": {"timeout": 2}}', "resource_requirements.timeout", ""),
        (b'{"command": "x", "image": "a", "resource_requirements": {"docker_image": "b"}}', "resource_requirements.docker_image", ""),
    ],
)  # fmt: skip
async def test_what_is_no_job(served: Served, raw: bytes, path: str, words: str) -> None:
    await refused(served, raw, path, words)


@pytest.mark.parametrize(
    ("raw", "path", "words"),
    [
        (b'{"jobs": [%s]}' % b",".join([b'{"command":"x"}'] * 10_001), "jobs", "10001 jobs"),
        (b'{"jobs": []}', "jobs", "1 to 10000"),
        (b'{"jobs": {}}', "jobs", "list of jobs"),
        (b'{"jobs": [5]}', "jobs[0]", "object"),
        (b'{"jobs": [{"command": "x"}, null]}', "jobs[1]", "object"),
        (b'{"job": []}', "job", "did you mean jobs?"),
        (b'{}', "jobs", "required"),
        (b'{"jobs": [{"command": "a"}], "jobs": [{"command": "b"}]}', "", "once"),
        (b'{"jobs": [{"command": "a", "command": "b"}]}', "jobs[0]", "twice"),
        (b'{"jobs": [{"command": "x"}, {"command": "%s"}]}' % (b"x" * 1_100_000), "jobs[1]", "1 MiB"),
        (b'{"jobs": [{"command": "\xff"}]}', "jobs[0]", "JSON"),
        (b'{"jobs": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "", "deep"),
    ],
)  # fmt: skip
async def test_what_is_no_batch(served: Served, raw: bytes, path: str, words: str) -> None:
    await refused(served, raw, path, words, "/api/jobs/batch")


async def test_long_circles_and_many_needs_are_told_shortly(served: Served) -> None:
    circle = [{"name": f"n{at}" + "x" * 120, "command": "x", "needs": []} for at in range(5_000)]
    for at, job in enumerate(circle):
        job["needs"] = [circle[at - 1]["name"]]
    await refused(served, json.dumps({"jobs": circle}).encode(), "jobs[1].needs", "more)", "/api/jobs/batch")
    many = [{"command": "x", "needs": [f"j{at}" for at in range(1000)]} for _ in range(101)]
    await refused(served, json.dumps({"jobs": many}).encode(), "jobs", "at most 100000", "/api/jobs/batch")
    unknown = [{"command": "x", "needs": [f"j{at}"]} for at in range(5_000)]
    await refused(served, json.dumps({"jobs": unknown}).encode(), "jobs[0].needs", "no job 'j0'", "/api/jobs/batch")


@pytest.mark.parametrize("query", [
    "limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1e3", "limit=", "limit=٣x", "limit=9" + "9" * 5000,
    "cursor=0", "cursor=-1", "cursor=x", "cursor=", "cursor=99999999999999999999", "cursor=1.5", "cursor=%00",
    "state=nonsense", "state=", "state=RUNNING", "label=x", "label==x", "label=%00", "lable=a%3Db", "name=" + "x" * 300,
    "node=" + "x" * 300, "project=" + "x" * 300, "&".join(f"label=a{at}%3Db" for at in range(65)), "limits=5",
])  # fmt: skip
async def test_lists_asked_wrongly(served: Served, query: str) -> None:
    status, problem = await ask(served, "GET", f"/api/jobs?{query}")
    assert status == 400, problem
    assert problem["errors"][0]["path"].partition("[")[0] in (
        "limit",
        "cursor",
        "state",
        "label",
        "lable",
        "name",
        "node",
        "project",
        "limits",
    )
    assert "pattern" not in problem["detail"]


@pytest.mark.parametrize(("query", "path"), [
    ("since=yesterday", "since"), ("since=2026-01-31", "since"), ("since=2026-01-31T09:05:00", "since"),
    ("since=2026-13-31T09:05:00Z", "since"), ("since=-5", "since"), ("since=5y", "since"), ("since=NaN", "since"),
    ("since=" + "1" * 60, "since"), ("since=" + "1" * 65, "since"), ("since=%00", "since"),
    ("grep=(", "grep"), ("grep=*", "grep"), ("grep=a{1000000}", "grep"), ("grep=" + "(" * 400, "grep"), ("grep=(%3F%3Dx)", "grep"),
    ("grep=(a)%5C1", "grep"), ("grep=%5B", "grep"), ("grep=" + "x" * 513, "grep"),
    ("tail=-1", "tail"), ("tail=x", "tail"), ("tail=1000001", "tail"), ("attempt=0", "attempt"), ("attempt=x", "attempt"),
    ("stream=stdin", "stream"), ("follow=perhaps", "follow"), ("tial=5", "tial"),
])  # fmt: skip
async def test_logs_asked_wrongly(served: Served, query: str, path: str) -> None:
    _, job = await ask(served, "POST", "/api/jobs", b'{"command": "x"}')
    status, problem = await ask(served, "GET", f"/api/jobs/{job['id']}/logs?{query}")
    assert status == 400, problem
    assert problem["errors"][0]["path"] == path


async def test_an_expression_made_to_take_for_ever_does_not(served: Served) -> None:
    """Backtracking on (a+)+$ takes 2^40 steps on this line."""
    _, job = await ask(served, "POST", "/api/jobs", b'{"command": "x"}')
    attempt = await served.controller.start(job["id"], make_node())
    await served.controller.logs.write(attempt, b"a" * 40 + b"!\n" + b"aaa\n")
    headers = {"Authorization": f"Bearer {served.secrets['admin']}"}
    async with aiohttp.ClientSession(served.url, headers=headers) as session, asyncio.timeout(20):
        for grep in ("^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(.*.*)*a$"):
            async with session.get(f"/api/jobs/{job['id']}/logs", params={"grep": grep}) as response:
                assert await response.read() == b"aaa\n", grep


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "é", "a\tb", "\x7f"])
async def test_idempotency_keys_that_are_none(served: Served, key: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rsplit(":", 1)[1]))
    body = b'{"command": "x"}'
    writer.write(
        f"POST /api/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {served.secrets['admin']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: {key}\r\n\r\n".encode()
        + body
    )
    async with asyncio.timeout(10):
        answer = await reader.read()
    assert b" 400 " in answer.partition(b"\r\n")[0]
    writer.close()


async def test_idempotency_in_flight_twice_and_with_another_body(served: Served) -> None:
    taken = len(served.controller.commands)
    asked = [
        ask(served, "POST", "/api/jobs", b'{"command": "once"}', **{"Idempotency-Key": "flight"}) for _ in range(8)
    ]
    answers = await asyncio.gather(*asked)
    assert {status for status, _ in answers} == {201}
    assert len({body["id"] for _, body in answers}) == 1
    assert len(served.controller.commands) == taken + 1
    status, problem = await ask(served, "POST", "/api/jobs", b'{"command": "other"}', **{"Idempotency-Key": "flight"})
    assert (status, "Idempotency-Key" in problem["detail"]) == (409, True)
    status, _ = await ask(
        served, "POST", "/api/jobs?project=p", b'{"command": "once"}', **{"Idempotency-Key": "flight"}
    )
    assert status == 409


@pytest.mark.parametrize(
    "path", ["/api/jobs/%00", "/api/jobs/%ff%fe", "/api/jobs/..%2f..%2fetc", "/api/jobs/" + "x" * 5000, "/api/jobs/%ed%a0%80",
             "/api/nodes/%00", "/api/nodes/" + "x" * 5000, "/api/jobs/é", "/api/jobs/%", "/api/jobs/'%20or%201=1"],
)  # fmt: skip
async def test_odd_ids_are_not_found(served: Served, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rsplit(":", 1)[1]))
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {served.secrets['admin']}\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    assert int(answer.split()[1]) in (400, 404)
    assert b"application/problem+json" in answer
    writer.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/api/keys", {"role": "root"}, "role"),
        ("POST", "/api/keys", {"role": "node"}, "role"),
        ("POST", "/api/keys", {"role": "viewer", "ttl_s": 0}, "ttl_s"),
        ("POST", "/api/keys", {"role": "viewer", "ttl_s": 1e300}, "ttl_s"),
        ("POST", "/api/keys", {"role": "viewer", "project": "a b"}, "project"),
        ("POST", "/api/keys", {"role": "viewer", "name": "\x1b"}, "name"),
        ("POST", "/api/keys", {}, "role"),
        ("POST", "/api/join-tokens", {"ttl_s": -1}, "ttl_s"),
        ("POST", "/api/join-tokens", {"ttl_s": "1"}, "ttl_s"),
        ("POST", "/api/join", {"token": "x" * 600, "name": "n"}, "token"),
        ("POST", "/api/join", {"token": "x", "name": "../n"}, "name"),
        ("PATCH", "/api/nodes/node-a", {"state": "down"}, "state"),
        ("PATCH", "/api/nodes/node-a", {"labels": {"a b": "c"}}, "labels['a b']"),
        ("PATCH", "/api/nodes/node-a", {"labels": {"a": 5}}, "labels.a"),
        ("PATCH", "/api/nodes/node-a", {"label": {}}, "label"),
    ],
)
async def test_other_bodies_said_wrong(served: Served, method: str, path: str, body: dict, field: str) -> None:
    status, problem = await ask(served, method, path, json.dumps(body).encode())
    assert status == 400, problem
    assert problem["errors"][0]["path"] == field


HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE jobs; --",
    "\u202eevil",
    "\x9b31m",
    "{{7*7}}",
    "${jndi:x}",
    "🦊" * 20,
    "\\u0000",
]


async def test_hostile_texts_come_back_as_they_went_in(served: Served) -> None:
    """What is data stays data: names, commands, environment and labels are kept to the letter and never made into markup."""
    for text in HOSTILE:
        wild = f"{text}\x1b[2J\r\n\t{text}"
        job = {"command": wild, "name": text, "labels": {"l": text}, "env": {"E": wild}}
        status, made = await ask(served, "POST", "/api/jobs", json.dumps(job).encode())
        assert status == 201, made
        _, shown = await ask(served, "GET", f"/api/jobs/{made['id']}")
        assert {name: shown[name] for name in job} == job
        _, words = await ask(served, "POST", "/api/jobs", json.dumps({"command": ["echo", wild, ""]}).encode())
        assert words["command"] == ["echo", wild, ""]
