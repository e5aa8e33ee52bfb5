"""What HAProxy's runtime API answers, read. Pure."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
    answer_ms: int = 0  # from a request to the beginning of its answer: the mean of the last 1,024


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
            answer_ms=sum(int(row.get(name) or 0) for name in ("qtime", "ctime", "rtime")),
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


class Total(NamedTuple):
    """What a worker, or all that have ended, counted for an app."""

    requests: int = 0
    errors: int = 0
    answer_s: float = 0.0

    def plus(self, other: "Total") -> "Total":
        return Total(self.requests + other.requests, self.errors + other.errors, self.answer_s + other.answer_s)


NOTHING = Total()


class Sums:
    """Counters by app that only grow, over workers that come and go: each worker counts from nothing.

    HAProxy tells no sum of times: what has been answered since the last look counts with the mean of that moment.
    """

    def __init__(self) -> None:
        self._ended: dict[str, Total] = {}
        self._workers: dict[int, dict[str, Total]] = {}
        self._open: dict[str, int] = {}

    def add(self, seen: Mapping[int, Sequence[Stat]]) -> None:
        """What each worker (by pid) says now. One that is not in `seen` has ended: what it said last stays in the sum."""
        for pid in [pid for pid in self._workers if pid not in seen]:
            for app, total in self._workers.pop(pid).items():
                self._ended[app] = self._ended.get(app, NOTHING).plus(total)
        self._open = {}
        for pid, stats in seen.items():
            before, now = self._workers.get(pid, {}), {}
            for stat in stats:
                if stat.server == "BACKEND" and stat.backend.startswith("app_"):
                    app = stat.backend.removeprefix("app_")
                    now[app] = _grown(before.get(app, NOTHING), stat)
                    self._open[app] = self._open.get(app, 0) + stat.open
            self._workers[pid] = now

    def of(self, app: str) -> Counters:
        """The sum for one app."""
        total = self._ended.get(app, NOTHING)
        for worker in self._workers.values():
            total = total.plus(worker.get(app, NOTHING))
        return Counters(
            requests=total.requests, errors=total.errors, answer_s=total.answer_s, open=self._open.get(app, 0)
        )


def _grown(before: Total, stat: Stat) -> Total:
    new = max(stat.requests - before.requests, 0)
    return Total(stat.requests, stat.errors, before.answer_s + new * stat.answer_ms / 1000)
