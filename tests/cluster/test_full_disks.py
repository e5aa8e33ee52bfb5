"""A disk that is full: the machine's, and the controller's own."""

import asyncio
import contextlib
import os
import re
from pathlib import Path

import pytest

from draas.client.api import Client
from draas.model.errors import DraasError, Unavailable
from draas.testing.controller_process import ControllerProcess
from draas.testing.lab import AgentOn, Lab
from draas.testing.rack import Rack
from draas.testing.waiting import wait_for

MIB = 1024 * 1024


def disk_share(lab: Lab, name: str) -> float:
    load = lab.controller.node(name)["load"]
    return load["disk_used_bytes"] / load["disk_total_bytes"]


def test_a_machine_with_a_full_disk_gets_nothing_new_and_recovers(lab: Lab) -> None:
    controller, agent = lab.controller, lab.agent("m3")
    agent.machine.fill_disk(0.97)
    wait_for(lambda: disk_share(lab, "m3"), lambda share: share > 0.95, "m3 reports its full disk")
    job = controller.submit("echo ok", constraints=["node.name == m3"])
    why = controller.call(lambda client: client.explain(job))
    (verdict,) = [verdict for verdict in why["verdicts"] if verdict["node"] == "m3"]
    assert not verdict["fits"]
    assert any("disk" in lack for lack in verdict["lacks"]), verdict
    assert controller.job(job)["state"] == "queued"
    agent.machine.free_disk()
    assert controller.wait_job(job)["state"] == "succeeded"


@pytest.mark.parametrize("runtime", ["docker", "process"])
def test_a_disk_that_fills_up_is_named_and_costs_the_job_nothing(lab: Lab, runtime: str) -> None:
    """The job is there before the controller knows of the disk: the attempt fails with the disk as its cause, and is made again."""
    controller, agent = lab.controller, lab.agent("m3")

    def placed_on_full() -> str | None:
        agent.machine.free_disk()
        wait_for(lambda: disk_share(lab, "m3"), lambda share: share < 0.9, "m3 has room")
        agent.machine.fill_disk(1.0)
        job = controller.submit("echo ok", constraints=["node.name == m3"], runtime=runtime, retries=0)
        wait_for(lambda: disk_share(lab, "m3"), lambda share: share > 0.95, "m3 reports its full disk")
        return job if controller.job(job)["attempts"] else None

    job = wait_for(placed_on_full, lambda job: job is not None, "a job is placed before the disk is known to be full")
    assert job is not None
    failed = controller.wait_attempt(job, 1, "failed")
    first = failed["attempts"][0]
    assert first["cause"] == "disk", first
    assert "free" in first["detail"], first
    assert agent.running
    agent.machine.free_disk()
    done = controller.wait_job(job)
    assert (done["state"], controller.output(job)) == ("succeeded", b"ok\n")


def test_the_controllers_disk_is_full(rack: Rack) -> None:
    """It says so and takes nothing; what it had taken is there when there is room again, and running jobs lose no output."""
    disk = rack.small_disk("controller", 48 * MIB)
    controller = ControllerProcess(disk / "own", rack.address)
    controller.log = rack.folder / "full-controller.log"
    agent = AgentOn(rack.machines[0], name="full1")
    ballast = disk / "ballast"
    try:
        controller.start()
        lab = Lab(controller, [agent])
        lab.join_all()
        writing = controller.submit("i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); sleep 0.02; done")
        controller.wait_job(writing, "running")
        taken = [controller.submit(f"echo {number}", runtime="process") for number in range(5)]
        fill(ballast)
        refusal = wait_for(lambda: refused(controller), bool, "the controller refuses")
        assert "space" in refusal
        ballast.unlink()
        later = str(controller.call(lambda client: client.submit({"command": "echo later"}), 60.0)["id"])
        for job in (*taken, later, writing):
            assert controller.wait_job(job)["state"] == "succeeded"
        assert controller.output(writing).decode().splitlines() == [f"line {i}" for i in range(400)]
        assert controller.output(later) == b"later\n"
    finally:
        ballast.unlink(missing_ok=True)
        agent.kill()
        controller.close()


def test_the_controllers_disk_is_nearly_full(rack: Rack) -> None:
    """From 95 % on it refuses what comes in bulk, with the remedy; what runs, its output, single jobs and cancels go on."""
    disk = rack.small_disk("controller-95", 64 * MIB)
    controller = ControllerProcess(disk / "own", rack.address)
    controller.log = rack.folder / "nearly-full-controller.log"
    agent = AgentOn(rack.machines[0], name="full2")
    ballast = disk / "ballast"
    try:
        controller.start()
        lab = Lab(controller, [agent])
        lab.join_all()
        writing = controller.submit("i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); sleep 0.02; done")
        endless = controller.submit("sleep 600")
        for job in (writing, endless):
            controller.wait_job(job, "running")
        found = os.statvfs(disk)
        leave = found.f_blocks * found.f_frsize * 4 // 100
        ballast.write_bytes(bytes(found.f_bavail * found.f_frsize - leave))
        told = wait_for(lambda: refusal_of_a_batch(controller), bool, "the controller refuses a batch")
        assert re.search(r"is 9[67] % full", told), told  # its own database grows meanwhile
        assert "draas images prune" in told
        assert controller.call(lambda client: client.nodes())["warnings"]
        kinds = wait_for(lambda: disk_events(controller), lambda kinds: "disk.full" in kinds, "the event")
        single = controller.submit("echo single", runtime="process")
        controller.cancel(endless)
        for job, state in ((single, "succeeded"), (endless, "cancelled"), (writing, "succeeded")):
            assert controller.wait_job(job)["state"] == state
        assert controller.output(writing).decode().splitlines() == [f"line {i}" for i in range(200)]
        ballast.unlink()
        wait_for(lambda: refusal_of_a_batch(controller), lambda told: not told, "the controller takes batches again")
        kinds = wait_for(lambda: disk_events(controller), lambda kinds: "disk.freed" in kinds, "the end is told")
        assert kinds == ["disk.full", "disk.freed"]
    finally:
        ballast.unlink(missing_ok=True)
        agent.kill()
        controller.close()


def refusal_of_a_batch(controller: ControllerProcess) -> str:
    try:
        controller.call(lambda client: client.submit_batch([{"command": "true", "runtime": "process"}]), patience_s=0)
    except DraasError as error:
        return error.detail
    return ""


def disk_events(controller: ControllerProcess) -> list[str]:
    """The kinds of those about the controller's own disk, so far."""

    async def read(client: Client) -> list[str]:
        kinds: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                async for event in client.events(since=0):
                    if event["subject"] == "controller":
                        kinds.append(event["kind"])
        return kinds

    found: list[str] = controller.call(read)
    return found


def fill(ballast: Path) -> None:
    """Leave nothing at all."""
    with ballast.open("wb", buffering=0) as out:
        block = bytes(MIB)
        while block:
            try:
                out.write(block)
            except OSError:
                block = block[: len(block) // 2]
    assert os.statvfs(ballast.parent).f_bavail == 0


def refused(controller: ControllerProcess) -> str:
    """What the controller says that it takes nothing; "" where it does."""
    try:
        controller.call(lambda client: client.submit({"command": "true", "name": "refused"}), patience_s=0)
    except Unavailable as error:
        return error.detail
    return ""
