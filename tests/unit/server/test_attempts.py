"""How often somebody may fail: the bucket, whose it is, and what a full house does to it."""

import pytest

from draas.lib import ids
from draas.model.errors import TooOften, Unauthenticated
from draas.server.attempts import BURST, MAX_BUCKETS, REFILL_S, Attempts, after_failure, network_of, wait_s

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock)


def fail(attempts: Attempts, address: str, times: int, *, is_made: bool = False) -> None:
    for _ in range(times):
        assert isinstance(attempts.refuse(address, "wrong", is_made=is_made), Unauthenticated)


def test_a_bucket_holds_so_many_and_gets_one_back_at_a_time() -> None:
    full_at = 0.0
    for _ in range(BURST):
        assert wait_s(full_at, 100.0) == 0
        full_at = after_failure(full_at, 100.0)
    assert wait_s(full_at, 100.0) == REFILL_S
    assert wait_s(full_at, 100.0 + REFILL_S) == 0
    again = after_failure(full_at, 100.0 + REFILL_S)
    assert wait_s(again, 100.0 + REFILL_S) == REFILL_S, "one came back, and it is used"
    assert wait_s(again, 100.0 + BURST * REFILL_S) == 0
    assert after_failure(again, 1e6) == 1e6 + REFILL_S, "it does not hold more for having been left alone"


def test_who_failed_too_often_is_told_how_long_to_wait(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, HERE, BURST)
    with pytest.raises(TooOften, match="try again in 3 s") as told:
        attempts.refuse(HERE, "wrong", is_made=False)
    assert told.value.retry_after_s == REFILL_S
    assert (attempts.wrong, attempts.refused) == (BURST, 1)
    fail(attempts, THERE, 1)
    clock.now += REFILL_S
    fail(attempts, HERE, 1)


def test_being_told_to_wait_does_not_make_the_wait_longer(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, HERE, BURST)
    for _ in range(500):
        with pytest.raises(TooOften):
            attempts.refuse(HERE, "wrong", is_made=False)
    clock.now += REFILL_S
    attempts.check(HERE, is_made=False)


def test_wrong_keys_of_ours_do_not_lock_out_a_chosen_one(attempts: Attempts) -> None:
    fail(attempts, HERE, BURST, is_made=True)
    attempts.check(HERE, is_made=False)
    with pytest.raises(TooOften, match="wrong or revoked; this address has sent too many"):
        attempts.refuse(HERE, "wrong or revoked", is_made=True)


def test_memory_is_bounded(attempts: Attempts) -> None:
    fail(attempts, HERE, BURST)
    for number in range(2 * MAX_BUCKETS):
        attempts.refuse(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", "wrong", is_made=False)
    assert len(attempts._full_at) == MAX_BUCKETS


def test_one_machine_is_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") == "2001:db8::/64"
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("") == ""


def test_secrets_of_ours_are_known_by_their_form() -> None:
    assert ids.is_secret(ids.secret("draas"))
    for chosen in ("correct-horse", "draas_guess", ids.secret("draas")[:-1], ids.secret("draas").upper(), ""):
        assert not ids.is_secret(chosen), chosen
