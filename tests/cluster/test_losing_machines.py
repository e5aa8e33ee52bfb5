"""Machines that lose their power, their network, their time or their engine. Who ran when is told by the jobs themselves."""

import itertools

import pytest

from draas.testing.lab import AgentOn, Lab
from draas.testing.rack import Rack
from draas.testing.recorder import Life, Recorder
from draas.testing.waiting import wait_for


def begun(recorder: Recorder, job: str, attempts: int = 1) -> list[Life]:
    """The lives of `job` once that many attempts have spoken."""
    return wait_for(lambda: recorder.lives(job), lambda lives: len(lives) >= attempts, f"{attempts} lives of {job}")


def where(lab: Lab, job: str) -> AgentOn:
    """The agent that has the job's latest attempt."""
    return lab.agent(lab.controller.job(job)["attempts"][-1]["node"])


def check_apart(lives: list[Life]) -> None:
    """No attempt said anything after the next one began."""
    for one, following in itertools.pairwise(lives):
        assert one.last < following.began, lives


def test_power_cut_a_job_runs_elsewhere_and_one_result_counts(lab: Lab, rack: Rack, recorder: Recorder) -> None:
    controller = lab.controller
    job = controller.submit(recorder.script(12, then="echo $DRAAS_ATTEMPT"), runtime="docker")
    begun(recorder, job)
    lost = where(lab, job)
    rack.cut_power(lost.machine)
    begun(recorder, job, 2)
    assert where(lab, job) is not lost
    controller.wait_node(lost.name, "down")

    rack.power_on(lost.machine)
    lost.start()
    controller.wait_node(lost.name, "ready")
    done = controller.wait_job(job)
    assert [(a["state"], a["cause"]) for a in done["attempts"]] == [("lost", "node_lost"), ("succeeded", "")]
    assert done["state"] == "succeeded"
    assert controller.output(job) == b"2\n"
    first, second = recorder.lives(job)
    assert not first.finished
    assert second.finished
    wait_for(lost.containers, lambda found: found == {}, f"{lost.name} has removed what it was not to have any more")


def test_partition_the_superseded_attempt_is_stopped_and_its_result_refused(
    lab: Lab, rack: Rack, recorder: Recorder
) -> None:
    """At least once: both may run for a while, and the result of one counts."""
    controller = lab.controller
    ends_away = controller.submit(recorder.script(8, then="echo $DRAAS_ATTEMPT; exit 3"), retries=0)
    runs_on = controller.submit(recorder.script(40, then="echo $DRAAS_ATTEMPT"), constraints=["node.name == m1"])
    begun(recorder, runs_on)
    begun(recorder, ends_away)
    away = where(lab, ends_away)
    rack.partition(away.machine, lab.agent("m1").machine)
    controller.wait_node(away.name, "down")
    second = begun(recorder, ends_away, 2)[1]
    first = wait_for(lambda: recorder.lives(ends_away)[0], lambda life: life.finished, "the first ends, unheard")
    assert first.finished
    assert controller.job(ends_away)["attempts"][0]["state"] == "lost"
    rack.heal(away.machine, lab.agent("m1").machine)
    controller.wait_node(away.name, "ready")
    controller.wait_node("m1", "ready")
    assert second.allocation == f"{ends_away}.2"
    done = controller.wait_job(ends_away)
    assert [a["state"] for a in done["attempts"]] == ["lost", "failed"]
    assert (done["state"], done["attempts"][1]["exit_code"]) == ("failed", 3)
    assert controller.output(ends_away, attempt=2) == b"2\n"
    # The one that could run nowhere else: its first attempt was given up, and stopped when its machine was seen again.
    first, again = begun(recorder, runs_on, 2)
    assert not first.finished
    assert [a["state"] for a in controller.job(runs_on)["attempts"]] == ["lost", "running"]
    gone = f"{runs_on}.1"
    wait_for(lab.agent("m1").containers, lambda found: gone not in found, f"{gone} is stopped and removed")
    assert again.allocation in lab.agent("m1").containers()
    controller.cancel(runs_on)


@pytest.mark.parametrize("agent_dead", [False, True], ids=["agent lives", "agent killed"])
@pytest.mark.parametrize("runtime", ["docker", "process"])
def test_exclusive_is_never_twice_at_once(
    lab: Lab, rack: Rack, recorder: Recorder, runtime: str, agent_dead: bool
) -> None:
    """Cut off, it is stopped when its lease is over, by the agent or by what outlives it; only later does it run elsewhere."""
    controller = lab.controller
    job = controller.submit(recorder.script(60), runtime=runtime, exclusive=True)
    begun(recorder, job)
    away = where(lab, job)
    if agent_dead:
        away.kill()
    rack.partition(away.machine)
    first, second = begun(recorder, job, 2)
    check_apart([first, second])
    assert where(lab, job) is not away
    rack.heal(away.machine)
    if agent_dead:
        away.start()
    controller.wait_node(away.name, "ready")
    assert recorder.lives(job)[0] == first  # it has said nothing since
    assert len(recorder.lives(job)) == 2
    controller.cancel(job)
    done = controller.wait_job(job, "cancelled")
    assert [a["number"] for a in done["attempts"]] == [1, 2]


def test_a_frozen_machine_is_down_and_then_reconciled(lab: Lab, rack: Rack, recorder: Recorder) -> None:
    controller = lab.controller
    job = controller.submit(recorder.script(15, then="echo $DRAAS_ATTEMPT"))
    alone = controller.submit(recorder.script(15), exclusive=True)
    begun(recorder, job)
    begun(recorder, alone)
    frozen = [where(lab, job), where(lab, alone)]
    for agent in frozen:
        agent.machine.pause()
    for agent in frozen:
        controller.wait_node(agent.name, "down")
    begun(recorder, job, 2)
    begun(recorder, alone, 2)
    for agent in frozen:
        agent.machine.resume()
    for agent in frozen:
        controller.wait_node(agent.name, "ready")
    for one in (job, alone):
        assert [a["state"] for a in controller.wait_job(one)["attempts"]] == ["lost", "succeeded"]
    assert controller.output(job) == b"2\n"
    for agent in frozen:
        wait_for(agent.containers, lambda found: found == {}, f"{agent.name} has nothing left")


def test_an_engine_that_is_killed_costs_no_job(lab: Lab, recorder: Recorder) -> None:
    """Its containers end with it when it is started again; the node is told not to have an engine meanwhile."""
    controller, agent = lab.controller, lab.agent("m2")
    jobs = [controller.submit(recorder.script(10), constraints=["node.name == m2"]) for _ in range(4)]
    for job in jobs:
        begun(recorder, job)
    agent.machine.kill_engine()
    wait_for(
        lambda: controller.node("m2")["runtimes"],
        lambda runtimes: not next(r for r in runtimes if r["name"] == "docker")["available"],
        "m2 says that it has no engine",
    )
    agent.machine.start_engine()
    for job in jobs:
        done = controller.wait_job(job)
        assert done["state"] == "succeeded", done
        assert [a["state"] for a in done["attempts"]].count("succeeded") == 1
        assert [life.finished for life in recorder.lives(job)].count(True) == 1
