"""What every Store must do, run over MemoryStore and SqlStore. What only a disk can do wrong is in test_sql_store.py."""

from collections.abc import AsyncIterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Protocol

import pytest
from store_samples import (
    AT,
    CERTIFICATE,
    FULL_APP,
    FULL_JOB,
    FULL_NODE,
    REGISTRY,
    SAMPLES,
    SPEC,
    ended,
    event,
    queued,
    running,
    step,
    writes,
)

from draas.model.app import App, AppId
from draas.model.app_spec import AppSpec
from draas.model.job import Job, JobId, JobKind, JobState, ProjectName
from draas.model.plan import Plan
from draas.store.memory import Medium, MemoryStore
from draas.store.sql import SqlStore
from draas.store.store import (
    ANSWERS_KEPT_S,
    EVENTS_KEPT_S,
    Answer,
    JobFilter,
    Key,
    Store,
    StoredSample,
    StoreFailure,
    Token,
    Write,
)
from draas.store.stored import encode_values


class Place(Protocol):
    """Where a store keeps things. `at` is its time."""

    at: float

    def store(self) -> Store:
        """A store on it, not open yet."""
        ...

    def lose_lock(self) -> None:
        """What keeps a second store away fails."""
        ...


class MemoryPlace:
    def __init__(self, _folder: Path) -> None:
        self.at = AT
        self._medium = Medium()

    def store(self) -> Store:
        return MemoryStore(self._medium, now=lambda: self.at)

    def lose_lock(self) -> None:
        pass


class SqlPlace:
    def __init__(self, folder: Path) -> None:
        self.at = AT
        self._folder = folder

    def store(self) -> Store:
        return SqlStore(self._folder, now=lambda: self.at)

    def lose_lock(self) -> None:
        (self._folder / "lock").unlink()


@pytest.fixture(params=[MemoryPlace, SqlPlace], ids=["memory", "sql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    made: Place = request.param(tmp_path)
    return made


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    opened = place.store()
    await opened.open()
    yield opened
    await opened.close()


async def listed(store: Store, limit: int = 100, below: int | None = None, **match: object) -> list[str]:
    """The ids of the jobs that match; checks that `total` is right where the page holds all of them."""
    page = await store.list_jobs(JobFilter(**match), below, limit)
    assert page.next is None or len(page.items) == limit
    if page.next is None and below is None:
        assert page.total == len(page.items)
    return [job.id for job in page.items]


# --- what goes in comes out ---


def test_the_samples_leave_no_field_at_its_default() -> None:
    """A field that is new in the model and is not stored makes the round trips below fail only if a sample has it."""
    for sample in SAMPLES:
        assert is_dataclass(sample)
        same = [
            one.name
            for one in fields(sample)
            if getattr(sample, one.name) == one.default or getattr(sample, one.name) == ()
        ]
        assert same == [], f"{type(sample).__name__}: give these fields other values"


async def test_every_field_of_a_job_comes_back(place: Place, store: Store) -> None:
    await store.commit(writes(FULL_JOB))
    assert await store.job(FULL_JOB.id) == FULL_JOB
    assert (await store.list_jobs(JobFilter(), None, 1)).items == [FULL_JOB]
    await store.close()
    again = place.store()
    assert (await again.open()).jobs == [FULL_JOB]
    await again.close()


async def test_a_command_may_be_a_string(store: Store) -> None:
    job = replace(FULL_JOB, spec=replace(SPEC, command="echo 'ü'", image=None, timeout_s=None))
    await store.commit(writes(job))
    assert await store.job(job.id) == job


async def test_every_field_of_a_node_comes_back(place: Place, store: Store) -> None:
    older = replace(FULL_NODE, name="older")
    await store.commit(Write(plan=Plan(nodes=(older, FULL_NODE))))
    await store.close()
    again = place.store()
    assert (await again.open()).nodes == [FULL_NODE]
    await again.commit(Write(plan=Plan(gone_nodes=(FULL_NODE.id,))))
    await again.close()
    assert (await again.open()).nodes == []
    await again.close()


async def test_every_field_of_an_app_comes_back(place: Place, store: Store) -> None:
    older = replace(FULL_APP, wanted=1, releases=())
    await store.commit(Write(plan=Plan(apps=(older,))))
    await store.commit(Write(plan=Plan(apps=(older, replace(older, name="renamed"), FULL_APP))))
    await store.close()
    again = place.store()
    assert (await again.open()).apps == [FULL_APP]
    await again.close()


async def test_a_certificate_is_there_until_it_is_replaced_or_gone(place: Place, store: Store) -> None:
    older, other = replace(CERTIFICATE, sealed_key=b"\x01"), replace(CERTIFICATE, host="a.example")
    await store.commit(Write(certificates=(older,)))
    await store.commit(Write(certificates=(CERTIFICATE, other)))
    await store.close()
    again = place.store()
    assert (await again.open()).certificates == [CERTIFICATE, other]
    await again.commit(Write(gone_certificates=(CERTIFICATE.host, "never there")))
    await again.close()
    assert (await again.open()).certificates == [other]
    await again.close()


async def test_a_login_is_there_until_it_is_replaced_or_gone(place: Place, store: Store) -> None:
    older, other = replace(REGISTRY, sealed_password=b"\x01"), replace(REGISTRY, host="a.example")
    elsewhere = replace(REGISTRY, project=ProjectName("another"))
    await store.commit(Write(registries=(older, elsewhere)))
    await store.commit(Write(registries=(REGISTRY, other)))
    await store.close()
    again = place.store()
    assert (await again.open()).registries == [elsewhere, other, REGISTRY]
    gone = ((REGISTRY.project, REGISTRY.host), (ProjectName("never"), "there"))
    await again.commit(Write(gone_registries=gone))
    await again.close()
    assert (await again.open()).registries == [elsewhere, other]
    await again.close()


async def test_an_app_with_nothing_but_what_is_needed_comes_back(place: Place, store: Store) -> None:
    spec = AppSpec(image="nginx:1.25")
    bare = App(id=AppId("p-1"), name="web", project=FULL_APP.project, created_at=AT, spec=spec, wanted=1)
    await store.commit(Write(plan=Plan(apps=(bare,))))
    await store.close()
    again = place.store()
    assert (await again.open()).apps == [bare]
    await again.close()


async def test_apps_are_there_until_they_are_gone(place: Place, store: Store) -> None:
    one, two, three = (replace(FULL_APP, id=AppId(f"p-{number}"), name=f"app-{number}") for number in (1, 2, 3))
    await store.commit(Write(plan=Plan(apps=(three, one))))
    heir = replace(two, name=one.name)  # removed and deployed again under the same name, in one tick
    await store.commit(Write(plan=Plan(apps=(heir,), gone_apps=(one.id, AppId("never there")))))
    await store.commit(Write(plan=Plan(apps=(one,), gone_apps=(one.id,))))
    await store.close()
    again = place.store()
    assert (await again.open()).apps == [heir, three]
    await again.close()


async def test_keys_and_tokens_come_back_until_they_are_gone(place: Place, store: Store) -> None:
    full = Key(
        id="k-1", digest="d1", role="node", name="one", project="p", node_id=FULL_NODE.id, created_at=AT, expires_at=AT + 1
    )  # fmt: skip
    plain = Key(id="k-2", digest="d2", role="admin")
    token, gone = Token(digest="t1", expires_at=AT + 60), Token(digest="t2", expires_at=AT + 60)
    await store.commit(Write(keys=(full, plain), tokens=(token, gone)))
    await store.commit(Write(keys=(replace(plain, name="renamed"),), gone_tokens=(gone.digest, "never there")))
    await store.close()
    again = place.store()
    snapshot = await again.open()
    assert snapshot.keys == [replace(plain, name="renamed"), full]
    assert snapshot.tokens == [token]
    await again.commit(Write(gone_keys=(full.id, "never there")))
    await again.close()
    assert [key.id for key in (await again.open()).keys] == ["k-2"]
    await again.close()


async def test_a_token_that_has_expired_is_forgotten(place: Place, store: Store) -> None:
    await store.commit(Write(tokens=(Token(digest="t", expires_at=AT + 60),)))
    await store.close()
    place.at = AT + 61
    again = place.store()
    assert (await again.open()).tokens == []
    await again.close()


async def test_an_answer_is_kept_for_a_day(place: Place, store: Store) -> None:
    answer = Answer(key="k", digest="d", status=201, body=b'{"id": "\x00\xff"}', at=AT)
    await store.commit(Write(answers=(answer,)))
    assert await store.answer("k") == answer
    assert await store.answer("other") is None
    place.at = AT + ANSWERS_KEPT_S - 1
    assert await store.answer("k") == answer
    place.at = AT + ANSWERS_KEPT_S + 1
    assert await store.answer("k") is None
    await store.commit(Write())
    place.at = AT
    assert await store.answer("k") is None, "it is only hidden"


async def test_an_empty_commit_is_fine(store: Store) -> None:
    assert await store.commit(Write()) == 0
    assert await store.commit(writes(events=(event(1),))) == 1
    assert await store.commit(Write()) == 1


# --- jobs ---


async def test_versions_of_a_job_follow_one_another(store: Store) -> None:
    first = queued(1, labels={"a": "b"})
    versions = [
        first,
        running(first),
        ended(running(first), JobState.FAILED),
        running(ended(running(first), JobState.FAILED), "two"),
    ]
    for version in versions:
        await store.commit(writes(version))
        assert await store.job(first.id) == version


async def test_of_several_versions_in_one_commit_the_last_counts(store: Store) -> None:
    job = queued(1)
    await store.commit(writes(job, running(job), queued(2), ended(running(job))))
    assert await store.job(job.id) == ended(running(job))
    assert await listed(store) == ["j-2", "j-1"]
    assert await listed(store, node="one") == ["j-1"]


async def test_a_retried_job_is_live_again(place: Place, store: Store) -> None:
    job = ended(running(queued(1, labels={"a": "b"})), JobState.FAILED)
    await store.commit(writes(job))
    retried = replace(job, state=JobState.QUEUED, finished_at=None)
    await store.commit(writes(retried))
    assert await store.expired_jobs(AT + 1000, 10) == []
    await store.close()
    again = place.store()
    assert (await again.open()).jobs == [retried]
    await again.commit(writes(ended(running(retried, "two"))))
    assert await listed(again, labels={"a": "b"}) == ["j-1"]
    assert await listed(again, node="two") == await listed(again, node="n-one") == ["j-1"]
    await again.close()


async def test_jobs_gives_those_that_exist(store: Store) -> None:
    many = [queued(seq) for seq in range(1, 1202)]  # more than one statement takes
    await store.commit(writes(*many))
    found = await store.jobs([*(job.id for job in many), JobId("j-none")])
    assert found == {job.id: job for job in many}
    assert await store.jobs([]) == {}
    assert await store.job(JobId("j-none")) is None


async def test_a_deleted_job_leaves_nothing(place: Place, store: Store) -> None:
    gone, kept = (ended(running(queued(seq, "p", "name", {"a": "b", "c": "d"}))) for seq in (2, 1))
    await store.commit(writes(gone, kept))
    await store.commit(Write(plan=Plan(gone_jobs=(gone.id, JobId("j-none")))))
    assert await store.job(gone.id) is None
    for match in ({}, {"project": "p"}, {"name": "name"}, {"labels": {"a": "b"}}, {"node": "one"}, {"node": "n-one"}):
        assert await listed(store, **match) == ["j-1"], match
    assert await store.expired_jobs(AT + 1000, 10) == [kept.id]
    await store.commit(Write(plan=Plan(jobs=(queued(3),), gone_jobs=(JobId("j-3"),))))
    assert await store.job(JobId("j-3")) is None
    await store.close()
    again = place.store()
    assert (await again.open()).next_seq == 4, "a seq is used once, even if its job is gone"
    await again.close()


async def test_only_live_jobs_are_loaded(place: Place, store: Store) -> None:
    held = replace(running(queued(3)), state=JobState.CANCELLED, finished_at=AT)  # its attempt is being stopped
    jobs = [running(queued(2)), queued(1), held, ended(running(queued(4))), ended(queued(5), JobState.CANCELLED)]
    await store.commit(writes(*jobs))
    await store.commit(writes(ended(queued(6), JobState.SKIPPED)))
    await store.close()
    again = place.store()
    snapshot = await again.open()
    assert [job.id for job in snapshot.jobs] == ["j-1", "j-2", "j-3"]
    assert snapshot.next_seq == 7
    assert await again.expired_jobs(AT + 1, 10) == ["j-4", "j-5", "j-6"]
    await again.commit(writes(ended(held, JobState.CANCELLED)))
    assert await again.expired_jobs(AT + 1, 10) == ["j-3", "j-4", "j-5", "j-6"]
    await again.close()


async def test_expired_jobs_are_the_longest_finished(store: Store) -> None:
    await store.commit(writes(*(ended(queued(seq), at=AT - seq) for seq in (1, 2, 3)), queued(4)))
    assert await store.expired_jobs(AT - 1, 10) == ["j-3", "j-2"]
    assert await store.expired_jobs(AT, 1) == ["j-3"]
    assert await store.expired_jobs(AT - 3, 10) == []


# --- lists ---


@pytest.fixture
async def some_jobs(store: Store) -> list[Job]:
    jobs = [
        queued(1, "a", "x", {"team": "red", "run": "1"}),
        running(queued(2, "a", "y", {"team": "red", "run": "2"}), "one"),
        ended(running(running(queued(3, "b", "x", {"team": "blue", "run": "1"}), "one"), "two")),
        ended(
            running(queued(4, "b", "x", {"team": "red"}), "n-one"), JobState.FAILED
        ),  # a node named like another's id
        queued(5, "a"),
        queued(6, "a", "x", {"team": "red"}, build=True),
    ]
    await store.commit(writes(*jobs))
    return jobs


@pytest.mark.parametrize(
    ("match", "seqs"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"kind": JobKind.JOB}, [5, 4, 3, 2, 1]),
        ({"kind": JobKind.BUILD}, [6]),
        ({"kind": JobKind.JOB, "name": "x"}, [4, 3, 1]),
        ({"kind": JobKind.BUILD, "name": "x"}, [6]),
        ({"kind": JobKind.BUILD, "state": JobState.QUEUED, "project": "a"}, [6]),
        ({"kind": JobKind.BUILD, "state": JobState.FAILED}, []),
        ({"kind": JobKind.JOB, "labels": {"team": "red"}}, [4, 2, 1]),
        ({"kind": JobKind.BUILD, "labels": {"team": "red"}}, [6]),
        ({"kind": JobKind.BUILD, "node": "one"}, []),
        ({"project": "a"}, [6, 5, 2, 1]),
        ({"project": "none"}, []),
        ({"state": JobState.QUEUED}, [6, 5, 1]),
        ({"state": JobState.FAILED, "project": "b"}, [4]),
        ({"state": JobState.FAILED, "project": "a"}, []),
        ({"name": "x"}, [6, 4, 3, 1]),
        ({"name": "X"}, []),
        ({"name": ""}, [5]),
        ({"name": "x", "project": "b", "state": JobState.SUCCEEDED}, [3]),
        ({"labels": {"team": "red"}}, [6, 4, 2, 1]),
        ({"labels": {"team": "red", "run": "1"}}, [1]),
        ({"labels": {"team": "red", "run": "9"}}, []),
        ({"labels": {"red": "team"}}, []),
        ({"labels": {"team": "red"}, "project": "b"}, [4]),
        ({"node": "one"}, [3, 2]),
        ({"node": "n-one"}, [4, 3, 2]),
        ({"node": "two"}, [3]),
        ({"node": "n-two"}, [3]),
        ({"node": "tw"}, []),
        ({"node": "n-one", "state": JobState.RUNNING}, [2]),
        ({"node": "n-one", "labels": {"team": "red", "run": "2"}, "name": "y", "project": "a"}, [2]),
    ],
    ids=str,
)
@pytest.mark.usefixtures("some_jobs")
async def test_filters(store: Store, match: dict[str, object], seqs: list[int]) -> None:
    assert await listed(store, **match) == [f"j-{seq}" for seq in seqs]


@pytest.mark.parametrize(
    "match",
    [{}, {"labels": {"k": "v"}}, {"state": JobState.QUEUED}, {"project": "default"}, {"kind": JobKind.JOB}],
    ids=str,
)
async def test_pages(store: Store, match: dict[str, object]) -> None:
    await store.commit(writes(*(queued(seq, labels={"k": "v"}) for seq in range(1, 11))))
    below, pages = None, []
    while True:
        page = await store.list_jobs(JobFilter(**match), below, 4)
        pages.append([job.seq for job in page.items])
        assert page.total == 10
        if page.next is None:
            break
        below = page.next
        await store.commit(writes(replace(queued(100 + below), state=JobState.SKIPPED, project="new")))
        await store.commit(Write(plan=Plan(gone_jobs=(JobId(f"j-{100 + below}"),))))
    assert pages == [[10, 9, 8, 7], [6, 5, 4, 3], [2, 1]]


async def test_a_page_that_ends_with_the_last_job_is_the_last(store: Store) -> None:
    await store.commit(writes(queued(1), queued(2)))
    page = await store.list_jobs(JobFilter(), None, 2)
    assert (len(page.items), page.next, page.total) == (2, None, 2)


# --- events ---


async def test_events_are_numbered_without_a_gap(place: Place, store: Store) -> None:
    assert await store.events(0, 10) == []
    assert await store.commit(writes(events=(event(1, "a"), event(2, "b")))) == 2
    assert await store.commit(writes(events=(event(3, "a"),))) == 3
    found = await store.events(0, 10)
    assert [(one.number, one.event) for one in found] == [(1, event(1, "a")), (2, event(2, "b")), (3, event(3, "a"))]
    assert [one.number for one in await store.events(1, 10)] == [2, 3]
    assert [one.number for one in await store.events(0, 2)] == [1, 2]
    assert [one.number for one in await store.events(0, 10, "a")] == [1, 3]
    assert [one.number for one in await store.events(1, 10, "b")] == [2]
    assert await store.events(3, 10) == []
    await store.close()
    again = place.store()
    await again.open()
    assert await again.commit(writes(events=(event(4),))) == 4
    assert [one.number for one in await again.events(2, 10)] == [3, 4]
    await again.close()


async def test_events_are_kept_for_a_month_and_their_numbers_never_come_again(place: Place, store: Store) -> None:
    await store.commit(writes(events=tuple(event(number, "ab"[number % 2]) for number in range(1, 6))))
    place.at = AT + 3 + EVENTS_KEPT_S
    assert await store.commit(writes(events=(replace(event(6), at=place.at),))) == 6
    assert [one.number for one in await store.events(0, 10)] == [3, 4, 5, 6]
    assert [one.number for one in await store.events(0, 1)] == [3]
    assert [one.number for one in await store.events(3, 2)] == [4, 5]
    assert [one.number for one in await store.events(2, 10, "b")] == [3, 5]
    await store.close()
    place.at += 1000
    again = place.store()
    assert (await again.open()).last_event == 6
    assert [one.number for one in await again.events(0, 10)] == [6]
    place.at += EVENTS_KEPT_S
    assert await again.commit(writes(events=(replace(event(7), at=place.at),))) == 7
    assert [(one.number, one.event.at) for one in await again.events(0, 10)] == [(7, place.at)]
    await again.close()


async def test_an_event_of_a_wrong_clock_keeps_no_other(place: Place, store: Store) -> None:
    await store.commit(writes(events=(replace(event(1), at=AT + 10 * EVENTS_KEPT_S), event(2))))
    place.at = AT + 3 + EVENTS_KEPT_S
    await store.commit(Write())
    assert [one.number for one in await store.events(0, 10)] == [1]


async def test_the_detail_of_an_event_keeps_its_types(store: Store) -> None:
    detail = {"int": -(2**40), "float": 1.0, "bool": True, "none": None, "text": "ä\x00"}
    await store.commit(writes(events=(replace(event(1), detail=detail),)))
    (found,) = await store.events(0, 1)
    assert found.event.detail == detail
    assert [type(value) for value in found.event.detail.values()] == [int, float, bool, type(None), str]


# --- controllers one after another ---


async def test_a_start_knows_the_number_of_the_newest_event(place: Place) -> None:
    store = place.store()
    assert (await store.open()).last_event == 0
    await store.commit(writes(events=(event(1, "a"), event(2, "b"))))
    await store.close()
    store = place.store()
    assert (await store.open()).last_event == 2
    await store.close()


async def test_each_opening_raises_the_epoch(place: Place) -> None:
    epochs = []
    for _ in range(3):
        store = place.store()
        epochs.append((await store.open()).epoch)
        await store.close()
    assert epochs == [1, 2, 3]


async def test_an_earlier_controller_cannot_commit(place: Place, store: Store) -> None:
    await store.commit(step(1))
    place.lose_lock()
    newer = place.store()
    assert (await newer.open()).epoch == 2
    with pytest.raises(StoreFailure, match=r"another controller has taken over.*epoch 2, this one has 1"):
        await store.commit(step(2))
    assert await newer.job(JobId("j-2")) is None
    assert await newer.commit(step(2)) == 4
    assert await newer.job(JobId("j-2")) == queued(2, name="stream", labels={"stream": "yes"})
    await newer.close()


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.close()
    await store.close()
    with pytest.raises(StoreFailure, match="closed"):
        await store.commit(Write())
    with pytest.raises(StoreFailure, match="closed"):
        await store.job(JobId("j-1"))


async def test_a_long_stream(place: Place, store: Store) -> None:
    for number in range(1, 31):
        assert await store.commit(step(number)) == 2 * number
    assert await listed(store, name="stream", state=JobState.SUCCEEDED) == [f"j-{seq}" for seq in range(28, 0, -1)]
    assert await listed(store, labels={"stream": "yes"}, node="one") == [f"j-{seq}" for seq in range(29, 0, -1)]
    await store.close()
    again = place.store()
    assert [job.state for job in (await again.open()).jobs] == [JobState.RUNNING, JobState.QUEUED]
    await again.commit(step(31))
    assert [job.id for job in (await again.list_jobs(JobFilter(state=JobState.RUNNING), None, 5)).items] == ["j-30"]
    await again.close()


# --- samples ---

HOUR = int(AT // 3600) * 3600


def sample(at: int, *values: float, series: str = "n-1", step_s: int = 60) -> StoredSample:
    return StoredSample(step_s, HOUR + at, series, encode_values(values))


async def test_samples_are_found_by_series_step_and_time(place: Place, store: Store) -> None:
    given = [
        sample(0, 1.0, 2.5),
        sample(60, 3.0, 4.0),
        sample(0, 9.0, series="n-2"),
        sample(0, 8.0, step_s=900),
        sample(180, 5.0, float("nan")),
    ]
    await store.keep_samples(given, {})
    await store.keep_samples([sample(60, 3.5, 4.5)], {})  # again, of the same time
    await store.close()
    again = place.store()
    await again.open()
    found = await again.samples("n-1", 60, HOUR, HOUR + 120)
    assert [(at - HOUR, values) for at, values in found] == [(0, (1.0, 2.5)), (60, (3.5, 4.5))]
    assert [at - HOUR for at, _ in await again.samples("n-1", 60, HOUR + 1, HOUR + 10_000)] == [60, 180]
    assert await again.samples("n-3", 60, HOUR, HOUR + 1000) == []
    assert await again.samples("n-1", 60, HOUR + 10, HOUR + 20) == []
    assert [(one.at - HOUR, one.series) for one in await again.all_samples(60, HOUR, HOUR + 180)] == [
        (0, "n-1"), (0, "n-2"), (60, "n-1"),
    ]  # fmt: skip
    assert [await again.last_sample_at(step_s) for step_s in (60, 900, 7)] == [HOUR + 180, HOUR, None]
    await again.close()


async def test_old_samples_go_and_so_do_those_of_what_is_removed(place: Place, store: Store) -> None:
    place.at = HOUR + 3600.0
    times = range(0, 600, 60)
    await store.keep_samples([sample(at, 1.0, series=series) for series in ("n-1", "n-2") for at in times], {})
    await store.keep_samples([sample(0, 1.0, step_s=900)], {})
    for _ in range(4):  # some at a time
        await store.keep_samples([], {60: HOUR + 301.0, 900: HOUR - 1.0})
    assert [at - HOUR for at, _ in await store.samples("n-1", 60, HOUR, HOUR + 600)] == [360, 420, 480, 540]
    await store.forget_samples("n-1", {60: HOUR, 900: HOUR})
    assert await store.samples("n-1", 60, HOUR, HOUR + 600) == []
    assert await store.samples("n-1", 900, HOUR, HOUR + 600) == []
    assert len(await store.samples("n-2", 60, HOUR, HOUR + 600)) == 4


async def test_a_second_controller_fences_off_samples_too(place: Place, store: Store) -> None:
    place.lose_lock()
    second = place.store()
    await second.open()
    with pytest.raises(StoreFailure, match="another controller"):
        await store.keep_samples([sample(0, 1.0)], {})
    await second.close()
