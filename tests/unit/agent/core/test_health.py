"""What a series of probes says, and what a refused port means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draas.agent.core.health import Outcome, Verdict, explain_refused, first_verdict, judge_probe, wait_s
from draas.agent.runtimes.runtime import Listener
from draas.model.probe import Health, Probe, Served

PROBE = Probe(every_s=2.0, failures=3)
PASSED, FAILED = Outcome(True), Outcome(False, "it answered 500")


def after(*outcomes: Outcome, known: Served | None = None, every_s: float = 2.0, probe: Probe = PROBE) -> Verdict:
    """The verdict after these, `every_s` apart, the first at second 100."""
    verdict = first_verdict(known, "10.0.0.1:30000", 100.0)
    for number, outcome in enumerate(outcomes):
        verdict = judge_probe(verdict, outcome, probe, 100.0 + number * every_s)
    return verdict


def test_one_success_is_enough() -> None:
    assert after(FAILED, PASSED, every_s=0.1).served == Served(
        health=Health.HEALTHY, since=100.1, endpoint="10.0.0.1:30000"
    )


def test_a_healthy_one_stays_so_until_enough_failures_in_a_row() -> None:
    assert after(PASSED, FAILED, FAILED).served.health is Health.HEALTHY
    assert after(PASSED, FAILED, FAILED, PASSED, FAILED, FAILED).served.health is Health.HEALTHY
    served = after(PASSED, FAILED, FAILED, FAILED).served
    assert (served.health, served.since, served.detail) == (Health.UNHEALTHY, 106.0, "it answered 500")


def test_quick_probes_at_the_start_leave_it_the_time_of_its_own_pace() -> None:
    early = after(*[FAILED] * 10, every_s=0.1)
    assert early.served == Served(since=100.0, endpoint="10.0.0.1:30000")
    assert after(*[FAILED] * 30, every_s=0.1).served.detail == "it answered 500"  # told after a while, still unknown
    late = after(*[FAILED] * 62, every_s=0.1).served
    assert (late.health, late.since) == (Health.UNHEALTHY, pytest.approx(106.0))


def test_what_an_earlier_agent_knew_holds_until_the_probes_say_otherwise() -> None:
    known = Served(health=Health.HEALTHY, since=50.0, endpoint="10.0.0.1:30000")
    assert after(FAILED, FAILED, known=known).served == known
    assert after(PASSED, known=known).served == known
    assert after(FAILED, FAILED, FAILED, known=known).served.health is Health.UNHEALTHY


def test_an_unhealthy_one_tells_its_newest_reason_and_recovers_at_once() -> None:
    other = Outcome(False, "it answered 503")
    assert after(PASSED, FAILED, FAILED, FAILED, other).served.detail == "it answered 503"
    served = after(PASSED, FAILED, FAILED, FAILED, PASSED).served
    assert (served.health, served.since, served.detail) == (Health.HEALTHY, 108.0, "")


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 5))
def test_health_agrees_with_the_last_outcomes(passes: list[bool], failures: int) -> None:
    probe = Probe(every_s=2.0, failures=failures)
    verdict = after(*(PASSED if one else FAILED for one in passes), probe=probe)
    if passes and passes[-1]:
        assert verdict.served.health is Health.HEALTHY
    if verdict.served.health is Health.UNHEALTHY:
        assert not any(passes[-failures:])
    if True in passes and not any(passes[-failures:]) and len(passes) >= failures:
        assert verdict.served.health is Health.UNHEALTHY


def test_probes_are_quick_while_it_is_waited_for() -> None:
    fresh = first_verdict(None, "", 100.0)
    assert wait_s(fresh, PROBE, 100.0, 0.5) == 0.1
    assert wait_s(fresh, PROBE, 150.0, 0.5) == pytest.approx(1.0)
    assert wait_s(fresh, PROBE, 1000.0, 0.5) == 2.0
    healthy = after(PASSED)
    assert [round(wait_s(healthy, PROBE, 101.0, chance), 2) for chance in (0.0, 0.5, 1.0)] == [1.9, 2.0, 2.1]


@pytest.mark.parametrize(
    ("listeners", "detail"),
    [
        ([], "nothing listens on port 80: the app listens on no port at all, or does not yet"),
        ([("127.0.0.11", 40123)], "nothing listens on port 80: the app listens on no port at all, or does not yet"),
        ([("::", 8080)], "nothing listens on port 80; the app listens on 8080: deploy with --port 8080"),
        (
            [("0.0.0.0", 9000), ("0.0.0.0", 8080), ("127.0.0.1", 70)],
            "nothing listens on port 80; the app listens on 8080 and 9000: deploy with --port 8080",
        ),
        ([("127.0.0.1", 80)], "the app listens on 127.0.0.1:80 only: make it listen on 0.0.0.0"),
        ([("::1", 80)], "the app listens on [::1]:80 only: make it listen on 0.0.0.0"),
        (
            [("127.0.0.1", 3000)],
            "nothing listens on port 80; the app listens on 127.0.0.1:3000 only: make it listen on 0.0.0.0 and deploy with --port 3000",
        ),
        ([("0.0.0.0", 80)], "port 80 refuses connections although the app listens on 0.0.0.0:80"),
        (None, "nothing answers on port 80: does the app listen on it, and on 0.0.0.0?"),
    ],
)
def test_a_refused_port_in_words(listeners: list[tuple[str, int]] | None, detail: str) -> None:
    seen = None if listeners is None else [Listener(*one) for one in listeners]
    assert explain_refused(80, seen) == detail
