"""The agent's figures as text for Prometheus, and how its port is written."""

import click
import pytest

from draas.agent.observe.figures import Figures
from draas.agent.observe.prometheus import render_figures
from draas.cli.options import health_address
from draas.model.allocation import AllocationState
from draas.model.node import Load


def test_figures_are_told() -> None:
    states = (AllocationState.RUNNING, AllocationState.RUNNING, AllocationState.FAILED)
    load = Load(cpu_percent=12.5, memory_used_bytes=3, disk_used_bytes=4, disk_total_bytes=5, sent_bytes_per_s=6.5)
    told = render_figures(Figures(linked=True, states=states, load=load, shipped_bytes=7, waiting_bytes=2)).decode()
    for line in (
        "draas_agent_linked 1.0",
        'draas_agent_allocations{state="running"} 2.0',
        'draas_agent_allocations{state="failed"} 1.0',
        'draas_agent_allocations{state="lost"} 0.0',
        "draas_agent_cpu_percent 12.5",
        "draas_agent_memory_used_bytes 3.0",
        "draas_agent_disk_used_bytes 4.0",
        "draas_agent_network_sent_bytes_per_s 6.5",
        "draas_agent_log_shipped_bytes_total 7.0",
        "draas_agent_log_waiting_bytes 2.0",
    ):
        assert line in told.splitlines()
    assert "received_bytes" not in told  # not measured


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, None),
        ("", None),
        ("9100", ("127.0.0.1", 9100)),
        (9100, ("127.0.0.1", 9100)),
        ("0.0.0.0:9100", ("0.0.0.0", 9100)),
        ("[::1]:9100", ("::1", 9100)),
    ],
)
def test_where_it_is_served(text: object, found: tuple[str, int] | None) -> None:
    assert health_address(text) == found


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "host:", "x:y", "1.5"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match=r"AGENT_PORT \(--port\) must be PORT or HOST:PORT"):
        health_address(text)
