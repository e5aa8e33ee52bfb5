"""One suite over every Store: the one in memory and the one in SQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from draas.lib import clock
from draas.model.allocation import Allocation, AllocationId, AllocationState, Cause, Desired, NodeId, Observed
from draas.model.event import Event
from draas.model.job import Job, JobId, JobSpec, JobState, ProjectName, RuntimeName
from draas.model.node import Facts, Image, Load, Node, NodeState, RuntimeInfo
from draas.model.plan import Plan
from draas.model.resources import Resources
from draas.store.memory import Medium, MemoryStore
from draas.store.sql import SqlStore
from draas.store.store import Answer, JobFilter, JoinToken, Key, Snapshot, Store, StoreFailure, Write

Reopen = Callable[[], Awaitable[tuple[Store, Snapshot]]]


@pytest.fixture(params=["memory", "sql"])
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reopen]:
    """Opens the store afresh on what it held before, as the next start of a controller does."""
    medium = Medium()
    held: list[Store] = []

    async def again() -> tuple[Store, Snapshot]:
        if held:
            await held.pop().close()
        store: Store = MemoryStore(medium) if request.param == "memory" else SqlStore(tmp_path / "data")
        snapshot = await store.open()
        held.append(store)
        return store, snapshot

    yield again
    for store in held:
        await store.close()


def job(number: int, **given: object) -> Job:
    spec = JobSpec(command="true", name=str(given.pop("name", "")), labels=given.pop("labels", {}))
    base = Job(
        id=JobId(f"j-{number}"), project=ProjectName("default"), seq=number, spec=spec, state=JobState.QUEUED,
        created_at=float(number),
    )  # fmt: skip
    return replace(base, **given)


def attempt(of: Job, number: int, node: str, **observed: object) -> Allocation:
    return Allocation(
        id=AllocationId(f"{of.id}.{number}"), number=number, node_id=NodeId(f"n-{node}"), node_name=node,
        assigned_at=1.5, observed=Observed(**observed),
    )  # fmt: skip


FULL_JOB = Job(
    id=JobId("j-full"),
    project=ProjectName("red"),
    seq=7,
    spec=JobSpec(
        command=("sh", "-c", "echo '\N{SNOWMAN}'\n"),
        name="every field",
        image="busybox:1",
        runtime=RuntimeName.PROCESS,
        resources=Resources(cpu_millis=1, memory_bytes=2**40, gpus=3),
        env={"A": "", "B": "\x01 \udfff".encode("utf-8", "replace").decode()},
        priority=100,
        retries=3,
        timeout_s=0.5,
        labels={"a": "b", "c": ""},
        constraints=("node.arch == arm64",),
        needs=(JobId("j-1"), JobId("j-2")),
        exclusive=True,
    ),
    state=JobState.RUNNING,
    created_at=1.25,
    ready_at=2.25,
    queued_at=3.25,
    finished_at=None,
    failures=1,
    lost=2,
    unmet=(JobId("j-2"),),
    reason="because",
    attempts=(
        Allocation(
            id=AllocationId("j-full.1"),
            number=1,
            node_id=NodeId("n-1"),
            node_name="one",
            assigned_at=4.5,
            desired=Desired.STOP,
            stop_cause=Cause.DRAINED,
            observed=Observed(
                state=AllocationState.FAILED,
                detail="out of memory",
                cause=Cause.OUT_OF_MEMORY,
                started_at=5.5,
                finished_at=6.5,
                exit_code=137,
                oom=True,
                peak_memory_bytes=2**33,
                cpu_s=0.25,
                log_bytes=12,
            ),
        ),
        Allocation(id=AllocationId("j-full.2"), number=2, node_id=NodeId("n-2"), node_name="two", assigned_at=7.5),
    ),
)
FULL_NODE = Node(
    id=NodeId("n-1"),
    name="one",
    state=NodeState.DRAINING,
    facts=Facts(
        arch="arm64",
        capacity=Resources(cpu_millis=4000, memory_bytes=2**34, gpus=1),
        gpus=("A100",),
        roles=("worker",),
        labels={"disk": "ssd"},
        runtimes=(RuntimeInfo(name=RuntimeName.DOCKER, available=False, missing="no engine"),),
        images=(Image(id="sha256:1", tags=("a:1", "b:2"), size_bytes=2**31),),
        address="10.0.0.1",
        version="0.1",
    ),
    load=Load(cpu_percent=12.5, memory_used_bytes=5),
    labels={"rack": "7"},
    drain=True,
    joined_at=1.0,
    last_seen_at=2.0,
    linked=True,
    failures=(1.0, 2.0),
)


async def test_every_field_comes_back(reopen: Reopen) -> None:
    store, _ = await reopen()
    await store.commit(Write(plan=Plan(jobs=(FULL_JOB,), nodes=(FULL_NODE,))))
    assert await store.job(FULL_JOB.id) == FULL_JOB
    _, snapshot = await reopen()
    assert snapshot.jobs == [FULL_JOB]
    assert snapshot.nodes == [FULL_NODE]


async def test_a_start_gets_what_is_live_and_nothing_else(reopen: Reopen) -> None:
    store, first = await reopen()
    ended = job(1, state=JobState.SUCCEEDED, finished_at=9.0)
    stopping = job(2, state=JobState.CANCELLED, finished_at=9.0)
    stopping = replace(stopping, attempts=(attempt(stopping, 1, "a", state=AllocationState.RUNNING),))
    queued = job(3)
    await store.commit(Write(plan=Plan(jobs=(ended, stopping, queued))))
    _, second = await reopen()
    assert first.jobs == []
    assert second.jobs == [stopping, queued]
    assert second.epoch > first.epoch


async def test_a_number_is_never_given_twice(reopen: Reopen) -> None:
    store, _ = await reopen()
    ended = job(41, state=JobState.SUCCEEDED, finished_at=1.0)
    await store.commit(Write(plan=Plan(jobs=(ended,), events=(event("job.queued"),))))
    await store.commit(Write(plan=Plan(gone_jobs=(ended.id,))))
    store, snapshot = await reopen()
    assert snapshot.next_seq == 42
    assert await store.commit(Write(plan=Plan(events=(event("next"),)))) == 2


def event(kind: str, project: str = "") -> Event:
    return Event(at=1.0, kind=kind, subject="j-1", project=project, detail={"a": 1, "b": None, "c": "\N{SNOWMAN}"})


async def test_the_last_version_in_a_commit_wins(reopen: Reopen) -> None:
    store, _ = await reopen()
    queued = job(1)
    running = replace(queued, state=JobState.RUNNING, attempts=(attempt(queued, 1, "a"),))
    await store.commit(Write(plan=Plan(jobs=(queued, running))))
    ended = replace(running, state=JobState.FAILED, finished_at=2.0, attempts=(
        attempt(queued, 1, "a", state=AllocationState.FAILED, exit_code=1),))  # fmt: skip
    await store.commit(Write(plan=Plan(jobs=(ended,))))
    assert await store.job(queued.id) == ended
    again = replace(ended, state=JobState.QUEUED, finished_at=None)
    await store.commit(Write(plan=Plan(jobs=(again,))))
    _, snapshot = await reopen()
    assert snapshot.jobs == [again]


async def test_deleted_is_gone_and_can_be_made_and_deleted_in_one_commit(reopen: Reopen) -> None:
    store, _ = await reopen()
    one, two = job(1, labels={"x": "1"}), job(2)
    await store.commit(Write(plan=Plan(jobs=(one,), nodes=(FULL_NODE,))))
    await store.commit(Write(plan=Plan(jobs=(two,), gone_jobs=(one.id, two.id), gone_nodes=(FULL_NODE.id,))))
    assert await store.jobs([one.id, two.id]) == {}
    assert (await store.list_jobs(JobFilter(labels={"x": "1"}), None, 10)).total == 0
    _, snapshot = await reopen()
    assert snapshot.nodes == []


async def test_jobs_that_do_not_exist_are_left_out(reopen: Reopen) -> None:
    store, _ = await reopen()
    many = [job(number) for number in range(1, 1200)]
    await store.commit(Write(plan=Plan(jobs=tuple(many))))
    asked = [JobId("j-none"), *(one.id for one in many)]
    assert await store.jobs(asked) == {one.id: one for one in many}
    assert await store.job(JobId("j-none")) is None


@pytest.mark.parametrize(
    ("match", "found"),
    [
        (JobFilter(), [5, 4, 3, 2, 1]),
        (JobFilter(project="red"), [2, 1]),
        (JobFilter(state=JobState.FAILED), [4]),
        (JobFilter(name="b"), [2]),
        (JobFilter(name="B"), []),
        (JobFilter(node="alpha"), [4, 3]),
        (JobFilter(node="n-beta"), [4]),
        (JobFilter(labels={"k": "1"}), [3, 1]),
        (JobFilter(labels={"k": "1", "l": "2"}), [3]),
        (JobFilter(project="red", labels={"k": "1"}), [1]),
        (JobFilter(project="none"), []),
    ],
    ids=str,
)
async def test_filters_match_exactly(reopen: Reopen, match: JobFilter, found: list[int]) -> None:
    store, _ = await reopen()
    red = ProjectName("red")
    three, four = job(3, labels={"k": "1", "l": "2"}), job(4, state=JobState.FAILED, finished_at=1.0)
    three = replace(three, attempts=(attempt(three, 1, "alpha"),))
    lost = attempt(four, 1, "alpha", state=AllocationState.LOST)
    four = replace(four, attempts=(lost, attempt(four, 2, "beta", state=AllocationState.FAILED)))
    one = job(1, project=red, labels={"k": "1"})
    await store.commit(Write(plan=Plan(jobs=(one, job(2, project=red, name="b"), three, four, job(5)))))
    page = await store.list_jobs(match, None, 10)
    assert [item.seq for item in page.items] == found
    assert page.total == len(found)
    assert page.next is None


async def test_pages_follow_each_other_without_gap_or_repeat(reopen: Reopen) -> None:
    store, _ = await reopen()
    await store.commit(Write(plan=Plan(jobs=tuple(job(number) for number in range(1, 8)))))
    seen: list[int] = []
    below: int | None = None
    while True:
        page = await store.list_jobs(JobFilter(), below, 3)
        seen += [item.seq for item in page.items]
        assert page.total == 7
        if page.next is None:
            break
        below = page.next
        await store.commit(Write(plan=Plan(jobs=(job(100 + below),), gone_jobs=(JobId(f"j-{100 + below}"),))))
    assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_events_are_numbered_in_order_and_filtered_by_project(reopen: Reopen) -> None:
    store, _ = await reopen()
    assert await store.commit(Write(plan=Plan(events=(event("a", "red"), event("b"))))) == 2
    store, _ = await reopen()
    assert await store.commit(Write(plan=Plan(events=(event("c", "red"),)))) == 3
    assert [(one.number, one.event.kind) for one in await store.events(0, 10)] == [(1, "a"), (2, "b"), (3, "c")]
    assert [one.number for one in await store.events(0, 2)] == [1, 2]
    assert [one.number for one in await store.events(1, 10, "red")] == [3]
    assert (await store.events(0, 1))[0].event == event("a", "red")


async def test_keys_and_tokens(reopen: Reopen) -> None:
    store, _ = await reopen()
    later = clock.now() + 1000
    one = Key(
        id="k-1", digest="d1", role="admin", name="x", project="p", node_id=NodeId("n"), created_at=1, expires_at=2
    )
    two = Key(id="k-2", digest="d2", role="viewer", created_at=2.0)
    token, past = JoinToken(digest="t1", expires_at=later), JoinToken(digest="t2", expires_at=1.0)
    await store.commit(Write(keys=(one, two), tokens=(token, past)))
    store, snapshot = await reopen()
    assert snapshot.keys == [one, two]
    assert snapshot.tokens == [token]
    await store.commit(Write(gone_keys=("k-1",), gone_tokens=("t1",)))
    _, snapshot = await reopen()
    assert snapshot.keys == [two]
    assert snapshot.tokens == []


async def test_answers_are_kept_for_a_day(reopen: Reopen) -> None:
    store, _ = await reopen()
    now = clock.now()
    fresh = Answer(key="a", digest="d", status=201, body=b"\x00{}", at=now)
    await store.commit(Write(answers=(fresh, Answer(key="old", digest="d", status=200, body=b"", at=now - 90_000))))
    store, _ = await reopen()
    assert await store.answer("a") == fresh
    assert await store.answer("old") is None
    assert await store.answer("none") is None


async def test_expired_jobs_are_the_ended_ones_oldest_first(reopen: Reopen) -> None:
    store, _ = await reopen()
    ended = [job(number, state=JobState.SUCCEEDED, finished_at=100.0 - number) for number in (1, 2, 3)]
    running = job(9, state=JobState.CANCELLED, finished_at=1.0)
    running = replace(running, attempts=(attempt(running, 1, "a"),))
    await store.commit(Write(plan=Plan(jobs=(*ended, job(4), running))))
    assert await store.expired_jobs(98.5, 10) == ["j-3", "j-2"]
    assert await store.expired_jobs(98.5, 1) == ["j-3"]


async def test_an_earlier_controller_is_fenced_off(tmp_path: Path) -> None:
    medium = Medium()
    first, second = MemoryStore(medium), MemoryStore(medium)
    await first.open()
    await second.open()
    with pytest.raises(StoreFailure, match="another controller has taken over"):
        await first.commit(Write(plan=Plan(jobs=(job(1),))))
    assert await second.jobs([JobId("j-1")]) == {}
