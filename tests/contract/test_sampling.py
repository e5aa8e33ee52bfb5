"""The sampling loop over a store: what a restart keeps, what a failing store loses, what is forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from draas.lib import clock
from draas.model.app import App, AppId
from draas.model.app_spec import AppSpec
from draas.model.cluster import Cluster
from draas.model.job import ProjectName
from draas.model.node import Load
from draas.model.sample import AppSample
from draas.server.loops.sampling import Sampling
from draas.server.services.history import History
from draas.server.services.samples import read_samples
from draas.store.memory import Medium, MemoryStore
from draas.store.sql import SqlStore
from draas.store.store import Store
from draas.testing.builders import a_node

SHOP = App(
    id=AppId("app-shop"), name="shop", project=ProjectName("p"), created_at=0.0, spec=AppSpec(image="shop:1"), wanted=1
)
NODE = a_node("alpha")


@dataclass(slots=True)
class Place:
    """Where a controller's samples are, over its restarts."""

    folder: Path
    medium: Medium | None
    now: float = 0.0
    nodes: dict = field(default_factory=lambda: {NODE.id: NODE})
    apps: dict = field(default_factory=lambda: {SHOP.id: SHOP})
    requests_per_s: float = 1.0

    def store(self) -> Store:
        given = lambda: self.now  # noqa: E731 - the clock of either store
        return MemoryStore(self.medium, now=given) if self.medium is not None else SqlStore(self.folder, now=given)


class Process:
    """One controller, as far as samples go, until it is killed."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.history = History()
        self.store = place.store()
        self.sampling = Sampling(self.history, self.store, self._cluster, self._apps)

    def _cluster(self) -> Cluster:
        cluster = Cluster()
        cluster.nodes.update(self.place.nodes)
        cluster.apps.update(self.place.apps)
        return cluster

    def _apps(self, _now: float) -> Iterator[tuple[AppId, AppSample]]:
        for app_id in self.place.apps:
            yield app_id, AppSample(self.place.requests_per_s, 0, 0, 0, 0, 1, 1)

    async def start(self) -> None:
        await self.store.open()
        await self.sampling.restore()

    async def live(self, seconds: int, cpu_percent: float) -> None:
        """Let time go by: a heartbeat and a round each 10 s."""
        for _ in range(0, seconds, 10):
            for node_id in self.place.nodes:
                self.history.note_load(node_id, Load(cpu_percent=cpu_percent), self.place.now)
            self.place.now += 10
            await self.sampling.look(self.place.now)

    async def ask(self, series: str, age_s: float) -> dict[float, float]:
        """The first column by the age of its step."""
        now = self.place.now
        found = await read_samples(self.history, self.store.samples, series, now - age_s, 10, now)
        return {now - at: values[0] for at, values in found.points}


@pytest.fixture(params=["memory", "sql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path, Medium() if request.param == "memory" else None, now=1_800_000_000.0)
    monkeypatch.setattr(clock, "steady", lambda: made.now)
    return made


async def started(place: Place) -> Process:
    process = Process(place)
    await process.start()
    return process


async def test_a_restart_loses_less_than_a_minute(place: Place) -> None:
    first = await started(place)
    await first.live(1850, 40.0)
    assert len(await first.ask(NODE.id, 3600)) == 185
    await first.store.close()  # what was not written by now is lost, as with kill -9
    second = await started(place)
    kept = await second.ask(NODE.id, 3600)
    assert len(kept) == 30
    assert min(kept) == 110  # the last whole minute ended 50 s ago
    assert set(kept.values()) == {40.0}
    assert set((await second.ask(SHOP.id, 3600)).values()) == {1.0}
    await second.live(60, 80.0)
    assert list((await second.ask(NODE.id, 3600)).values())[-6:] == [80.0] * 6
    day = await second.ask(NODE.id, 86400)
    assert list(day.values()) == [40.0] * 30 + [80.0] * 2
    await second.store.close()


async def test_a_quarter_that_was_cut_by_a_kill_is_rolled_up_after_it(place: Place) -> None:
    first = await started(place)
    await first.live(1200, 10.0)  # a quarter, and a third of one
    await first.store.close()
    place.now += 5 * 3600
    second = await started(place)
    weeks = await second.ask(NODE.id, 7 * 86400)
    assert list(weeks.values()) == [10.0, 10.0]
    assert await second.ask(NODE.id, 3600) == {}
    await second.live(900, 20.0)
    assert list((await second.ask(NODE.id, 7 * 86400)).values())[:2] == [10.0, 10.0]
    await second.store.close()


async def test_what_a_store_could_not_take_is_written_when_it_can(place: Place) -> None:
    if place.medium is None:
        place.medium = Medium()  # SQLite's failures are test_sql_store's
    process = await started(place)
    place.medium.trouble = "disk full"
    await process.live(300, 30.0)
    assert place.medium.samples == {}
    place.medium.trouble = ""
    await process.live(10, 30.0)
    assert len([one for one in place.medium.samples if one[2] == NODE.id]) == 5


async def test_what_is_removed_is_forgotten(place: Place) -> None:
    process = await started(place)
    await process.live(960, 30.0)
    place.nodes.clear()
    await process.live(60, 30.0)
    assert process.history.series() == [SHOP.id]
    for step_s in (60, 900):
        kept = await process.store.all_samples(step_s, 0, place.now + 1)
        assert {one.series for one in kept} == {SHOP.id}
    await process.store.close()
