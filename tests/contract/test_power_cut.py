"""The plug is pulled: whatever was acknowledged is on the disk, not in a cache of the kernel that only a kill -9 leaves alone."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from logging_forever import LARGE, SMALL, content, read_both

from draas.client.api import Client
from draas.client.settings import Settings
from draas.client.uploads import upload_blob
from draas.testing.controller_process import ControllerProcess
from draas.testing.power_disk import PowerDisk
from draas.testing.waiting import wait_for

pytestmark = [pytest.mark.needs("root", "loop"), pytest.mark.timeout(200)]
CUTS, JOBS = 3, 24
WORDS = "one\ntwo\nthree\n"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PowerDisk]:
    with PowerDisk(tmp_path) as mounted:
        yield mounted


@pytest.fixture
def controller(disk: PowerDisk) -> Iterator[ControllerProcess]:
    running = ControllerProcess(disk.folder, "127.0.0.1")
    try:
        running.start()
        yield running
    finally:
        running.close()


def pull_the_plug(disk: PowerDisk, controller: ControllerProcess) -> None:
    assert controller.process is not None
    disk.pull_the_plug(controller.process)
    controller.start()


def start_agent(folder: Path, log: Path, *words: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        started = subprocess.Popen(
            (sys.executable, "-m", "draas", *words, "--allow-host-jobs=plain", "--data-dir", str(folder)),
            env={**os.environ, "HOME": str(folder.parent)},
            stdout=out,
            stderr=out,
        )
    wait_for(log.read_text, lambda said: "linked" in said or started.poll() is not None, "linked")
    return started


def test_the_disk_forgets_what_was_not_flushed(disk: PowerDisk) -> None:
    """The tests below say something only while this holds."""
    (disk.folder / "written").write_text("not flushed")
    with (disk.folder / "flushed").open("w") as file:
        file.write("flushed")
        file.flush()
        os.fsync(file.fileno())
    with (disk.folder / "later").open("w") as file:
        file.write("not flushed")
        disk.pull_the_plug()
    kept = {path.name: path.read_text() for path in disk.folder.iterdir() if path.is_file()}
    assert kept["flushed"] == "flushed"
    assert "not flushed" not in kept.values()


@pytest.mark.parametrize("acknowledged", [1, 20])
def test_output_that_was_acknowledged_is_kept(disk: PowerDisk, acknowledged: int) -> None:
    script = Path(__file__).with_name("logging_forever.py")
    for _ in range(2):  # the second time on what the first left
        process = subprocess.Popen([sys.executable, script, disk.folder], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(acknowledged)]
        disk.pull_the_plug(process)
        small, large = (int(word) for word in told[-1].split())
        found = asyncio.run(read_both(disk.folder))
        assert len(found[SMALL]) >= small
        assert len(found[LARGE]) >= large
        assert found == {id: content(0, len(data)) for id, data in found.items()}


def test_what_the_controller_acknowledged_is_kept(
    disk: PowerDisk, controller: ControllerProcess, tmp_path: Path
) -> None:
    """Its key and its authority from the first second on; then jobs, results and output; each job ran once."""
    token = controller.join_token()
    pull_the_plug(disk, controller)
    runs = tmp_path / "runs"
    agent = start_agent(tmp_path / "agent", tmp_path / "agent.log", "join", controller.url, token)
    try:
        taken: list[str] = []
        for _ in range(CUTS):
            body = {"command": f"echo $DRAAS_JOB_ID >> {runs}; printf '{WORDS}'", "runtime": "host"}
            taken += controller.submit_batch([body] * JOBS)
            ended = [controller.wait_job(id) for id in taken[-JOBS : -JOBS // 2]]
            taken += [controller.submit(body["command"], runtime="host") for _ in range(3)]
            secret = controller.call(lambda client: client.make_key("deployer", name="late"))["key"]
            pull_the_plug(disk, controller)
            assert [controller.job(job["id"]) for job in ended] == ended
            assert asyncio.run(sees(controller.settings, secret)) >= set(taken)
        assert [controller.wait_job(id)["state"] for id in taken] == ["succeeded"] * len(taken)
        assert [controller.output(id).decode() for id in taken] == [WORDS] * len(taken)
        assert sorted(runs.read_text().split()) == sorted(taken)
    finally:
        agent.terminate()
        agent.wait(30)


async def sees(settings: Settings, key: str) -> set[str]:
    async with Client(Settings(url=settings.url, key=key, ca=settings.ca)) as client:
        return {job["id"] async for job in client.all_jobs()}


def test_an_uploaded_blob_is_kept(disk: PowerDisk, controller: ControllerProcess, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(20 * 1024 * 1024))

    async def upload(client: Client) -> str:
        return await upload_blob(client.transport, "default/shop", source, lambda sent, size: None)

    digest = controller.call(upload)
    pull_the_plug(disk, controller)
    kept = controller.call(lambda client: client.transport.read("GET", f"/v2/default/shop/blobs/{digest}"))
    assert kept == source.read_bytes()


def test_a_machine_is_the_same_one_when_its_power_is_back(
    disk: PowerDisk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    controller = ControllerProcess(tmp_path_factory.mktemp("other") / "controller", "127.0.0.1")
    try:
        controller.start()
        log = controller.log.parent / "agent.log"
        agent = start_agent(disk.folder / "agent", log, "join", controller.url, controller.join_token())
        before = [node["id"] for node in controller.nodes()]
        disk.pull_the_plug(agent)
        agent = start_agent(disk.folder / "agent", log, "agent")
        assert [node["id"] for node in controller.nodes()] == before
        agent.terminate()
        agent.wait(30)
    finally:
        controller.close()
