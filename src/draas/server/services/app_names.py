"""App names: which names under the apps domain are an app's own. Pure."""

import re

from draas.model.app_spec import AppSpec
from draas.model.errors import Fault, Invalid
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
