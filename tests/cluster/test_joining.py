"""Machines join, are seen, and stay the same through a restart of their agent."""

from draas.testing.lab import Lab
from draas.testing.rack import Rack


def test_three_machines_are_listed_with_name_address_and_runtimes(lab: Lab, rack: Rack) -> None:
    nodes = lab.controller.nodes()
    assert {node["name"]: node["address"] for node in nodes} == {m.name: m.address for m in rack.machines}
    for node in nodes:
        assert {r["name"]: r["available"] for r in node["runtimes"]} == {"docker": True, "process": True, "build": True}
        assert node["capacity"]["cpu_cores"] == 4
        assert node["load"]["disk_total_bytes"] == 512 * 1024 * 1024


def test_a_restarted_agent_is_the_same_node_and_disturbs_nothing(lab: Lab) -> None:
    controller, agent = lab.controller, lab.agent("m1")
    here = ["node.name == m1"]
    script = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); sleep 0.02; done"
    counting = controller.submit(script, constraints=here)
    waiting = [controller.submit("sleep 3", constraints=here) for _ in range(3)]
    for job in (counting, *waiting):
        controller.wait_job(job, "running")
    before, id_before = agent.containers(), controller.node("m1")["id"]
    assert len(before) == 4

    agent.kill()
    agent.start()
    controller.wait_node("m1", "ready")
    assert controller.node("m1")["id"] == id_before
    assert len([node for node in controller.nodes() if node["name"].startswith("m1")]) == 1
    after = agent.containers()
    assert {id: at for id, at in before.items() if id in after} == after  # none restarted, none new

    for job in (counting, *waiting):
        assert [a["state"] for a in controller.wait_job(job)["attempts"]] == ["succeeded"]
    assert controller.output(counting).decode().split("\n") == [f"line {i}" for i in range(300)] + [""]


def test_an_agent_listens_on_nothing(lab: Lab) -> None:
    """A machine behind a router works by construction: nothing dials in but what its proxy and its name server are there for.

    The images for its own engine are on loopback, which no other machine reaches.
    """
    for agent in lab.agents:
        words = ("ss", "--no-header", "--listening", "--tcp", "--udp", "--processes", "--numeric")
        listening = agent.machine.run(*words).splitlines()
        known = [line for line in listening if '"haproxy"' in line or '"dnsmasq"' in line]
        rest = [line.split() for line in listening if line not in known]
        assert [words[:5] for words in rest if not words[4].startswith("127.0.0.1:")] == []
        assert len(rest) == 1
