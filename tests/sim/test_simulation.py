"""The cores of controller and agents under every fault, and the proof that the simulation would notice a bug."""

from collections.abc import Callable, Iterable

import pytest
from app_mutants import PLANTED, Planted
from mutants import MUTANTS, Mutant

from draas.testing.sim.app_scenario import run_seed, scenario_of
from draas.testing.sim.invariants import Violated
from draas.testing.sim.scenario import Scenario

MUTANT_SEEDS = 150
JOB_SEEDS = [seed for seed in range(2 * MUTANT_SEEDS) if scenario_of(seed) is Scenario][:MUTANT_SEEDS]
APP_SEEDS = [seed for seed in range(3 * MUTANT_SEEDS) if scenario_of(seed) is not Scenario][:MUTANT_SEEDS]


@pytest.mark.timeout(600)
def test_invariants_hold(seeds: range) -> None:
    for seed in seeds:
        assert run_seed(seed) > 0


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_one_seed_is_one_run(seed: int) -> None:
    stories = []
    for _ in range(2):
        scenario = scenario_of(seed)(seed)
        scenario.run()
        stories.append((scenario.world.steps, scenario.world.story))
    assert stories[0] == stories[1]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.broken.__name__)
def test_planted_bug_is_caught(mutant: Mutant) -> None:
    assert_caught(JOB_SEEDS, mutant.broken, **{mutant.place: mutant.broken})


@pytest.mark.timeout(600)
@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.broken.__name__)
def test_bug_planted_in_apps_is_caught(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planted.owner, planted.name, planted.broken)
    assert_caught(APP_SEEDS, planted.broken)


def assert_caught(seeds: Iterable[int], broken: Callable[..., object], **classes: type) -> None:
    for seed in seeds:
        try:
            run_seed(seed, **classes)
        except Violated:
            return
    pytest.fail(f"{broken.__name__} survived all seeds: {broken.__doc__}")
