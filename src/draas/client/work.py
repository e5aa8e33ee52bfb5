"""What is asked of jobs and of builds alike: a page of them, and to be told when one has ended."""

from collections.abc import Mapping
from typing import Any, TypedDict

from draas.client.apps import given
from draas.client.transport import Parameters, Transport
from draas.lib import clock

ENDED = frozenset({"succeeded", "failed", "cancelled", "skipped"})
LONG_POLL_S = 30.0


class Match(TypedDict, total=False):
    """Which of them, a page at a time: those with all of `labels`; `cursor` is the last page's `next`; `limit` is 100 unless said."""

    state: str | None
    name: str | None
    node: str | None
    project: str | None
    labels: Mapping[str, str] | None
    cursor: str | None
    limit: int


def page_query(match: Match) -> Parameters:
    """As the API takes it."""
    pairs = [f"{label}={value}" for label, value in (match.get("labels") or {}).items()]
    return given(
        state=match.get("state"),
        name=match.get("name"),
        node=match.get("node"),
        project=match.get("project"),
        label=pairs or None,
        cursor=match.get("cursor"),
        limit=str(match.get("limit", 100)),
    )


async def wait_ended(transport: Transport, path: str, what: str, timeout_s: float | None) -> Any:
    """What is at `path` once it has ended. Raises TimeoutError, naming `what`, where that takes longer than `timeout_s`."""
    until = clock.monotonic() + timeout_s if timeout_s is not None else None
    while True:
        left_s = LONG_POLL_S if until is None else min(LONG_POLL_S, until - clock.monotonic())
        query = given(wait_s=f"{max(left_s, 0):.3f}")
        seen = await transport.call("GET", path, query=query, timeout_s=LONG_POLL_S + 30)
        if seen["state"] in ENDED:
            return seen
        if until is not None and clock.monotonic() >= until:
            raise TimeoutError(f"{what} is still {seen['state']} after {timeout_s} s")
