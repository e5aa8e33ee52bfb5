"""GET /metrics: the cluster's figures in Prometheus text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from draas.lib.disk import Disk
from draas.model.job import JobKind, JobState
from draas.model.node import Node, NodeState
from draas.model.resources import NOTHING, Resources
from draas.server.api.document import answers
from draas.server.api.guard import Api, GuardedRoute, api_of
from draas.server.services.controller import Controller
from draas.store.store import JobFilter

router = APIRouter(route_class=GuardedRoute, tags=["health"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One look at the cluster."""

    jobs: Mapping[JobKind, Mapping[JobState, int]]
    nodes: Sequence[tuple[Node, Resources]]  # with what is reserved there
    queue_length: int
    last_event: int
    in_trouble: bool
    disk: Disk  # the controller's own
    wrong_keys: int
    refused_tries: int


@router.get("/metrics", summary="Figures for Prometheus", responses=answers({200: "text/plain"}, 401, 403, 503))
async def metrics(request: Request) -> Response:
    registry = CollectorRegistry()
    registry.register(FiguresCollector(await read_figures(api_of(request))))
    ProcessCollector(registry=registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def read_figures(api: Api) -> Figures:
    """Ask the controller for all figures."""
    controller = api.controller
    return Figures(
        jobs={kind: {state: await _count(controller, kind, state) for state in JobState} for kind in JobKind},
        nodes=[(node, controller.reserved(node)) for node in await controller.nodes()],
        queue_length=controller.queue_length(),
        last_event=controller.last_event,
        in_trouble=bool(controller.trouble),
        disk=api.disk.look() if api.disk is not None else Disk(),
        wrong_keys=api.attempts.wrong,
        refused_tries=api.attempts.refused,
    )


async def _count(controller: Controller, kind: JobKind, state: JobState) -> int:
    return (await controller.list_jobs(JobFilter(kind=kind, state=state), None, 1)).total


class FiguresCollector(Collector):
    """Figures as metric families."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        for kind, counts in figures.jobs.items():
            by_state = {state.value: count for state, count in counts.items()}
            yield _by(f"draas_{kind}s", f"{kind.capitalize()}s kept, by state", "state", by_state)
        yield GaugeMetricFamily(
            "draas_queue_length", "Jobs and builds that wait for a place", value=figures.queue_length
        )
        states = [node.state for node, _ in figures.nodes]
        yield _by("draas_nodes", "Nodes, by state", "state", {state.value: states.count(state) for state in NodeState})
        yield from self._amounts()
        yield from self._loads()
        yield CounterMetricFamily("draas_events", "Events so far", value=figures.last_event)
        yield CounterMetricFamily("draas_wrong_keys", "Wrong keys and sign-ins so far", value=figures.wrong_keys)
        refused = "Tries refused (429) as their address had sent too many wrong keys"
        yield CounterMetricFamily("draas_refused_tries", refused, value=figures.refused_tries)
        trouble = "1 while the controller cannot take work"
        used, total = "Disk in use under the controller's data", "Size of that disk"
        yield GaugeMetricFamily("draas_controller_disk_used_bytes", used, value=figures.disk.used_bytes)
        yield GaugeMetricFamily("draas_controller_disk_total_bytes", total, value=figures.disk.total_bytes)
        yield GaugeMetricFamily("draas_trouble", trouble, value=int(figures.in_trouble))

    def _amounts(self) -> Iterator[Metric]:
        here = [(node, used) for node, used in self._figures.nodes if node.state is not NodeState.LEFT]
        total = sum((node.facts.capacity for node, _ in here), NOTHING)
        used = sum((used for _, used in here), NOTHING)
        for name, amount in (("total", total), ("reserved", used)):
            cpu, memory = f"draas_cpu_cores_{name}", f"draas_memory_bytes_{name}"
            yield GaugeMetricFamily(cpu, f"Cores of all nodes: {name}", value=amount.cpu_millis / 1000)
            yield GaugeMetricFamily(memory, f"Memory of all nodes: {name}", value=amount.memory_bytes)
            yield GaugeMetricFamily(f"draas_gpus_{name}", f"GPUs of all nodes: {name}", value=amount.gpus)

    def _loads(self) -> Iterator[Metric]:
        nodes = [node for node, _ in self._figures.nodes]
        yield _by(
            "draas_node_cpu_percent", "CPU use, 0..100", "node", {node.name: node.load.cpu_percent for node in nodes}
        )
        yield _by(
            "draas_node_memory_used_bytes", "Memory in use", "node", {n.name: n.load.memory_used_bytes for n in nodes}
        )
        yield _by(
            "draas_node_disk_total_bytes", "Size of the disk", "node", {n.name: n.load.disk_total_bytes for n in nodes}
        )
        yield _by("draas_node_disk_used_bytes", "Disk in use", "node", {n.name: n.load.disk_used_bytes for n in nodes})
        received = {n.name: n.load.received_bytes_per_s for n in nodes}
        sent = {n.name: n.load.sent_bytes_per_s for n in nodes}
        for name, told, rates in (("received", "receives", received), ("sent", "sends", sent)):
            measured = {node: rate for node, rate in rates.items() if rate is not None}
            yield _by(f"draas_node_network_{name}_bytes_per_s", f"Bytes a second that it {told}", "node", measured)


def _by(name: str, told: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, told, labels=[label])
    for value_of, value in values.items():
        family.add_metric([value_of], value)
    return family
