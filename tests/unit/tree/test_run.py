"""The runner of all tests: what it takes for a part, and how it counts."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draas_test_run", ROOT / "tests" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_parts_come_first_and_the_rest_is_pytests(run: ModuleType) -> None:
    assert run.split_arguments(["sim", "--seeds", "5"], ["unit", "sim"]) == (["sim"], ["--seeds", "5"])
    assert run.split_arguments(["-k", "words"], ["unit", "sim"]) == (["unit", "sim"], ["-k", "words"])


def test_a_word_that_is_no_part_is_refused_with_the_parts(run: ModuleType) -> None:
    with pytest.raises(run.WrongUsage, match="no part 'unti'; parts: unit, sim"):
        run.split_arguments(["unti"], ["unit", "sim"])


REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="good"/>
<testcase classname="tests.a" name="bad"><failure message="x"/></testcase>
<testcase classname="tests.a" name="broken"><error message="x"/></testcase>
<testcase classname="tests.a" name="absent"><skipped message="cannot run here: needs root"/></testcase>
</testsuite></testsuites>"""


def test_counts(run: ModuleType) -> None:
    outcome = run.count_results(REPORT, "unit", 1.0, strict=False)
    assert (outcome.passed, outcome.failed) == (1, 2)
    assert outcome.not_run == (("tests.a.absent", "cannot run here: needs root"),)


def test_what_does_not_run_is_a_failure_where_it_is_strict(run: ModuleType) -> None:
    assert run.count_results(REPORT, "unit", 1.0, strict=True).failed == 3


def test_the_last_line_sums_up(run: ModuleType) -> None:
    outcomes = [run.count_results(REPORT, "unit", 1.0, strict=False), run.Outcome(part="lint", passed=4)]
    lines = run.render_summary(outcomes).splitlines()
    assert lines[-1] == "5 passed, 2 failed"
    assert lines[0] == "tests.a.absent: cannot run here: needs root"
