"""What owners do with their machines: drain, take back, label, remove. And what a job on them cannot see or take."""

from draas.testing.lab import AgentOn, Lab
from draas.testing.recorder import Recorder
from draas.testing.waiting import wait_for


def test_drained_it_gets_nothing_new_and_ready_again_it_does(lab: Lab, recorder: Recorder) -> None:
    controller = lab.controller
    running = controller.submit(recorder.script(4), constraints=["node.name == m1"])
    wait_for(lambda: recorder.lives(running), bool, "it runs on m1")
    controller.call(lambda client: client.patch_node("m1", state="draining"))
    meant_for_m1 = controller.submit("true", constraints=["node.name == m1"])
    others = [controller.submit("true") for _ in range(6)]
    places = {controller.wait_job(job)["attempts"][-1]["node"] for job in others}
    assert places <= {"m2", "m3"}
    assert controller.wait_job(running)["state"] == "succeeded"  # in peace
    assert recorder.lives(running)[0].finished
    assert controller.node("m1")["used"]["cpu_cores"] == 0
    assert controller.job(meant_for_m1)["state"] == "queued"
    controller.call(lambda client: client.patch_node("m1", state="ready"))
    assert controller.wait_job(meant_for_m1)["attempts"][-1]["node"] == "m1"


def test_labels_decide_where_a_job_may_run(lab: Lab) -> None:
    controller = lab.controller
    for number in (1, 2, 3):
        job = controller.submit("true", constraints=[f"node.labels.rack == {number}"])
        assert controller.wait_job(job)["attempts"][-1]["node"] == f"m{number}"
    controller.call(lambda client: client.patch_node("m2", labels={"disk": "fast"}))
    job = controller.submit("true", constraints=["node.labels.disk == fast"])
    assert controller.wait_job(job)["attempts"][-1]["node"] == "m2"
    controller.call(lambda client: client.patch_node("m2", labels={"disk": None}))
    waiting = controller.submit("true", constraints=["node.labels.disk == fast"])
    why = controller.call(lambda client: client.explain(waiting))
    assert all(any("disk" in lack for lack in verdict["lacks"]) for verdict in why["verdicts"]), why
    controller.cancel(waiting)


def test_a_removed_node_is_told_so_in_one_line_and_its_key_is_worth_nothing(lab: Lab) -> None:
    controller = lab.controller
    extra = AgentOn(lab.agent("m3").machine, name="extra", labels={"extra": "yes"})
    process = extra.join(controller.url, controller.join_token())
    controller.wait_node("extra", "ready")
    job = controller.submit("true", constraints=["node.labels.extra == yes"])
    assert controller.wait_job(job)["state"] == "succeeded"
    controller.call(lambda client: client.remove_node("extra"))
    assert process.wait() == 3
    assert told(process.output()) == [
        "draas: this node was removed from the cluster; join again with a new token to come back"
    ]
    again = extra.start()
    assert again.wait() == 3
    assert told(again.output())[-1].startswith("draas: the controller does not accept this node's key")
    assert "extra" not in {node["name"] for node in controller.nodes()}
    assert controller.job(job)["attempts"][0]["node"] == "extra"  # its story stays


def told(output: str) -> list[str]:
    """What the program itself said at its end, without the log."""
    return [line for line in output.splitlines() if line.startswith("draas: ")]


SPY = """
echo "processes $(ps -o pid= | wc -l)"
test -e /var/run/docker.sock -o -e /run/docker.sock && echo "has a docker socket"
for path in /work /var/tmp/draas-racks /home /root/.ssh /proc/1/root/var/lib; do test -e $path && echo "sees $path"; done
mount -t tmpfs none /mnt 2>/dev/null && echo "can mount"
mknod /tmp/disk b 8 0 2>/dev/null && echo "can make devices"
ip link set eth0 down 2>/dev/null && echo "can change the network"
hostname other 2>/dev/null && echo "can change the host's name"
ls /dev | tr '\\n' ' '
echo
grep CapEff /proc/self/status
grep NoNewPrivs /proc/self/status
"""


def test_a_container_sees_and_may_nothing_of_the_machine_or_of_others(lab: Lab) -> None:
    controller, here = lab.controller, ["node.name == m1"]
    neighbour = controller.submit("sleep 60", constraints=here, env={"SECRET": "neighbour"})
    controller.wait_job(neighbour, "running")
    spy = controller.submit(SPY, constraints=here)
    assert controller.wait_job(spy)["state"] == "succeeded"
    said = controller.output(spy).decode()
    controller.cancel(neighbour)
    lines = said.splitlines()
    assert not [line for line in lines if line.startswith(("has ", "sees ", "can "))], said
    processes = next(int(line.split()[1]) for line in lines if line.startswith("processes"))
    assert processes < 10, said
    assert "NoNewPrivs:\t1" in lines
    capabilities = int(next(line.split()[1] for line in lines if line.startswith("CapEff")), 16)
    assert capabilities & (1 << 21 | 1 << 12 | 1 << 13 | 1 << 27) == 0, said  # SYS_ADMIN, NET_ADMIN, NET_RAW, MKNOD
    assert not any(name.startswith(("sd", "vd", "loop", "mem", "kmsg")) for name in said.split()), said


def test_a_container_gets_what_it_asked_for_and_no_more(lab: Lab) -> None:
    controller = lab.controller
    greedy = controller.submit("head -c 200m /dev/zero | tail", resources={"cpu_cores": 1}, retries=0)
    forks = controller.submit(
        "i=0; while [ $i -lt 1300 ]; do sleep 4 & i=$((i+1)); done 2>&1 | tail -1; echo",
        resources={"cpu_cores": 1, "memory_mb": 512},
    )
    burner = controller.submit("timeout 3 sh -c 'while :; do :; done'; true", resources={"cpu_cores": 0.2})
    done = controller.wait_job(greedy)["attempts"][0]
    assert (done["state"], done["oom"], done["cause"]) == ("failed", True, "out_of_memory")
    controller.wait_job(forks)
    assert "fork" in controller.output(forks).decode()
    burnt = controller.wait_job(burner)["attempts"][0]
    assert burnt["cpu_s"] is not None
    assert 0 < burnt["cpu_s"] < 1.2  # 3 s on a fifth of a core; on a whole one it would be 3
