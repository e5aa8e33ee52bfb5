"""What HAProxy's runtime API answers, read. Pure."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from draas.ingress.haproxy_slots import Slot, Slots, backend_name, last_name, slot_name
from draas.model.route import AppRoute, Counters

MAINTENANCE_BITS = 0x01 | 0x02 | 0x04 | 0x20  # srv_admin_state: any way of being in maintenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """One line of `show stat`. `server` is BACKEND for the sum."""

    backend: str
    server: str
    open: int
    requests: int
    errors: int


def read_stats(text: str) -> list[Stat]:
    """Backends and servers of `show stat`."""
    rows = csv.DictReader(text.removeprefix("# ").splitlines())
    return [
        Stat(
            backend=row["pxname"],
            server=row["svname"],
            open=int(row["scur"] or 0),
            requests=int(row.get("req_tot") or row["stot"] or 0),
            errors=int(row.get("hrsp_5xx") or 0),
        )
        for row in rows
        if row.get("svname") and row["pxname"].startswith((backend_name(""), last_name("")))
    ]


def read_info(text: str) -> dict[str, str]:
    """`show info` by name."""
    return {name: value for line in text.splitlines() for name, found, value in [line.partition(": ")] if found}


def read_old_workers(text: str) -> list[int]:
    """The pids of workers that only finish what they have, from the master's `show proc`."""
    _, _, old = text.partition("# old workers")
    return [int(words[0]) for line in old.splitlines() if (words := line.split()) and words[0].isdigit()]


def read_slots(text: str, routes: Mapping[str, AppRoute]) -> dict[str, Slots]:
    """What `show servers state` says the slots hold; an endpoint is known by its address."""
    lines = [line.split() for line in text.splitlines()]
    header = next((line[1:] for line in lines if line[:2] == ["#", "be_id"]), [])
    by_server = {
        (row["be_name"], row["srv_name"]): row
        for line in lines
        if len(line) == len(header)
        for row in [dict(zip(header, line, strict=True))]
    }
    found: dict[str, Slots] = {}
    for app, route in routes.items():
        names = {endpoint.address: endpoint.id for endpoint in route.endpoints}
        slots: list[Slot] = []
        while (row := by_server.get((backend_name(app), slot_name(len(slots))))) is not None:
            slots.append(_read_slot(row, names))
        found[app] = tuple(slots)
    return found


def _read_slot(row: Mapping[str, str], names: Mapping[str, str]) -> Slot:
    if int(row["srv_admin_state"]) & MAINTENANCE_BITS:
        return Slot()
    host = f"[{row['srv_addr']}]" if ":" in row["srv_addr"] else row["srv_addr"]
    address = f"{host}:{row['srv_port']}"
    return Slot(endpoint=names.get(address, ""), address=address, weight=int(row["srv_uweight"]))


def read_map(text: str) -> dict[str, str]:
    """`show map NAME`: each line is an address in memory, the key, the value."""
    return {words[1]: words[2] for line in text.splitlines() if len(words := line.split(" ", 2)) == 3}


class Sums:
    """Counters by app that only grow, over workers that come and go: each worker counts from nothing."""

    def __init__(self) -> None:
        self._ended: dict[str, tuple[int, int]] = {}
        self._workers: dict[int, dict[str, tuple[int, int]]] = {}
        self._open: dict[str, int] = {}

    def add(self, seen: Mapping[int, Sequence[Stat]]) -> None:
        """What each worker (by pid) says now. One that is not in `seen` has ended: what it said last stays in the sum."""
        for pid in [pid for pid in self._workers if pid not in seen]:
            for app, (requests, errors) in self._workers.pop(pid).items():
                before = self._ended.get(app, (0, 0))
                self._ended[app] = (before[0] + requests, before[1] + errors)
        self._open = {}
        for pid, stats in seen.items():
            totals = [stat for stat in stats if stat.server == "BACKEND" and stat.backend.startswith("app_")]
            self._workers[pid] = {stat.backend.removeprefix("app_"): (stat.requests, stat.errors) for stat in totals}
            for stat in totals:
                app = stat.backend.removeprefix("app_")
                self._open[app] = self._open.get(app, 0) + stat.open

    def of(self, app: str) -> Counters:
        """The sum for one app."""
        parts = [self._ended.get(app, (0, 0)), *(worker.get(app, (0, 0)) for worker in self._workers.values())]
        return Counters(
            requests=sum(part[0] for part in parts),
            errors=sum(part[1] for part in parts),
            open=self._open.get(app, 0),
        )
