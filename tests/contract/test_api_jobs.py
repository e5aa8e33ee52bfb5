"""Jobs over HTTP, through the typed client and, where it matters, as raw requests."""

import asyncio
import json

import aiohttp
import pytest

from draas.client.api import Client
from draas.client.errors import exit_code
from draas.lib import ids
from draas.model.command import SubmitJobs
from draas.model.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from draas.model.job import JobId, RuntimeName
from draas.model.resources import MIB, Resources
from draas.testing.api import Served, make_node, put_key, serve_api

README_JOB = {
    "name": "test-job",
    "command": "echo Hello form the cloud!",
    "resource_requirements": {"cpu_cores": 1, "memory_mb": 100},
}


@pytest.fixture
async def served():
    async with serve_api() as started:
        yield started


@pytest.fixture
async def client(served: Served):
    async with Client(served.settings(), patience_s=0) as opened:
        yield opened


@pytest.fixture
async def raw(served: Served):
    headers = {"Authorization": f"Bearer {served.secrets['admin']}"}
    async with aiohttp.ClientSession(served.url, headers=headers) as session:
        yield session


def submitted(served: Served) -> SubmitJobs:
    command = served.controller.commands[-1]
    assert isinstance(command, SubmitJobs)
    return command


async def test_a_job_is_submitted_shown_listed(served: Served, client: Client) -> None:
    job = await client.submit(README_JOB)
    assert job["state"] == "queued"
    assert job["resources"] == {"cpu_cores": 1, "memory_mb": 100, "gpus": 0}
    assert await client.job(job["id"]) == job
    page = await client.jobs(name="test-job")
    assert (page["total"], page["next"]) == (1, None)
    assert page["items"] == [{name: value for name, value in job.items() if name != "attempts"}]


async def test_every_field_reaches_the_controller(served: Served, client: Client) -> None:
    first = await client.submit({"command": "true"})
    body = {
        "name": "résumé 1",
        "image": "python:3.12-slim",
        "command": ["python", "-c", "print(1)"],
        "resources": {"cpu_cores": 0.25, "memory_mb": 256.5, "gpus": 1},
        "env": {"A": "1", "_B": "ü\n"},
        "priority": 0,
        "retries": 3,
        "timeout_s": 0.5,
        "labels": {"team": "x"},
        "constraints": ["node.arch == amd64"],
        "needs": [first["id"]],
        "runtime": "host",
        "exclusive": True,
        "node": "node-a",
    }
    job = await client.submit(body)
    spec = submitted(served).specs[0]
    assert spec.command == ("python", "-c", "print(1)")
    assert spec.resources == Resources(cpu_millis=250, memory_bytes=int(256.5 * MIB), gpus=1)
    assert spec.runtime is RuntimeName.PROCESS
    assert spec.constraints == ("node.arch == amd64", "node.name == node-a")
    assert spec.needs == (first["id"],)
    assert (spec.env, spec.labels, spec.priority, spec.retries, spec.timeout_s, spec.exclusive) == (
        {"A": "1", "_B": "ü\n"}, {"team": "x"}, 0, 3, 0.5, True,
    )  # fmt: skip
    assert job["state"] == "waiting"


async def test_old_clients_spelling(served: Served, client: Client) -> None:
    first = await client.submit({"command": "true"})
    requirements = {"cpu_cores": 2, "memory_mb": 64, "gpu": False, "docker_image": "busybox", "timeout": 30}
    await client.submit({"command": "x", "resource_requirements": requirements, "dependencies": [first["id"]]})
    spec = submitted(served).specs[0]
    assert (spec.image, spec.timeout_s, spec.needs) == ("busybox", 30, (first["id"],))
    assert spec.resources == Resources(cpu_millis=2000, memory_bytes=64 * MIB)


async def test_the_same_idempotency_key_does_it_once(served: Served, raw: aiohttp.ClientSession) -> None:
    answers = []
    for body in (README_JOB, README_JOB, {"command": "other"}):
        async with raw.post("/api/jobs", json=body, headers={"Idempotency-Key": "k1"}) as response:
            answers.append((response.status, await response.json()))
    assert answers[0] == answers[1]
    assert answers[2][0] == 409
    async with raw.post("/api/jobs/batch", json={"jobs": [README_JOB]}, headers={"Idempotency-Key": "k1"}) as response:
        assert response.status == 201  # another route is another request
    assert len(served.controller.commands) == 2


async def test_a_batch_resolves_names(served: Served, client: Client) -> None:
    old = await client.submit({"command": "true"})
    jobs = [
        {"name": "d", "command": "d", "needs": ["b", "c"]},
        {"name": "a", "command": "a", "needs": [old["id"]]},
        {"name": "b", "command": "b", "needs": ["a"]},
        {"name": "c", "command": "c", "needs": ["a"]},
    ]
    made = (await client.submit_batch(jobs))["jobs"]
    assert [job["name"] for job in made] == ["d", "a", "b", "c"]
    d, a, b, c = (job["id"] for job in made)
    command = submitted(served)
    assert [spec.needs for spec in command.specs] == [(b, c), (old["id"],), (a,), (a,)]
    assert command.known == {old["id"]: "queued"}
    assert c != d


@pytest.mark.parametrize(
    ("jobs", "path", "words"),
    [
        ([{"name": "a", "needs": ["b"]}, {"name": "b", "needs": ["a"]}], "jobs[1].needs", "a > b > a"),
        ([{"name": "a", "needs": ["a"]}], "jobs[0].needs", "a > a"),
        ([{"name": "a"}, {"name": "b", "needs": ["a", "ghost"]}], "jobs[1].needs", "'ghost'"),
        ([{"name": "a"}, {"name": "a"}, {"needs": ["a"]}], "jobs[2].needs[0]", "different names"),
        ([{"name": "a"}, {"retries": 4}], "jobs[1].retries", "at most 3"),
        ([{"name": "a"}, {"constraints": ["gibberish"]}], "jobs[1].constraints[0]", "gibberish"),
    ],
)
async def test_a_bad_batch_takes_nothing(
    served: Served, client: Client, jobs: list[dict], path: str, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await client.submit_batch([{"command": "x", **job} for job in jobs])
    assert caught.value.faults[0].path == path
    assert words in caught.value.faults[0].message
    assert served.controller.commands == []
    assert exit_code(caught.value) == 2


async def test_unknown_needs_of_one_job_are_named(client: Client) -> None:
    with pytest.raises(Invalid, match="j-nowhere") as caught:
        await client.submit({"command": "x", "needs": ["j-nowhere"]})
    assert caught.value.faults[0].path == "needs"
    with pytest.raises(Invalid, match="me > me"):
        await client.submit({"name": "me", "command": "x", "needs": ["me"]})


async def test_ten_thousand_jobs_in_one_request_leave_room_for_others(served: Served, client: Client) -> None:
    jobs = [{"name": f"n{at}", "command": "true", "needs": [f"n{at - 1}"] if at else []} for at in range(10_000)]
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.ensure_future(count())
    made = await client.submit_batch(jobs)
    counting.cancel()
    assert len(made["jobs"]) == len(served.controller.commands[-1].specs) == 10_000
    assert turns > 10
    page = await client.jobs(limit=1000)
    assert page["total"] == 10_000
    assert len({job["id"] async for job in client.all_jobs()}) == 10_000


async def test_lists_filter_and_page(served: Served, client: Client) -> None:
    node = make_node()
    for at in range(5):
        await client.submit({"name": f"n{at % 2}", "command": "x", "labels": {"at": str(at), "k": "v=w"}})
    newest = (await client.jobs())["items"][0]
    await served.controller.start(JobId(newest["id"]), node)
    assert (await client.jobs(state="running"))["total"] == 1
    assert (await client.jobs(node="node-a"))["items"][0]["id"] == newest["id"]
    assert (await client.jobs(labels={"k": "v=w", "at": "3"}))["total"] == 1
    first = await client.jobs(limit=3)
    second = await client.jobs(limit=3, cursor=first["next"])
    assert (len(first["items"]), len(second["items"]), second["next"], second["total"]) == (3, 2, None, 5)
    assert [job["labels"]["at"] for job in first["items"] + second["items"]] == list("43210")


async def test_cancel_retry_delete(served: Served, client: Client) -> None:
    id = (await client.submit(README_JOB))["id"]
    with pytest.raises(Conflict):
        await client.delete(id)
    assert (await client.cancel(id))["state"] == "cancelled"
    assert (await client.retry(id))["state"] == "queued"
    with pytest.raises(Conflict):
        await client.retry(id)
    await client.cancel(id)
    await client.delete(id)
    for call in (client.job, client.cancel, client.retry, client.delete, client.explain):
        with pytest.raises(NotFound, match=id):
            await call(id)


async def test_attempts_are_shown(served: Served, client: Client) -> None:
    id = JobId((await client.submit(README_JOB))["id"])
    node = make_node()
    await served.controller.start(id, node)
    await served.controller.finish(id, 3, again=True)
    await served.controller.start(id, node)
    await served.controller.finish(id, 0)
    job = await client.job(id)
    assert [(a["number"], a["state"], a["exit_code"], a["cause"]) for a in job["attempts"]] == [
        (1, "failed", 3, "exit"),
        (2, "succeeded", 0, ""),
    ]
    assert (job["state"], job["exit_code"], job["node"]) == ("succeeded", 0, "node-a")
    assert job["created_at"].endswith("Z")


async def test_wait_ends_with_the_job(served: Served, client: Client) -> None:
    id = JobId((await client.submit(README_JOB))["id"])
    waiting = asyncio.ensure_future(client.wait(id))
    await served.controller.start(id, make_node())
    await served.controller.finish(id, 7)
    assert (await waiting)["exit_code"] == 7
    other = (await client.submit(README_JOB))["id"]
    with pytest.raises(TimeoutError, match="still queued"):
        await client.wait(other, timeout_s=0.05)


async def test_explain(served: Served, client: Client) -> None:
    await served.controller.put_node(make_node())
    told = await client.explain((await client.submit(README_JOB))["id"])
    assert told["verdicts"][0]["node"] == "node-a"


async def test_a_key_of_a_project_sees_only_that_project(served: Served, client: Client) -> None:
    secret = await put_key(served.controller, "admin", project="red")
    theirs = await client.submit(README_JOB, project="blue")
    async with Client(served.settings().__class__(url=served.url, key=secret), patience_s=0) as red:
        mine = await red.submit(README_JOB)
        assert mine["project"] == "red"
        assert [job["id"] for job in (await red.jobs())["items"]] == [mine["id"]]
        for call in (red.job, red.cancel, red.retry, red.delete, red.explain):
            with pytest.raises(NotFound, match=theirs["id"]):
                await call(theirs["id"])
        with pytest.raises(NotFound):
            _ = [piece async for piece in red.logs(theirs["id"])]
        with pytest.raises(Invalid, match=theirs["id"]):
            await red.submit({"command": "x", "needs": [theirs["id"]]})
        for forbidden in (red.jobs(project="blue"), red.submit(README_JOB, project="blue"), red.keys(), red.metrics()):
            with pytest.raises(Forbidden, match="red"):
                await forbidden


async def test_trouble_is_503_with_the_reason(served: Served, client: Client) -> None:
    served.controller.trouble = "the disk is full: free some space in /var/lib/draas"
    with pytest.raises(Unavailable, match="disk is full") as caught:
        await client.submit(README_JOB)
    assert exit_code(caught.value) == 3
    with pytest.raises(Unavailable, match="disk is full"):
        await client.check_ready()
    assert (await client.health())["status"] == "ok"


@pytest.mark.parametrize("path", ["/api/jobs", "/api/jobs/batch"])
@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "JSON"),
        (b"{", 400, "JSON"),
        (b"[]", 400, "must be"),
        (b"null", 400, "must be"),
        (b'"x"', 400, "must be"),
        (b'\xff\xfe{"a":1}', 400, "JSON"),
        (b'{"command": "\xff"}', 400, ""),
        (b'{"jobs": [{"command": "\xff"}]}', 400, ""),
        (b'{"jobs": [{"command": "\\ud800"}]}', 400, ""),
        (b"[" * 100_000, 400, ""),
        (b'{"jobs":[' + b'{"env":' * 50_000, 400, ""),
        (b'{"jobs":[' + b"[" * 50_000 + b"]" * 50_000 + b"]}", 400, "deep"),
        (b'{"jobs":[]}', 400, ""),
        (b'{"jobs":5}', 400, ""),
        (b'{"command": "x", "timeout_s": NaN}', 400, ""),
        (b'{"command": "x", "priority": 1' + b"0" * 5000 + b"}", 400, ""),
    ],
)
async def test_what_is_no_job_is_a_problem(
    served: Served, raw: aiohttp.ClientSession, path: str, content: bytes, status: int, words: str
) -> None:
    async with raw.post(path, data=content, headers={"Content-Type": "application/json"}) as response:
        problem = await response.json()
        assert response.status == status, problem
        assert response.content_type == "application/problem+json"
    assert problem["status"] == status
    assert problem["errors"]
    if words and path.endswith("batch") == (b"jobs" in content):
        assert words in problem["detail"]
    assert served.controller.commands == []


async def test_sizes_and_types_of_bodies(served: Served, raw: aiohttp.ClientSession) -> None:
    async def chunks(count: int):
        for _ in range(count):
            yield b" " * (1024 * 1024)

    for path, count in (("/api/jobs", 3), ("/api/jobs/batch", 70)):
        async with raw.post(path, data=chunks(count), headers={"Content-Type": "application/json"}) as response:
            assert response.status == 413
            assert "MiB" in (await response.json())["detail"]
    async with raw.post("/api/jobs", data=b"x" * 2_000_000, headers={"Content-Type": "application/json"}) as response:
        assert response.status == 413
    async with raw.post("/api/jobs", data=b"command=x", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 415
        assert "application/json" in (await response.json())["detail"]
    async with raw.post("/api/jobs", json=README_JOB, headers={"Idempotency-Key": "k" * 300}) as response:
        assert response.status == 400
    async with raw.get("/api/nothing") as response:
        assert (response.status, response.content_type) == (404, "application/problem+json")
    async with raw.put("/api/jobs") as response:
        assert (response.status, response.content_type) == (405, "application/problem+json")


async def test_ids_in_answers_are_ours(client: Client) -> None:
    job = await client.submit(json.loads('{"command": "x"}'))
    assert job["id"].startswith("j-")
    assert len(job["id"]) == len(ids.new("j"))
