"""App names and domains: which names under the apps domain are an app's own, and who has a domain already. Pure."""

import re
from collections.abc import Iterable

from draas.model.app import App
from draas.model.app_spec import AppSpec
from draas.model.errors import Conflict, Fault, Invalid
from draas.scheduler.routes import LOOPBACK_DOMAIN

_BY_ADDRESS = re.compile(r"(?P<under>.+)\.[0-9]+-[0-9]+-[0-9]+-[0-9]+\.sslip\.io")


def check_own_domains(name: str, spec: AppSpec, apps_domain: str) -> None:
    """Raises Invalid where a domain is a name that another app gets, or would get, by being called so."""
    faults = []
    for at, domain in enumerate(spec.domains):
        host = domain.partition("/")[0]
        owner = _owner(host, apps_domain)
        if owner not in (None, name):
            told = f"is the name of an app called {owner}: give {name} a name of its own, or deploy it as {owner}"
            faults.append(Fault(f"domains[{at}]", told))
    if faults:
        raise Invalid("the app is not valid", tuple(faults))


def _owner(host: str, apps_domain: str) -> str | None:
    """The app that is reached at `host` by its name; None where that is nobody's by name."""
    for domain in (apps_domain, LOOPBACK_DOMAIN):
        if host.endswith(f".{domain}"):
            return host.removesuffix(f".{domain}").rpartition(".")[2]
    found = _BY_ADDRESS.fullmatch(host)
    return found["under"].rpartition(".")[2] if found is not None else None


def check_free_domains(name: str, spec: AppSpec, apps: Iterable[App]) -> None:
    """Raises Conflict where another app has one of the domains, host and path, already."""
    wanted = set(spec.domains)
    for app in apps:
        if app.name != name and not app.removing and (taken := wanted.intersection(app.spec.domains)):
            told = f"{min(taken)} is a domain of the app {app.name} already: take it away there first"
            raise Conflict(told)
