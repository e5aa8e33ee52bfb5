"""Output arrives whole, once and in order, whatever happens on the way; and the run would notice if it did not."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from draas.agent.shell import shipping
from draas.agent.shell.shipping import Shipment
from draas.model.allocation import AllocationId
from draas.store.log_files import LogFiles
from draas.testing.fake_logs import FakeLogs
from draas.testing.sim.invariants import Violated
from draas.testing.sim.shipping import ID, ship_seed
from draas.wire.link import LogChunk
from draas.wire.records import payload_bytes

SEEDS = 150
FILE_SEEDS = 10  # real files take their time


@pytest.fixture(autouse=True)
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that waiting for the store is part of every run."""
    monkeypatch.setattr(shipping, "WINDOW_BYTES", 400)


async def test_output_arrives_whole_once_and_in_order() -> None:
    for seed in range(SEEDS):
        await ship_seed(seed, FakeLogs())


async def test_output_arrives_so_in_segment_files_too(tmp_path: Path) -> None:
    for seed in range(FILE_SEEDS):
        logs = LogFiles(tmp_path / str(seed))
        try:
            await ship_seed(seed, logs)
        finally:
            await logs.close()


class KeepsOverlaps(FakeLogs):
    """Stores all of a chunk although it has the beginning."""

    async def append(self, chunks: Sequence[LogChunk]) -> Mapping[AllocationId, int]:
        for chunk in chunks:
            held = self._records.get(chunk.allocation, b"")
            if chunk.offset <= payload_bytes(held):
                self._records[chunk.allocation] = held + chunk.records
                if chunk.last:
                    self._closed.add(chunk.allocation)
        return await self.ends([chunk.allocation for chunk in chunks])


class SkipsGaps(FakeLogs):
    """Stores what comes although something before it is missing."""

    async def append(self, chunks: Sequence[LogChunk]) -> Mapping[AllocationId, int]:
        end = payload_bytes(self._records.get(ID, b""))
        moved = [
            LogChunk(allocation=chunk.allocation, offset=min(chunk.offset, end), records=chunk.records, last=chunk.last)
            if chunk.offset > end
            else chunk
            for chunk in chunks
        ]
        return await super().append(moved)


class NeverRewinds(Shipment):
    """Goes on after a cut where it was."""

    def on_link(self, safe: int | None) -> None:
        self._linked.set()
        self._acked.set()


class EndsEarly(Shipment):
    """Takes its work for done when the last piece is sent, whether it is durable or not."""

    async def _confirm(self, end: int) -> bool:
        self._send(LogChunk(allocation=self._id, offset=end, records=b"", last=True))
        return True


@pytest.mark.parametrize(
    ("logs", "shipment"),
    [(KeepsOverlaps, Shipment), (SkipsGaps, Shipment), (FakeLogs, NeverRewinds), (FakeLogs, EndsEarly)],
    ids=["KeepsOverlaps", "SkipsGaps", "NeverRewinds", "EndsEarly"],
)
async def test_planted_bug_in_shipping_is_caught(logs: type[FakeLogs], shipment: type[Shipment]) -> None:
    for seed in range(SEEDS):
        try:
            await ship_seed(seed, logs(), shipment)
        except Violated:
            return
    pytest.fail(f"{logs.__name__} with {shipment.__name__} survived {SEEDS} seeds")
