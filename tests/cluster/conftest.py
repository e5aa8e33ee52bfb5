"""One rack of three machines for all cluster tests of a session, a controller, and agents that joined it by token over TLS.

Tests break it on purpose; after each, whatever it did is undone: machines on, healed, with room, agents linked.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from draas.testing.controller_process import ControllerProcess
from draas.testing.lab import AgentOn, Lab
from draas.testing.rack import Rack, powered
from draas.testing.recorder import Recorder

# Exclusive jobs are re-run after lease + margin: the default of 30 s would be waited for several times.
LEASE_S, MARGIN_S = 8, 2
NEEDS = ("root", "netns", "dockerd", "busybox", "haproxy", "dnsmasq")
APPS_DOMAIN = "apps.test"
TIMEOUT_S = 240
INGRESS, NAMES = ("worker", "builder", "ingress"), ("worker", "builder", "dns")
INGRESSES = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.needs(*NEEDS))
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session")
def rack() -> Iterator[Rack]:
    with Rack(3) as opened:
        yield opened


@pytest.fixture(scope="session")
def _session_lab(rack: Rack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("cluster") / "controller"
    controller = ControllerProcess(
        folder,
        rack.address,
        policy={"lease_s": LEASE_S, "lease_margin_s": MARGIN_S},
        env={"DRAAS_APPS_DOMAIN": APPS_DOMAIN},
    )
    try:
        controller.start()
        agents = [
            AgentOn(m, labels={"rack": str(m.number)}, roles=INGRESS if m.number <= INGRESSES else NAMES)
            for m in rack.machines
        ]
        lab = Lab(controller, agents)
        lab.join_all()
        yield lab
    finally:
        controller.close()


@pytest.fixture
def lab(rack: Rack, _session_lab: Lab) -> Iterator[Lab]:
    """Three nodes m1, m2, m3 that are ready; and again after the test."""
    _mend(_session_lab)
    with powered(rack):
        yield _session_lab


def _mend(lab: Lab) -> None:
    if not lab.controller.running():
        lab.controller.start()
    for agent in lab.agents:
        if not agent.running:
            agent.start()
    lab.wait_ready()


@pytest.fixture
def fresh_controller(rack: Rack, tmp_path: Path) -> Iterator[ControllerProcess]:
    """A controller of the test's own, not started, for tests that break it."""
    controller = ControllerProcess(tmp_path / "own", rack.address)
    try:
        yield controller
    finally:
        controller.close()


@pytest.fixture(scope="session")
def recorder(rack: Rack) -> Iterator[Recorder]:
    """What jobs say of themselves, on the console line that no partition cuts."""
    opened = Recorder(rack.console)
    try:
        yield opened
    finally:
        opened.close()
