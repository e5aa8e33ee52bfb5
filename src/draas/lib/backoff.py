"""Waiting longer after each failure, with jitter so that many waiters do not meet again."""


def full_jitter(attempt: int, *, base_s: float, cap_s: float, chance: float) -> float:
    """Seconds to wait before try `attempt` + 1: a random share of an exponentially growing span.

    `chance` in [0, 1) is the caller's randomness. Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
    """
    return chance * min(cap_s, base_s * 2.0 ** min(attempt, 32))


def equal_jitter(attempt: int, *, base_s: float, cap_s: float, chance: float) -> float:
    """Seconds to wait after failure number `attempt` (1, 2, …): half of the growing span for certain, half by chance.

    Unlike full jitter the wait never falls to nothing, so successive waits grow.
    """
    span = min(cap_s, base_s * 2.0 ** min(attempt - 1, 32))
    return span / 2 + chance * span / 2
