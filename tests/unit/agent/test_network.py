"""Which interfaces lead out of a machine, and what goes through them a second."""

import pytest

from draas.agent.observe.network import LEAST_S, Network, Passed, choose_interfaces, rates_of


@pytest.mark.parametrize(
    ("names", "with_device", "chosen"),
    [
        (("lo", "eth0", "docker0", "br-1a2b", "veth12"), {"eth0"}, {"eth0"}),
        (("lo", "eth0", "wlan0", "bond0"), {"eth0", "wlan0"}, {"eth0", "wlan0"}),  # the bond's traffic is theirs
        (("lo", "eth0", "docker0", "veth12"), set(), {"eth0"}),  # in a container
        (("lo",), set(), set()),
    ],
)
def test_interfaces_that_lead_out(names: tuple[str, ...], with_device: set[str], chosen: set[str]) -> None:
    assert choose_interfaces(names, with_device) == chosen


def test_an_interface_that_is_new_or_counts_anew_makes_no_peak() -> None:
    before = {"eth0": Passed(1000, 500), "eth1": Passed(10**12, 10**12), "gone": Passed(5, 5)}
    after = {"eth0": Passed(3000, 600), "eth1": Passed(7, 7), "new": Passed(10**12, 10**12)}
    assert rates_of(before, after, 2.0) == (1000.0, 50.0)


def test_a_rate_is_known_from_the_second_look_on() -> None:
    counted = {"eth0": Passed(0, 0)}
    network = Network(lambda: dict(counted))
    assert network.rates(10.0) == (None, None)
    counted["eth0"] = Passed(400, 200)
    assert network.rates(12.0) == (200.0, 100.0)
    counted["eth0"] = Passed(10**9, 10**9)
    assert network.rates(12.0 + LEAST_S / 2) == (200.0, 100.0)  # too soon for a new one
    counted.clear()
    assert network.rates(14.0) == (None, None)
