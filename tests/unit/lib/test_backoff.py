"""Waiting longer after each failure."""

from hypothesis import given
from hypothesis import strategies as st

from draas.lib.backoff import equal_jitter, full_jitter

chances = st.floats(0, 1, exclude_max=True)


@given(attempt=st.integers(1, 1000), chance=chances)
def test_equal_jitter_waits_at_least_half_of_a_growing_span_and_never_beyond_the_cap(
    attempt: int, chance: float
) -> None:
    wait = equal_jitter(attempt, base_s=1.0, cap_s=300.0, chance=chance)
    span = min(300.0, 2.0 ** min(attempt - 1, 32))
    assert span / 2 <= wait <= span


@given(attempt=st.integers(1, 8), first=chances, second=chances)
def test_equal_jitter_never_waits_less_after_one_more_failure(attempt: int, first: float, second: float) -> None:
    waits = [
        equal_jitter(number, base_s=1.0, cap_s=300.0, chance=chance)
        for number, chance in ((attempt, first), (attempt + 1, second))
    ]
    assert waits == sorted(waits)


@given(attempt=st.integers(0, 1000), chance=chances)
def test_full_jitter_stays_below_its_span(attempt: int, chance: float) -> None:
    assert 0 <= full_jitter(attempt, base_s=0.5, cap_s=30.0, chance=chance) <= min(30.0, 0.5 * 2.0 ** min(attempt, 32))
