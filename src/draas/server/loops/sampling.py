"""The sampling loop: measures apps, and makes the samples of nodes and apps durable each minute, so that a restart loses no more."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

from draas.lib import clock, log
from draas.model.app import AppId
from draas.model.cluster import Cluster
from draas.model.sample import AppSample, NodeSample, Point
from draas.server.services.history import STEP_S, History
from draas.server.services.levels import FINEST, STORED, Level, due, kept_from, restored, roll_up_to
from draas.store.store import Store, StoredSample, StoreFailure
from draas.store.stored import decode_values, encode_values

AT_ONCE = 250  # series rolled up for one transaction: some 3 ms of it, and a commit of the control loop may have to wait for it
AFTER_S = 0.01  # timers may come a moment early, and the step would not be over
SLICE = 25  # of them before others have their turn
FORGET_AT_ONCE = 5
FINE, COARSE = STORED

AppSamples = Callable[[float], Iterator[tuple[AppId, AppSample]]]


class Sampling:
    """`cluster` is the controller's; `app_samples` gives what each app did since it was asked last. `restore` first."""

    def __init__(self, history: History, store: Store, cluster: Callable[[], Cluster], app_samples: AppSamples) -> None:
        self._history = history
        self._store = store
        self._cluster = cluster
        self._app_samples = app_samples
        self._written_to: dict[int, float] = {}
        self._failed = False

    async def run(self) -> None:
        """Sample for ever."""
        await self.restore()
        while True:
            await asyncio.sleep(STEP_S - clock.steady() % STEP_S + AFTER_S)
            await self.look(clock.steady())

    async def look(self, now: float) -> None:
        """One round."""
        for count, (app_id, sample) in enumerate(self._app_samples(now), 1):
            self._history.note(app_id, sample, now - STEP_S)  # it is of the time since the last round
            if count % SLICE == 0:
                await asyncio.sleep(0)
        try:
            await self._forget(now)
            for level in STORED:
                await self._keep(level, now)
        except StoreFailure as failure:
            if not self._failed:
                log.error("samples cannot be kept now; trying again", reason=failure.detail)
            self._failed = True
        else:
            self._failed = False

    async def restore(self) -> None:
        """Take over what was written before a restart: an hour of it, and what has not found its way to the next level."""
        now = clock.steady()
        try:
            for level in STORED:
                last = await self._store.last_sample_at(level.step_s)
                self._written_to[level.step_s] = last + level.step_s if last is not None else 0.0
            for window in restored(self._written_to[COARSE.step_s], now):
                await self._restore(window, now)
        except StoreFailure as failure:
            log.error("what was measured before cannot be read", reason=failure.detail)

    async def _restore(self, window: int, now: float) -> None:
        """What began in the COARSE.step_s seconds from `window` on."""
        widths = self._widths()
        by_series: dict[str, list[Point]] = {}
        for _, at, series, body in await self._store.all_samples(FINE.step_s, window, window + COARSE.step_s):
            by_series.setdefault(series, []).append(Point(at, decode_values(body)))
        rows: list[StoredSample] = []
        for count, (series, points) in enumerate(by_series.items(), 1):
            if series in widths and window + COARSE.step_s > now - FINEST.kept_s:
                self._history.restore(series, widths[series], points)
            rows += _rows(COARSE, series, points)
            if count % SLICE == 0:
                await asyncio.sleep(0)
        if self._written_to[COARSE.step_s] <= window and window + COARSE.step_s <= now:
            await self._store.keep_samples(rows, {})

    def _widths(self) -> Mapping[str, int]:
        cluster = self._cluster()
        return {
            **dict.fromkeys(cluster.nodes, len(NodeSample._fields)),
            **dict.fromkeys(cluster.apps, len(AppSample._fields)),
        }

    async def _forget(self, now: float) -> None:
        """What is known of nodes and apps that have been removed."""
        here = self._widths()
        for series in [series for series in self._history.series() if series not in here][:FORGET_AT_ONCE]:
            await self._store.forget_samples(series, kept_from(now))
            self._history.forget(series)

    async def _keep(self, level: Level, now: float) -> None:
        """Write what of `level` is complete."""
        span = due(level, self._written_to.get(level.step_s, 0.0), now)
        if span is None:
            return
        rows: list[StoredSample] = []
        for count, series in enumerate(self._history.series(), 1):
            rows += _rows(level, series, self._history.points(series, *span))
            if count % SLICE == 0:
                await asyncio.sleep(0)
            if len(rows) >= AT_ONCE:
                await self._store.keep_samples(rows, {})
                rows = []
        await self._store.keep_samples(rows, kept_from(now))
        self._written_to[level.step_s] = span[1]


def _rows(level: Level, series: str, points: Sequence[Point]) -> list[StoredSample]:
    rolled = roll_up_to(level, points)
    return [StoredSample(level.step_s, int(at), series, encode_values(values)) for at, values in rolled]
