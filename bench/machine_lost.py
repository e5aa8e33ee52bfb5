"""What a lost machine costs: until its job runs elsewhere, exclusive or not; and that restarts of agent and controller cost nothing.

`.venv/bin/python bench/machine_lost.py [ROUNDS]` makes three machines of its own (root and Debian's docker.io, iproute2, iptables needed).
Times are told by the jobs themselves: from the last word of the first attempt, at the power cut, to the first word of the second.
The floor is what the policy makes everybody wait: nobody may be taken for lost sooner.
"""

import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

from draas.lib import clock
from draas.model.policy import Policy
from draas.testing.controller_process import ControllerProcess, job_body
from draas.testing.lab import AgentOn, Lab
from draas.testing.rack import Rack
from draas.testing.recorder import Recorder
from draas.testing.waiting import wait_for

POLICY = Policy()
LOST_S, EXCLUSIVE_S = 10.0, POLICY.lease_s + 5.0
JOBS, KILLS = 300, 3


def until_elsewhere(lab: Lab, rack: Rack, recorder: Recorder, *, exclusive: bool) -> float:
    """Seconds from the power cut to the first word of the next attempt. The machine is back when this returns."""
    controller = lab.controller
    job = controller.submit(recorder.script(300), exclusive=exclusive)
    wait_for(lambda: recorder.lives(job), bool, "it runs")
    lost = lab.agent(controller.job(job)["attempts"][-1]["node"])
    cut_at = clock.monotonic()
    rack.cut_power(lost.machine)
    lives = wait_for(lambda: recorder.lives(job), lambda lives: len(lives) == 2, "it runs elsewhere", 120)
    assert lives[0].last < lives[1].began
    controller.cancel(job)
    rack.power_on(lost.machine)
    lost.start()
    lab.wait_ready()
    return lives[1].began - cut_at


def restarted_containers(lab: Lab) -> tuple[int, int]:
    """How many of how many containers have another start time, or are gone, after `kill -9` and a start of their agent."""
    controller, agent = lab.controller, lab.agents[0]
    jobs = [controller.submit("sleep 120", constraints=[f"node.name == {agent.name}"]) for _ in range(10)]
    for job in jobs:
        controller.wait_job(job, "running")
    before = agent.containers()
    agent.kill()
    agent.start()
    lab.wait_ready()
    changed = sum(agent.containers().get(id) != at for id, at in before.items())
    for job in jobs:
        controller.cancel(job)
    return changed, len(before)


def killed_controller(lab: Lab, file: Path) -> tuple[int, int]:
    """(lost, twice) of JOBS jobs in flight while the controller is killed KILLS times."""
    controller = lab.controller
    body = job_body(f'sleep 0.2; echo "$DRAAS_JOB_ID" >> {file}', runtime="process", name="kills")
    ids = controller.submit_batch([body] * JOBS)
    for number in range(1, KILLS + 1):
        mark = number * JOBS // (KILLS + 1)
        wait_for(lambda: len(file.read_text().split()), lambda count, mark=mark: count >= mark, f"{mark} have run")
        controller.kill()
        controller.start()
    wait_for(
        lambda: controller.counts("kills"), lambda counts: counts == {"succeeded": JOBS}, "all have succeeded", 120
    )
    ran = Counter(file.read_text().split())
    return sum(id not in ran for id in ids), sum(count > 1 for count in ran.values())


def report(what: str, measured: list[float], floor_s: float, target_s: float) -> bool:
    worst = max(measured)
    print(
        f"{what}: {statistics.median(measured):.1f} s, worst of {len(measured)} {worst:.1f} s "
        f"(the policy's floor {floor_s:g} s, at most {target_s:g} s)"
    )
    return worst <= target_s


def main(rounds: int) -> int:
    with tempfile.TemporaryDirectory() as folder, Rack(3) as rack:
        recorder = Recorder(rack.console)
        controller = ControllerProcess(Path(folder) / "controller", rack.address)
        file = Path(folder) / "ran"
        file.touch()
        try:
            controller.start()
            lab = Lab(controller, [AgentOn(machine) for machine in rack.machines])
            began = clock.monotonic()
            lab.join_all()
            print(f"three machines joined and ready: {clock.monotonic() - began:.1f} s (at most 15 s)")
            lost = [until_elsewhere(lab, rack, recorder, exclusive=False) for _ in range(rounds)]
            good = report("machine lost, its job runs elsewhere", lost, POLICY.down_after_s, LOST_S)
            exclusive = [until_elsewhere(lab, rack, recorder, exclusive=True)]
            floor_s = POLICY.lease_s + POLICY.lease_margin_s
            good &= report("the same, exclusive", exclusive, floor_s, EXCLUSIVE_S)
            changed, of = restarted_containers(lab)
            print(f"agent killed and restarted: {changed} of {of} containers restarted (at most 0)")
            lost_jobs, twice = killed_controller(lab, file)
            print(
                f"controller killed {KILLS} times with {JOBS} jobs in flight: {lost_jobs} lost, {twice} twice (at most 0)"
            )
            return 0 if good and not changed and not lost_jobs and not twice else 1
        finally:
            recorder.close()
            controller.close()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
