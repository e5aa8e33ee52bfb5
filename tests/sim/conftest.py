"""Seeds for the simulation: `./test sim --seeds N` for more, `--seed S` for one."""

import pytest

SEEDS = 2_000
SEEDS_PER_TEST = 50


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" not in metafunc.fixturenames:
        return
    one = metafunc.config.getoption("--seed")
    count = metafunc.config.getoption("--seeds") or SEEDS
    if one is not None:
        groups = [range(one, one + 1)]
    else:
        groups = [range(first, min(first + SEEDS_PER_TEST, count)) for first in range(0, count, SEEDS_PER_TEST)]
    metafunc.parametrize("seeds", groups, ids=[f"seeds-{group.start}-{group.stop - 1}" for group in groups])
