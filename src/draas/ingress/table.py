"""Table: what the controller wants of this ingress, taken from Routes in order; and which of it can be served. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from draas.ingress.checks import check_endpoint, check_route
from draas.lib.values import replace
from draas.model.route import AppRoute, HostPath
from draas.wire.link import Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All routes by app. `order` is the (epoch, generation) of the last Routes taken; (0, 0): none since the agent started."""

    order: tuple[int, int] = (0, 0)
    routes: Mapping[str, AppRoute] = field(default_factory=dict)
    challenges: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, str] = field(default_factory=dict)


def take(table: Table, message: Routes) -> Table | None:
    """The table after `message`; None where the message is older than what was taken, or the same again."""
    order = (message.epoch, message.generation)
    if order <= table.order:
        return None
    kept = {} if message.full else {app: route for app, route in table.routes.items() if app not in message.forget}
    return Table(
        order=order,
        routes={**kept, **{route.app: route for route in message.put}},
        challenges=table.challenges if message.challenges is None else message.challenges,
        certificates=table.certificates if message.certificates is None else message.certificates,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The routes that may be rendered, and why the others may not."""

    routes: Mapping[str, AppRoute]
    faults: Mapping[str, str]


def admit(wanted: Mapping[str, AppRoute], before: Mapping[str, AppRoute]) -> Admitted:
    """Check each route by itself. One that fails keeps what it had `before` (with its new endpoints), or is left out.

    A host and path belongs to one app: where two want it, who had it keeps it, else the first by name.
    """
    routes: dict[str, AppRoute] = {}
    faults: dict[str, str] = {}
    owners: dict[HostPath, str] = {}
    for app in sorted(wanted, key=lambda app: (app not in before, app)):
        fault = check_route(wanted[app]) or _clash(wanted[app], owners)
        good = wanted[app] if not fault else last_good(wanted[app], before.get(app))
        if fault:
            faults[app] = fault
        if good is not None and not _clash(good, owners):
            routes[app] = good
            owners.update(dict.fromkeys(good.hosts, app))
    return Admitted(routes=dict(sorted(routes.items())), faults=faults)


def last_good(wanted: AppRoute, before: AppRoute | None) -> AppRoute | None:
    """What is served of an app whose new route is not taken: the old one, with the new endpoints where these are in order."""
    if before is None or any(map(check_endpoint, wanted.endpoints)):
        return before
    return replace(before, endpoints=wanted.endpoints)


def _clash(route: AppRoute, owners: Mapping[HostPath, str]) -> str:
    taken = next((at for at in route.hosts if owners.get(at, route.app) != route.app), None)
    return f"{taken.host}{taken.path} is served by the app {owners[taken]}" if taken is not None else ""
