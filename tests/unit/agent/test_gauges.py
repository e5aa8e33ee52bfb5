"""Figures of a control group that lives, under each version and both."""

from pathlib import Path

import pytest

from draas.agent.runtimes.docker.usage import find_gauges, group_in, is_frozen, read_live


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


V1 = {
    "memory/g/memory.usage_in_bytes": "5000\n",
    "memory/g/memory.stat": "inactive_file 1\ntotal_inactive_file 2000\n",
    "cpu/g/cpu.stat": "nr_periods 0\n",
    "cpuacct/g/cpuacct.usage": "1500000000\n",
    "freezer/g/freezer.state": "THAWED\n",
}
V2 = {
    "g/memory.current": "7000\n",
    "g/memory.stat": "anon 1\ninactive_file 1000\n",
    "g/cpu.stat": "usage_usec 250000\nuser_usec 1\n",
    "g/cgroup.freeze": "0\n",
}
BOTH = {**V1, "unified/g/cpu.stat": "usage_usec 1\n", "unified/g/cgroup.freeze": "0\n"}


@pytest.mark.parametrize(
    ("files", "live", "freezer", "frozen"),
    [
        (V1, (1.5, 3000), "freezer/g/freezer.state", "FROZEN\n"),
        (V2, (0.25, 6000), "g/cgroup.freeze", "1\n"),
        (BOTH, (1.5, 3000), "freezer/g/freezer.state", "FROZEN\n"),
    ],
)
def test_figures(tmp_path: Path, files: dict[str, str], live: tuple[float, int], freezer: str, frozen: str) -> None:
    write(tmp_path, files)
    gauges = find_gauges("/g", tmp_path)
    assert read_live(gauges) == live
    assert is_frozen(gauges) is False
    write(tmp_path, {freezer: frozen})
    assert is_frozen(gauges) is True


def test_nothing_is_known_of_a_group_that_is_not_there(tmp_path: Path) -> None:
    gauges = find_gauges("/g", tmp_path)
    assert (read_live(gauges), is_frozen(gauges)) == (None, None)


@pytest.mark.parametrize(
    ("membership", "group"),
    [
        ("0::/system.slice/docker-1.scope\n", "/system.slice/docker-1.scope"),
        ("5:memory:/d/1\n0::/\n", "/d/1"),
        ("0::/\n", None),
    ],
)
def test_the_group_of_a_process(membership: str, group: str | None) -> None:
    assert group_in(membership) == group
