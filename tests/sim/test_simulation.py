"""The cores of controller and agents under every fault, and the proof that the simulation would notice a bug."""

import pytest
from mutants import MUTANTS, Mutant

from draas.testing.sim.invariants import Violated
from draas.testing.sim.scenario import Scenario, run_seed

MUTANT_SEEDS = 150


@pytest.mark.timeout(600)
def test_invariants_hold(seeds: range) -> None:
    for seed in seeds:
        assert run_seed(seed) > 0


def test_one_seed_is_one_run() -> None:
    stories = []
    for _ in range(2):
        scenario = Scenario(7)
        scenario.run()
        stories.append((scenario.world.steps, scenario.world.story))
    assert stories[0] == stories[1]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.broken.__name__)
def test_planted_bug_is_caught(mutant: Mutant) -> None:
    for seed in range(MUTANT_SEEDS):
        try:
            run_seed(seed, **{mutant.place: mutant.broken})
        except Violated:
            return
    pytest.fail(f"{mutant.broken.__name__} survived {MUTANT_SEEDS} seeds: {mutant.broken.__doc__}")
