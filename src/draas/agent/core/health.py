"""What a series of probes says about a replica. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from draas.agent.runtimes.runtime import Listener
from draas.model.probe import Health, Probe, Served

QUICK_S = 0.1  # between probes while it is waited for: an app that is ready serves at once
QUICK_SHARE = 0.02  # of the time waited: who takes a minute to start is not probed ten times a second all along
QUIET_S = 2.0  # every app needs a moment: what its first probes say is not worth telling
EVERYWHERE = frozenset({"0.0.0.0", "::"})
ENGINES_DNS = "127.0.0.11"  # in networks made by users the engine's own DNS listens inside each container


class Outcome(NamedTuple):
    """What one probe found. `detail` says why it failed, with a remedy where one is known."""

    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`served` is what is told; `failures` are those in a row, the first of them at `failing_since` (Unix seconds)."""

    served: Served
    began_at: float  # when it was first looked at
    failures: int = 0
    failing_since: float = 0.0


def first_verdict(known: Served | None, endpoint: str, now: float) -> Verdict:
    """Before the first probe: what an agent before this one knew holds on."""
    served = replace(known, endpoint=endpoint) if known is not None else Served(since=now, endpoint=endpoint)
    return Verdict(served=served, began_at=now)


def judge_probe(verdict: Verdict, outcome: Outcome, probe: Probe, now: float) -> Verdict:
    """The verdict after one more probe.

    A replica that was healthy becomes unhealthy by `probe.failures` in a row; one that never was, once it has had the time that these take.
    """
    served = verdict.served
    if outcome.passed:
        if served.health is not Health.HEALTHY:
            served = replace(served, health=Health.HEALTHY, since=now, detail="")
        return replace(verdict, served=served, failures=0)
    failures = verdict.failures + 1
    failing_since = now if failures == 1 else verdict.failing_since
    verdict = replace(verdict, failures=failures, failing_since=failing_since)
    return replace(verdict, served=_judge_failing(verdict, outcome, probe, now))


def _judge_failing(verdict: Verdict, outcome: Outcome, probe: Probe, now: float) -> Served:
    served = verdict.served
    match served.health:
        case Health.UNHEALTHY:
            return replace(served, detail=outcome.detail)
        case Health.HEALTHY if verdict.failures < probe.failures:
            return served
        case Health.UNKNOWN if now - verdict.began_at < probe.failures * probe.every_s:
            return replace(served, detail=outcome.detail) if now - verdict.began_at >= QUIET_S else served
        case _:
            return replace(served, health=Health.UNHEALTHY, since=now, detail=outcome.detail)


def wait_s(verdict: Verdict, probe: Probe, now: float, chance: float) -> float:
    """How long until the next probe. `chance` (0..1) spreads the probes of many replicas by a tenth."""
    if verdict.served.health is Health.HEALTHY:
        return probe.every_s * (0.95 + 0.1 * chance)
    waited_s = now - (verdict.failing_since if verdict.failures else verdict.began_at)
    return min(max(QUICK_S, waited_s * QUICK_SHARE), probe.every_s)


def explain_refused(port: int, listeners: Sequence[Listener] | None) -> str:
    """Why nothing answered on `port`, from what listens inside."""
    if listeners is None:
        return f"nothing answers on port {port}: does the app listen on it, and on 0.0.0.0?"
    seen = [one for one in listeners if one.address != ENGINES_DNS]
    if own := [one for one in seen if one.port == port]:
        where = _spelt(own[0])
        if any(one.address in EVERYWHERE for one in own):
            return f"port {port} refuses connections although the app listens on {where}"
        return f"the app listens on {where} only: make it listen on 0.0.0.0"
    if not seen:
        return f"nothing listens on port {port}: the app listens on no port at all, or does not yet"
    open_ports = sorted({one.port for one in seen if not _is_loopback(one.address)})
    if open_ports:
        listed = " and ".join(map(str, open_ports[:3]))
        return f"nothing listens on port {port}; the app listens on {listed}: deploy with --port {open_ports[0]}"
    inside = _spelt(seen[0])
    return (
        f"nothing listens on port {port}; the app listens on {inside} only: make it listen on 0.0.0.0 "
        f"and deploy with --port {seen[0].port}"
    )


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _spelt(one: Listener) -> str:
    return f"[{one.address}]:{one.port}" if ":" in one.address else f"{one.address}:{one.port}"
