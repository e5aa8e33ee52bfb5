"""Attempts: how often somebody may fail to say who they are, by address. The rule of it stands here and nowhere else.

A wrong key or sign-in costs a token of a bucket that holds BURST and gets one back every REFILL_S; while it is empty, wrong
ones are told to wait (429). What is right is let in all the same if we made it: 160 random bits are not guessed, so nobody
behind the same router can lock out whoever has them. A key that a person chose (DRAAS_ADMIN_KEY) can be guessed, so it waits
like a wrong one; but its bucket is emptied by guesses at such keys only, not by machines that come with a revoked one.
Not counted: requests without a key, and cookies of sessions, which browsers go on sending after the session's end.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

from draas.lib import clock
from draas.model.errors import TooOften, Unauthenticated

BURST, REFILL_S = 20, 3.0  # 20 at once, and 20 a minute
MAX_BUCKETS = 10_000  # the longest without a failure are forgotten first
_TOO_MANY = "this address has sent too many wrong keys"


def after_failure(full_at: float, now: float) -> float:
    """When a bucket is full again that would have been at `full_at`, had there not been one more failure. Pure."""
    return max(full_at, now) + REFILL_S


def wait_s(full_at: float, now: float) -> float:
    """Seconds until a bucket that is full at `full_at` has a token; 0 where it has one. Pure."""
    return max(0.0, full_at - now - (BURST - 1) * REFILL_S)


class Attempts:
    """A bucket for each address that failed lately, and one for its guesses at keys that people chose."""

    def __init__(self, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._monotonic = monotonic
        self._full_at: OrderedDict[tuple[str, bool], float] = OrderedDict()
        self.wrong, self.refused = 0, 0  # since the start: told that they are wrong, told to wait

    def check(self, address: str, told: str = _TOO_MANY, *, is_made: bool) -> None:
        """Raises TooOften where `address` has to wait. `is_made`: whether what was given looks like a secret of ours."""
        left_s = wait_s(self._full_at.get((network_of(address), is_made), 0.0), self._monotonic())
        if left_s > 0:
            self.refused += 1
            raise TooOften(f"{told}: try again in {max(1.0, left_s):.0f} s", retry_after_s=left_s)

    def refuse(self, address: str, told: str, *, is_made: bool) -> Unauthenticated:
        """The error for what is wrong, counted. Raises TooOften where `address` has to wait."""
        # Of a secret of ours it may be said that it is wrong: a right one would have been let in.
        self.check(address, f"{told}; {_TOO_MANY}" if is_made else _TOO_MANY, is_made=is_made)
        bucket = (network_of(address), is_made)
        self._full_at[bucket] = after_failure(self._full_at.get(bucket, 0.0), self._monotonic())
        self._full_at.move_to_end(bucket)
        if len(self._full_at) > MAX_BUCKETS:
            self._full_at.popitem(last=False)
        self.wrong += 1
        return Unauthenticated(told)


def network_of(address: str) -> str:
    """An IPv6 address stands for its /64: that is what one machine has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
