"""What `draas doctor` makes of what it found."""

import pytest

from draas.cli import checks


def test_one_way_to_run_a_job_is_enough() -> None:
    engine, sandbox = checks.check_ways("not running: start it", "", "", "0.11")
    assert (engine.verdict, engine.told, engine.remedy) == ("warning", "not running", "start it")
    assert sandbox.verdict == "ok"
    both = checks.check_ways("not running: start it", "", "bubblewrap is missing: install it", "")
    assert [check.verdict for check in both] == ["wrong", "wrong"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("does not work (a: b): run as root", ("does not work (a: b)", "run as root")),
        ("installed but not running; as root: dockerd", ("installed but not running", "as root: dockerd")),
        ("nothing listens at http://127.0.0.1:1: check it", ("nothing listens at http://127.0.0.1:1", "check it")),
        ("no remedy", ("no remedy", "")),
    ],
)
def test_cause_and_remedy(text: str, parts: tuple[str, str]) -> None:
    assert checks.split_remedy(text) == parts


@pytest.mark.parametrize(("behind_s", "verdict"), [(0.5, "ok"), (-30, "warning"), (400, "wrong"), (-400, "wrong")])
def test_clock(behind_s: float, verdict: str) -> None:
    check = checks.check_skew(behind_s, 300)
    assert check.verdict == verdict
    assert ("behind" if behind_s > 0 else "ahead of") in check.told


@pytest.mark.parametrize(("free", "verdict"), [(50 * 2**30, "ok"), (2**30, "warning"), (2**20, "wrong")])
def test_disk(free: int, verdict: str) -> None:
    assert checks.check_disk(free, "/").verdict == verdict


def test_no_controller_is_wrong_only_where_somebody_said_which() -> None:
    trouble = "nothing listens at http://x: check it"
    assert checks.check_controller("http://x", trouble, "", asked_for=False).verdict == "warning"
    assert checks.check_controller("http://x", trouble, "", asked_for=True).verdict == "wrong"
    assert checks.check_python((3, 10, 9)).verdict == "wrong"
