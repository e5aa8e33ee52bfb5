"""`kill -9` of the controller, at every commit and in the middle of a thousand jobs: nothing acknowledged is lost, nothing runs twice.

Each job adds its allocation's id to a file of the host: who ran is told by the processes themselves.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from draas.testing.controller_process import ControllerProcess, job_body
from draas.testing.lab import AgentOn, Lab
from draas.testing.rack import Rack
from draas.testing.waiting import wait_for

DYING = (sys.executable, str(Path(__file__).with_name("dying_controller.py")))
LAST_COMMIT = 7  # the agent's hello, a submission with its placing, reports; from there on the same again
THROUGH_DEATHS_S = 60.0


@pytest.fixture
def agents_of(rack: Rack) -> Iterator[Callable[[ControllerProcess, int], Lab]]:
    """Agents beside those of the session, joined to a test's own controller; killed at the end."""
    made: list[AgentOn] = []

    def join(controller: ControllerProcess, count: int) -> Lab:
        made.extend(AgentOn(machine, name=f"own{machine.number}") for machine in rack.machines[:count])
        lab = Lab(controller, made)
        lab.join_all()
        return lab

    yield join
    for agent in made:
        agent.kill()


def ran(file: Path) -> Counter[str]:
    """How often each job ran."""
    return Counter(line.rpartition(".")[0] for line in file.read_text().split())


def test_killed_at_every_commit(rack: Rack, tmp_path: Path, agents_of: Callable[[ControllerProcess, int], Lab]) -> None:
    controller = ControllerProcess(tmp_path / "dying", rack.address, program=DYING)
    file = tmp_path / "ran"
    file.touch()
    acknowledged: list[str] = []
    enough = threading.Event()

    def submit_one_after_another() -> None:
        """Each is waited for, so that a life has commits of every kind: its submission, its placing, its reports."""
        while not enough.is_set():
            body = job_body(f'echo "$DRAAS_ALLOCATION" >> {file}', runtime="process")
            job = controller.call(lambda client, body=body: client.submit(body), THROUGH_DEATHS_S)
            acknowledged.append(job["id"])
            controller.call(lambda client, id=job["id"]: client.wait(id), THROUGH_DEATHS_S)

    submitting = threading.Thread(target=submit_one_after_another)
    deaths = [f"{commit} {when}" for commit in range(1, LAST_COMMIT + 1) for when in ("before", "after")]
    try:
        controller.start()
        agents_of(controller, 1)
        controller.kill()
        controller.launch({"DEATHS": ",".join(deaths)})
        submitting.start()
        wait_for(lambda: controller.log.read_text().count("died "), lambda died: died == len(deaths), "all deaths", 150)
        known = len(acknowledged)
        wait_for(lambda: len(acknowledged), lambda count: count > known + 1, "it goes on after the last death")
        enough.set()
        submitting.join()
        for id in acknowledged:
            done = controller.wait_job(id)
            assert [a["state"] for a in done["attempts"]] == ["succeeded"], done
        total = controller.call(lambda client: client.jobs(limit=1))["total"]
        assert total == len(acknowledged)  # none lost, none made twice by a repeated request
        assert ran(file) == Counter(acknowledged)
    finally:
        enough.set()
        controller.close()


def test_a_thousand_jobs_in_flight(
    fresh_controller: ControllerProcess, tmp_path: Path, agents_of: Callable[[ControllerProcess, int], Lab]
) -> None:
    controller, file = fresh_controller, tmp_path / "ran"
    file.touch()
    controller.start()
    agents_of(controller, 3)
    command = f'sleep 0.3; echo "$DRAAS_ALLOCATION" >> {file}'
    small = {"cpu_cores": 0.05, "memory_mb": 16}
    host = [job_body(command, runtime="process", name="many", resources=small) for _ in range(1000)]
    containers = [job_body("echo $DRAAS_ALLOCATION_ID", name="contained") for _ in range(12)]
    ids = controller.submit_batch([*containers, *host])
    for mark in (100, 400):
        wait_for(lambda: sum(ran(file).values()), lambda count, mark=mark: count >= mark, f"{mark} have run")
        controller.kill()
        controller.start()
    wait_for(lambda: controller.counts("many"), lambda counts: counts == {"succeeded": 1000}, "all succeed", 120)
    for id in ids[:12]:
        assert [a["state"] for a in controller.wait_job(id)["attempts"]] == ["succeeded"]
        assert controller.output(id).decode() == f"{id}.1\n"
    assert ran(file) == Counter(ids[12:])


def test_running_containers_do_not_notice(lab: Lab) -> None:
    """Also what they wrote while nobody listened arrives, once."""
    controller = lab.controller
    count = "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); sleep 0.05; done"
    jobs = [controller.submit(count) for _ in range(3)]
    for job in jobs:
        controller.wait_job(job, "running")
    before = {id: at for agent in lab.agents for id, at in agent.containers().items()}
    controller.kill()
    controller.start()
    lab.wait_ready()
    after = {id: at for agent in lab.agents for id, at in agent.containers().items()}
    assert {id: before[id] for id in after} == after
    for job in jobs:
        assert [a["state"] for a in controller.wait_job(job)["attempts"]] == ["succeeded"]
        assert controller.output(job).decode().splitlines() == [f"line {i}" for i in range(200)]
