"""The agent's figures in Prometheus text."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from draas.agent.observe.figures import Figures
from draas.model.allocation import AllocationState


def render_figures(figures: Figures) -> bytes:
    """Prometheus text, with what the process itself uses."""
    registry = CollectorRegistry()
    registry.register(_FiguresCollector(figures))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _FiguresCollector(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures, load = self._figures, self._figures.load
        gauges = (
            ("draas_agent_linked", "1 while the link to the controller is open", int(figures.linked)),
            ("draas_agent_cpu_cores", "Cores for jobs", figures.cpu_cores),
            ("draas_agent_memory_bytes", "Memory for jobs", figures.memory_bytes),
            ("draas_agent_cpu_percent", "CPU use of the machine, 0..100", load.cpu_percent),
            ("draas_agent_memory_used_bytes", "Memory in use on the machine", load.memory_used_bytes),
            ("draas_agent_disk_used_bytes", "Disk in use where the agent keeps its data", load.disk_used_bytes),
            ("draas_agent_disk_total_bytes", "Size of that disk", load.disk_total_bytes),
            ("draas_agent_load_1m", "Load average of the machine over a minute", load.load_1m),
            (
                "draas_agent_network_received_bytes_per_s",
                "Bytes a second that the machine receives",
                load.received_bytes_per_s,
            ),
            ("draas_agent_network_sent_bytes_per_s", "Bytes a second that the machine sends", load.sent_bytes_per_s),
            ("draas_agent_log_waiting_bytes", "Output sent and not yet durable", figures.waiting_bytes),
        )
        for name, told, value in gauges:
            if value is not None:
                yield GaugeMetricFamily(name, told, value=value)
        shipped = "Output that the controller has made durable since the agent started"
        yield CounterMetricFamily("draas_agent_log_shipped_bytes", shipped, value=figures.shipped_bytes)
        by_state = GaugeMetricFamily("draas_agent_allocations", "Allocations here, by state", labels=["state"])
        counts = Counter(figures.states)
        for state in AllocationState:
            by_state.add_metric([state.value], counts[state])
        yield by_state
