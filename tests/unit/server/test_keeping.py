"""Each agent is told which of its images stay, and again only when that changes."""

from dataclasses import replace

from draas.model.cluster import Cluster
from draas.model.plan import Plan
from draas.model.policy import Policy
from draas.server.link.hub import Channel, Hub
from draas.server.loops.keeping import Keeping
from draas.testing.builders import a_job, a_node
from draas.testing.fake_logs import FakeLogs
from draas.wire.link import Keep, decode_from_controller


async def told(channel: Channel) -> list[object]:
    channel.send(Keep(images=("end",)))
    frame = await channel.next_frame()
    assert frame is not None
    return list(decode_from_controller(frame)[:-1])


async def test_told_once_and_again_when_it_changes_and_on_a_new_link() -> None:
    node = a_node("alpha", images={"nginx:1": 5, "redis:7": 5})
    cluster = Cluster(nodes=(node,), jobs=(a_job(1, image="nginx:1"),))
    hub = Hub(FakeLogs())
    keeping = Keeping(lambda: cluster, Policy(), hub)
    channel = hub.enter(node.id)
    keeping.tell()
    assert await told(channel) == [], "it has not been welcomed"
    channel.welcomed = True
    keeping.tell()
    keeping.tell()
    assert await told(channel) == [Keep(images=["sha256:nginx:1"])]
    cluster.apply(Plan(jobs=(replace(a_job(2), spec=a_job(2, image="redis:7").spec),)))
    keeping.tell()
    assert await told(channel) == [Keep(images=["sha256:nginx:1", "sha256:redis:7"])]
    again = hub.enter(node.id)
    again.welcomed = True
    keeping.tell()
    assert len(await told(again)) == 1
