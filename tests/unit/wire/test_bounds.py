"""What a broken or hostile agent says does not reach the books."""

from dataclasses import replace

import pytest

from draas.model.allocation import AllocationId, AllocationState, Observed
from draas.model.build import Built
from draas.model.node import Facts, Image, Load
from draas.model.resources import Resources
from draas.wire.bounds import in_bounds
from draas.wire.link import Heartbeat, Hello, LogChunk, Report, decode_from_agent, encode

NAN, INFINITE = float("nan"), float("inf")
GOOD = Observed(
    state=AllocationState.RUNNING, started_at=1.7e9, exit_code=137, peak_memory_bytes=1, cpu_s=0.5, log_bytes=0
)
FACTS = Facts(capacity=Resources(cpu_millis=64_000, memory_bytes=2**40), labels={"a": "b"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"started_at": 1e300}, {"started_at": NAN}, {"finished_at": -1.0}, {"finished_at": INFINITE}, {"exit_code": 2**63},
        {"peak_memory_bytes": 2**63}, {"cpu_s": NAN}, {"log_bytes": -1}, {"detail": "x" * 20_000},
        {"built": Built(image="x" * 20_000, platform="")}, {"built": Built(image="i", platform="p", size_bytes=-1)},
        {"built": Built(image="i", platform="p", dockerfile="x" * 70_000)}, {"built": Built(image="i", platform="p", port=0)},
        {"built": Built(image="i", platform="p", pushed=("x",) * 101)},
    ],
)  # fmt: skip
def test_reports(wrong: dict) -> None:
    def report(seen: Observed) -> Report:
        sent = encode([Report(observed={AllocationId("j-1.1"): seen})])
        told = decode_from_agent(sent)[0]  # what the wire lets through
        assert isinstance(told, Report)
        return told

    assert in_bounds(report(GOOD))
    assert not in_bounds(report(replace(GOOD, **wrong)))


def test_heartbeats_and_hellos() -> None:
    assert in_bounds(Heartbeat(mono=1.0, load=Load(cpu_percent=50.0), facts=FACTS))
    for load in (
        Load(cpu_percent=NAN),
        Load(memory_used_bytes=-1),
        Load(disk_total_bytes=2**60),
        Load(load_1m=INFINITE),
        Load(received_bytes_per_s=-1.0),
        Load(sent_bytes_per_s=NAN),
    ):
        assert not in_bounds(Heartbeat(mono=1.0, load=load))
    assert not in_bounds(Heartbeat(mono=NAN, load=Load()))
    many = tuple(Image(id=str(at), tags=(), size_bytes=1) for at in range(10_001))
    odd = (
        replace(FACTS, capacity=Resources(cpu_millis=-1)), replace(FACTS, labels={"a": "x" * 20_000}),
        replace(FACTS, images=many), replace(FACTS, images=(Image(id="i", tags=(), size_bytes=-1),)),
    )  # fmt: skip
    assert in_bounds(Hello(version=1, name="n", facts=FACTS, sent_at=1.7e9, have={AllocationId("j-1.1"): GOOD}))
    for facts in odd:
        assert not in_bounds(Hello(version=1, name="n", facts=facts, sent_at=1.7e9, have={}))
    assert not in_bounds(Hello(version=1, name="n", facts=FACTS, sent_at=NAN, have={}))
    assert not in_bounds(LogChunk(allocation=AllocationId("j-1.1"), offset=-1, records=b""))
