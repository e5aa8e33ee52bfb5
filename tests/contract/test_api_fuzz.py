"""Requests made from the OpenAPI document, right and wrong, against the real application: no 500, and answers as the document says."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import hypothesis
import pytest
import schemathesis
from schemathesis import checks
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from draas.model.app import AppId
from draas.model.app_spec import AppSpec
from draas.model.command import PutApp, SubmitJobs
from draas.model.job import JobId, ProjectName
from draas.server.api.app import create_app
from draas.server.api.config import ApiConfig
from draas.server.api.describe import describe
from draas.server.registry.entry import Images
from draas.server.services.controller import Reply
from draas.store.blob_files import BlobFiles
from draas.store.manifest_files import ManifestFiles
from draas.testing.api import make_node, serve_api
from draas.testing.builders import a_build_spec
from draas.testing.fake_controller import FakeController

EXAMPLES = 15  # of each call, right and wrong: some 600 requests in 30 s
# These stream for ever; tests/contract/test_api_logs.py and test_api_apps.py have them.
ENDLESS = {("GET", "/api/events"), ("GET", "/api/apps/{name}/watch")}
CHECKS = (
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
DOCUMENT = json.loads(json.dumps(describe(create_app(FakeController(), ApiConfig()))))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {
    f"{found.ok().method.upper()} {found.ok().path}": found.ok()
    for found in SCHEMA.get_all_operations()
    if (found.ok().method.upper(), found.ok().path) not in ENDLESS
}


@dataclass(frozen=True, slots=True)
class Target:
    url: str
    key: str
    job: str  # one that has ended and has output
    build: str


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The API on a loop of its own, since schemathesis and hypothesis block."""
    started: asyncio.Queue[Target] = asyncio.Queue()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        folder = tmp_path_factory.mktemp("registry")
        images = Images(blobs=BlobFiles(folder), manifests=ManifestFiles(folder))
        async with serve_api(images=images) as served:
            await served.controller.put_node(make_node())
            command = b'{"command": "x"}'
            head = f"POST /api/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(command)}\r\n"
            head += f"Content-Type: application/json\r\nAuthorization: Bearer {served.secrets['admin']}\r\n\r\n"
            reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rsplit(":", 1)[1]))
            writer.write(head.encode() + command)
            job = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])["id"]
            writer.close()
            attempt = await served.controller.start(JobId(job), make_node())
            await served.controller.logs.write(attempt, b"one\n\xff\x00two")
            await served.controller.finish(JobId(job))
            spec = AppSpec(image="nginx:1.25", port=80, min_replicas=2, max_replicas=2)
            served.controller.apps_now.prompt = True
            put = PutApp(id=AppId("app-1"), project=ProjectName("default"), name="shop", spec=spec)
            await served.controller.command_apps(put, lambda apps: Reply(200, b""))
            await served.controller.logs.write(served.controller.apps_now.get("shop").replicas[0].id, b"one\ntwo")
            build = JobId("b-1")
            submit = SubmitJobs(project=ProjectName("default"), ids=(build,), specs=(a_build_spec(),), known={})
            await served.controller.command(submit, lambda jobs, nodes: Reply(200, b""))
            await started.put(Target(served.url, served.secrets["admin"], job, build))
            await stop.wait()
        await images.blobs.close()
        await images.manifests.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(started.get(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        assert not thread.is_alive()
        loop.close()


def test_every_call_is_described() -> None:
    calls = {f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert calls == set(OPERATIONS) | {" ".join(call) for call in ENDLESS}
    assert len(calls) >= 23


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_requests_made_from_the_document(target: Target, name: str, mode: GenerationMode) -> None:
    operation = OPERATIONS[name]
    seen: list[int] = []

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), real=hypothesis.strategies.booleans())
    def ask(case: schemathesis.Case, real: bool) -> None:
        if real and "{id}" in operation.path and case.path_parameters:
            job = target.build if "builds" in operation.path else target.job
            case.path_parameters["id"] = "node-a" if "nodes" in operation.path else job
        if real and "{name}" in operation.path and case.path_parameters:
            case.path_parameters["name"] = "shop"
        if name.endswith("/logs") or "wait_s" in str(case.query):
            case.query = {**dict(case.query or {}), "follow": "false"} if name.endswith("/logs") else {}
        response = case.call(base_url=target.url, headers={"Authorization": f"Bearer {target.key}"}, timeout=30)
        seen.append(response.status_code)
        case.validate_response(response, checks=list(CHECKS))

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # nothing can be wrong with a call that takes nothing
        return
    assert seen
    assert max(seen) < 500
