"""Domains: whether the names of apps lead to our ingresses, and what to say where they do not. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from draas.model.app import App
from draas.model.host_name import is_public
from draas.scheduler.routes import LOOPBACK_DOMAIN

SOON_S = 60.0  # whoever has just deployed is about to change the DNS
SOON_FOR_S = 3600.0
LATER_S = 600.0
SHOWN = 4  # addresses in a warning


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Where a host led to when it was looked at: nowhere where there are no addresses. `since`: the first look that warned."""

    addresses: tuple[str, ...]
    at: float
    ingresses: tuple[str, ...]  # at that time
    since: float | None = None


def hosts_of(app: App, apps_domain: str) -> tuple[str, ...]:
    """The hosts of `app` that somebody must have pointed at us: its own domains, and its name under a public apps domain."""
    if app.spec.port is None or app.removing:
        return ()
    under = (f".{apps_domain}", f".{LOOPBACK_DOMAIN}")
    own = [host for domain in app.spec.domains if not (host := domain.partition("/")[0]).endswith(under)]
    derived = [host for host in (f"{app.name}.{apps_domain}",) if is_public(host)]
    return tuple(dict.fromkeys(own + derived))


def is_due(seen: Resolved | None, ingresses: Sequence[str], now: float) -> bool:
    """Whether a host is to be looked at: it is new, our ingresses have changed, or it warns."""
    if seen is None or seen.ingresses != tuple(ingresses):
        return True
    if seen.since is None:
        return False
    return now - seen.at >= (SOON_S if now - seen.since < SOON_FOR_S else LATER_S)


def look(
    host: str, addresses: Sequence[str], ingresses: Sequence[str], before: Resolved | None, now: float
) -> Resolved:
    """What is remembered of a look."""
    told = warning_of(host, addresses, ingresses)
    since = (before.since if before is not None and before.since is not None else now) if told else None
    return Resolved(addresses=tuple(addresses), at=now, ingresses=tuple(ingresses), since=since)


def warning_of(host: str, addresses: Sequence[str], ingresses: Sequence[str]) -> str:
    """What to say of where `host` leads; "" where one of our ingresses is there, or there are none yet.

    A name that is not public may be known to other machines' resolvers alone, so that nothing is said of one that leads nowhere.
    """
    if not ingresses or set(addresses) & set(ingresses):
        return ""
    ours = _listed(ingresses)
    if not addresses:
        return f"{host} does not resolve: point it at {ours}" if is_public(host) else ""
    return (
        f"{host} resolves to {_listed(addresses)}, none of our ingresses ({ours}): "
        "right only where a router or CDN there passes requests on to them"
    )


def warnings_of(hosts: Iterable[str], resolved: Mapping[str, Resolved], troubles: Mapping[str, str]) -> tuple[str, ...]:
    """An app's warnings. `troubles` says of a host why it has no certificate."""
    told = []
    for host in hosts:
        if (seen := resolved.get(host)) is not None and (warning := warning_of(host, seen.addresses, seen.ingresses)):
            told.append(warning)
        if trouble := troubles.get(host):
            told.append(f"no certificate for {host}: {trouble}")
    return tuple(told)


def _listed(addresses: Sequence[str]) -> str:
    more = f" and {len(addresses) - SHOWN} more" if len(addresses) > SHOWN else ""
    return ", ".join(addresses[:SHOWN]) + more
