"""Renewals: which hosts are to get a certificate from an ACME authority now. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from draas.model.certificate import Certificate, Source
from draas.model.host_name import covers, is_public
from draas.scheduler.domains import Resolved

RENEW_S = 30 * 86400.0  # before the end; Let's Encrypt's advice for certificates of 90 days
RENEW_SHARE = 1 / 3  # of its life, where that is shorter
# Let's Encrypt allows 5 failed validations an hour for a name.
AGAIN_S = 900.0
AGAIN_CAP_S = 86400.0
PROMPT_TRIES = 3  # so often a host is tried at once where it leads elsewhere than when it failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A host for which the last try failed: `failures` in a row, not again before `not_before`, led to `addresses` then."""

    failures: int
    reason: str
    not_before: float
    addresses: tuple[str, ...] = ()


def due_hosts(
    hosts: Iterable[str],
    certificates: Iterable[Certificate],
    resolved: Mapping[str, Resolved],
    tried: Mapping[str, Tried],
    now: float,
) -> tuple[str, ...]:
    """Those of `hosts` that need one and may be tried now: public, leading somewhere, and not failed lately."""
    present = list(certificates)
    return tuple(
        host
        for host in dict.fromkeys(hosts)
        if is_public(host) and _needs(host, present, now) and _may_try(host, resolved, tried, now)
    )


def _needs(host: str, certificates: Iterable[Certificate], now: float) -> bool:
    good = (one for one in certificates if covers(one.host, host) and one.not_before <= now)
    return not any(now < (one.expires_at if one.source is Source.FILE else renew_at(one)) for one in good)


def renew_at(certificate: Certificate) -> float:
    """From when on another one is got. One that a user gave is theirs to renew, and replaced only when it is over."""
    life = certificate.expires_at - certificate.not_before
    return certificate.expires_at - min(RENEW_S, life * RENEW_SHARE)


def _may_try(host: str, resolved: Mapping[str, Resolved], tried: Mapping[str, Tried], now: float) -> bool:
    seen, last = resolved.get(host), tried.get(host)
    if seen is None or not seen.addresses:
        return False
    return last is None or now >= last.not_before or (last.addresses != seen.addresses and last.failures < PROMPT_TRIES)


def fail(last: Tried | None, reason: str, retry_after_s: float, addresses: tuple[str, ...], now: float) -> Tried:
    """What is remembered of a try that failed."""
    failures = last.failures + 1 if last is not None else 1
    wait_s = min(AGAIN_S * 2.0 ** (failures - 1), AGAIN_CAP_S)
    return Tried(failures=failures, reason=reason, not_before=now + max(wait_s, retry_after_s), addresses=addresses)
