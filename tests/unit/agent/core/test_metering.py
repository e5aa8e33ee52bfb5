"""What replicas use now, from what they have used so far."""

from draas.agent.core.metering import Meter
from draas.agent.runtimes.runtime import Used
from draas.model.allocation import AllocationId
from draas.wire.link import Usage

ONE, OTHER = AllocationId("r-1"), AllocationId("r-2")


def test_a_rate_needs_two_looks_and_starts_anew_with_a_new_replica() -> None:
    meter = Meter()
    assert meter.usages({ONE: Used(cpu_s=5.0, memory_bytes=100)}, 10.0) == {}
    both = {ONE: Used(cpu_s=6.0, memory_bytes=120), OTHER: Used(cpu_s=0.1, memory_bytes=7)}
    assert meter.usages(both, 12.0) == {ONE: Usage(500, 120)}
    assert meter.usages({OTHER: Used(cpu_s=0.1, memory_bytes=8)}, 14.0) == {OTHER: Usage(0, 8)}
    assert meter.usages({ONE: Used(cpu_s=9.0, memory_bytes=1)}, 16.0) == {}
