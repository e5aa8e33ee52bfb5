"""The control loop over a store that takes its time: one Idempotency-Key, one job; a large batch, one commit, and others served meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from draas.lib import clock
from draas.lib.sealing import Sealer
from draas.lib.tasks import Tasks
from draas.model.allocation import AllocationState, NodeId, Observed
from draas.model.app import AppId
from draas.model.command import PutApp, RemoveApp, SubmitJobs
from draas.model.errors import Conflict, Invalid, NotFound
from draas.model.job import JobId, JobSpec, JobState, ProjectName
from draas.model.policy import Policy
from draas.server.api.render import reply_batch
from draas.server.api.render_builds import reply_created
from draas.server.loops.control import ControlLoop
from draas.server.loops.ticks import TAKE_S
from draas.server.services.controller import Idempotency, Reply
from draas.server.services.secrets import about_secret
from draas.store.memory import MemoryStore
from draas.store.store import Answer, JobFilter, Write
from draas.testing.app_world import an_app_spec
from draas.testing.builders import a_build_spec, some_facts
from draas.testing.fake_logs import FakeLogs
from draas.wire.link import Assign


class SlowStore(MemoryStore):
    """Looks an answer up, and then is held before it says what it found."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Write] = []
        self.held: asyncio.Event | None = None

    async def commit(self, write: Write) -> int:
        self.writes.append(write)
        return await super().commit(write)

    async def answer(self, key: str) -> Answer | None:
        found = await super().answer(key)
        if self.held is not None:
            await self.held.wait()
        return found


@pytest.fixture
async def loop() -> AsyncIterator[ControlLoop]:
    made = ControlLoop(SlowStore(), FakeLogs(), Policy())
    await made.open()
    async with Tasks("test") as tasks:
        tasks.spawn(made.run(), "loop")
        yield made


def store_of(loop: ControlLoop) -> SlowStore:
    store = loop._store
    assert isinstance(store, SlowStore)
    return store


def batch(count: int, name: str = "j", needs: tuple[JobId, ...] = ()) -> SubmitJobs:
    ids = [JobId(f"j-{name}-{at}") for at in range(count)]
    return SubmitJobs(
        project=ProjectName("p"), ids=ids, specs=[JobSpec(command="true", needs=needs) for _ in ids], known={}
    )


async def test_a_key_runs_one_job_whatever_the_store_is_doing(loop: ControlLoop) -> None:
    """The second request asks the store before the first is durable, and is told only after the first has come to its end."""
    key, store = Idempotency(key="k", digest="d"), store_of(loop)
    store.held = asyncio.Event()
    asked = [asyncio.ensure_future(loop.command(batch(1, str(at)), reply_batch, key)) for at in range(3)]
    await asyncio.sleep(0)
    store.held.set()
    answers = await asyncio.wait_for(asyncio.gather(*asked), 10)
    assert len(set(answers)) == 1
    assert (await loop.list_jobs(JobFilter(), None, 10)).total == 1
    assert await loop.command(batch(1, "again"), reply_batch, key) == answers[0]
    with pytest.raises(Conflict, match="Idempotency-Key"):
        await loop.command(batch(1, "other"), reply_batch, Idempotency(key="k", digest="other"))


async def test_a_refused_request_frees_its_key(loop: ControlLoop) -> None:
    key = Idempotency(key="k", digest="d")
    with pytest.raises(Invalid, match="nowhere"):
        await loop.command(batch(1, needs=(JobId("j-nowhere"),)), reply_batch, key)
    assert (await loop.command(batch(1), reply_batch, key)).status == 201


async def test_ten_thousand_jobs_are_one_commit_and_hold_nobody_up(loop: ControlLoop) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.ensure_future(count())
    await loop.command(batch(10_000), reply_batch)
    counting.cancel()
    assert [len(write.plan.jobs) for write in store_of(loop).writes if write.plan.jobs] == [10_000]
    assert turns > 10
    with pytest.raises(Invalid, match="nowhere"):
        await loop.command(batch(10_000, "bad", (JobId("j-nowhere"),)), reply_batch)
    assert (await loop.list_jobs(JobFilter(), None, 1)).total == 10_000


async def test_what_is_read_during_a_large_batch_is_durable(loop: ControlLoop) -> None:
    """A job that is in memory already, in the middle of its batch's tick, is shown only once the batch is on disk."""
    submitting = asyncio.ensure_future(loop.command(batch(10_000), reply_batch))
    while JobId("j-j-0") not in loop.control.cluster.jobs:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert store_of(loop).writes == [] or not store_of(loop).writes[-1].plan.jobs
    job = await loop.job(JobId("j-j-0"))
    assert store_of(loop).writes[-1].plan.jobs[0].id == job.id
    await submitting


async def test_people_come_before_agents_and_a_tick_takes_no_more_than_fits(loop: ControlLoop) -> None:
    order: list[str] = []

    def slow(_tick: object, _now: float) -> None:
        until = clock.monotonic() + TAKE_S
        while clock.monotonic() <= until:
            pass
        order.append("report")

    done = asyncio.Event()
    for _ in range(3):
        loop._post_report(slow)
    loop._post_report(lambda _tick, _now: done.set())
    loop.post(lambda _tick, _now: order.append("command 1"))
    loop.post(lambda _tick, _now: loop.post(lambda _t, _n: order.append("command 2")))
    async with asyncio.timeout(30):
        await done.wait()
    assert order == ["command 1", "report", "command 2", "report", "report"], (
        "one report a tick, commands first in each"
    )


async def test_a_removed_app_is_gone_and_its_output_dropped(loop: ControlLoop) -> None:
    def nothing(_apps: object) -> Reply:
        return Reply(200, b"{}")

    facts = some_facts()
    welcomed = asyncio.Event()
    node_id = NodeId("n-1")
    loop.on_hello(node_id, "alpha", facts, {}, True, lambda _orders, _routes: welcomed.set())
    await asyncio.wait_for(welcomed.wait(), 10)
    put = PutApp(id=AppId("p-1"), project=ProjectName("p"), name="shop", spec=an_app_spec(replicas=1))
    await loop.command_apps(put, nothing)
    app = await loop.app("shop")
    while not app.replicas:
        app = await asyncio.wait_for(loop.changed_app("shop", app), 10)
    replica = app.replicas[0]
    assert await loop.may_write(node_id, replica.id)
    await loop.command_apps(RemoveApp(name="shop"), nothing)
    stopped = Observed(state=AllocationState.STOPPED, finished_at=clock.now())
    while (app := await loop.app("shop")).replicas and not app.replicas[0].stopping:
        await asyncio.wait_for(loop.changed_app("shop", app), 10)
    loop.on_report(node_id, {replica.id: stopped})

    async def to_the_end() -> None:
        while True:
            await loop.changed_app("shop", await loop.app("shop"))

    with pytest.raises(NotFound):
        await asyncio.wait_for(to_the_end(), 10)
    assert not await loop.may_write(node_id, replica.id)
    assert await loop.wanted_outputs([replica.id]) == set()
    assert not (await loop._store.open()).apps


async def test_secrets_reach_the_node_that_builds_and_nothing_else(loop: ControlLoop) -> None:
    """Sealed in what is committed and in memory; open in what is sent, at the first sending and at each welcome."""
    node_id, id, project = NodeId("n-1"), JobId("b-1"), ProjectName("p")
    sealed = loop.sealer.seal(b"hush-hush", about_secret(project, id, "npm"))
    sent: asyncio.Queue[Assign] = asyncio.Queue()
    loop.send_orders = lambda _node, orders: sent.put_nowait(orders)
    facts = some_facts(roles=("builder",))
    loop.on_hello(node_id, "alpha", facts, {}, True, lambda orders, _routes: sent.put_nowait(orders))
    assert not (await asyncio.wait_for(sent.get(), 10)).put
    spec = a_build_spec("p/shop", sealed_secrets={"npm": sealed})
    await loop.command(SubmitJobs(project=project, ids=(id,), specs=(spec,), known={}), reply_created)
    loop.on_hello(node_id, "alpha", facts, {}, True, lambda orders, _routes: sent.put_nowait(orders))
    for _ in range(2):
        (assignment,) = (await asyncio.wait_for(sent.get(), 10)).put
        assert assignment.build is not None
        assert assignment.build.secrets == {"npm": "hush-hush"}
        assert "hush" not in repr(assignment)
    assert "hush" not in repr(store_of(loop).writes)
    assert "hush" not in repr(loop.control.cluster.jobs)


async def test_a_build_whose_secrets_cannot_be_opened_fails_and_says_why(loop: ControlLoop) -> None:
    facts, id = some_facts(roles=("builder",)), JobId("b-1")
    loop.on_hello(NodeId("n-1"), "alpha", facts, {}, True, lambda _orders, _routes: None)
    spec = a_build_spec("p/shop", sealed_secrets={"npm": Sealer(bytes(32)).seal(b"x", "another place")})
    await loop.command(SubmitJobs(project=ProjectName("p"), ids=(id,), specs=(spec,), known={}), reply_created)
    job = await loop.job(id)
    while not job.ended:
        job = await asyncio.wait_for(loop.changed_job(id, job), 10)
    assert (job.state, "sealing.key" in job.reason) == (JobState.FAILED, True)
