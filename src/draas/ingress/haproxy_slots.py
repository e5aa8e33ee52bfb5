"""Slots: the server lines that a backend has, filled and emptied over the runtime API, so that replicas come and go without a reload. Pure.

Fixed lines and not `add server`: only these can have tcp-ut, without which requests on connections to a machine that lost
power hang instead of being repeated elsewhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from draas.ingress.checks import split_address
from draas.model.route import AppRoute, Endpoint

LEAST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One server line. Without `address` it is empty; weight 0 gets nothing new."""

    endpoint: str = ""
    address: str = ""
    weight: int = 0


Slots = tuple[Slot, ...]


def backend_name(app: str) -> str:
    return f"app_{app}"


def last_name(app: str) -> str:
    """Of the same servers without checks: see haproxy.py."""
    return f"last_{app}"


def slot_name(number: int) -> str:
    return f"s{number + 1}"


def fill_slots(before: Slots, route: AppRoute) -> Slots:
    """`route`'s endpoints, each where it was, new ones in slots that were empty before.

    A slot that is emptied is not filled in the same step: for a moment HAProxy has connections of the old server at hand
    that it would use for the new one. So there is room for twice as many as there are; it never shrinks.
    """
    wanted = {str(endpoint.id): endpoint for endpoint in route.endpoints}
    slots = [_slot(wanted.pop(slot.endpoint, None)) for slot in before]
    free = [number for number, slot in enumerate(before) if not slot.address]
    size = max(len(before), LEAST)
    while size - len(before) + len(free) < len(wanted) or size < 2 * len(route.endpoints):
        size *= 2
    free += range(len(before), size)
    slots += [Slot()] * (size - len(before))
    for number, endpoint in zip(free, wanted.values(), strict=False):
        slots[number] = _slot(endpoint)
    return tuple(slots)


def _slot(endpoint: Endpoint | None) -> Slot:
    if endpoint is None:
        return Slot()
    return Slot(endpoint=endpoint.id, address=endpoint.address, weight=0 if endpoint.draining else endpoint.weight)


def plan_servers(before: Mapping[str, Slots], after: Mapping[str, Slots]) -> Iterator[str]:
    """The runtime commands from `before` to `after`, for apps that both have with as many slots. New servers come before others go."""
    changes = [
        (f"{backend}/{slot_name(number)}", old, new)
        for app, slots in after.items()
        for number, (old, new) in enumerate(zip(before[app], slots, strict=True))
        if old != new
        for backend in (backend_name(app), last_name(app))
    ]
    for server, old, new in changes:
        if new.address and new.address != old.address:
            yield from _put(server, new)
        elif new.address and new.weight != old.weight:
            yield f"set server {server} weight {new.weight}"
    for server, _, new in changes:
        if not new.address:
            yield f"set server {server} state maint"


def _put(server: str, slot: Slot) -> Iterator[str]:
    parts = split_address(slot.address)
    assert parts is not None
    yield f"set server {server} addr {parts[0]} port {parts[1]}"
    yield f"set server {server} weight {slot.weight}"
    yield f"set server {server} state ready"
