"""DNS: routes to the names that a DNS node answers, and to dnsmasq's arguments and hosts file. Pure text.

stack.md foresaw one wildcard for the whole apps domain. A name an app is as little work (a line in a hosts file, read again on
SIGHUP without a gap) and makes a deleted app stop resolving, which a wildcard cannot.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from draas.lib.values import replace
from draas.model.host_name import is_host_name
from draas.wire.link import Routes

DEFAULT_PORT = 53
SYSTEM = "system"  # forward to what /etc/resolv.conf names
TTL_S = 5  # an ingress that is lost, or an app that is new, is known to everybody so soon
MISSING = "dnsmasq is not installed, so names cannot be answered here; on Debian or Ubuntu, as root: apt-get install dnsmasq-base"
LOOPBACK_DOMAIN = "localhost"
NO_DOMAIN = (
    "every machine resolves *.localhost to itself, so there is nothing to answer: "
    "give the controller a domain (--apps-domain apps.home)"
)
NO_INGRESS = (
    "no machine with the ingress role has an address that others reach, so no name leads anywhere: "
    "start its agent with DRAAS_ADVERTISE=ADDRESS"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a DNS node has been told: each app's hosts, and the ingresses' addresses. Of older orders nothing is taken."""

    domain: str = ""
    addresses: tuple[str, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    at: tuple[int, int] = (0, 0)  # epoch and generation of the last order

    def take(self, routes: Routes) -> "Names":
        """The names after `routes`."""
        at = (routes.epoch, routes.generation)
        if at < self.at:
            return self
        hosts = {} if routes.full else dict(self.hosts)
        for name in routes.forget:
            hosts.pop(name, None)
        hosts.update((route.app, tuple(dict.fromkeys(one.host for one in route.hosts))) for route in routes.put)
        return replace(
            self,
            at=at,
            hosts=hosts,
            domain=self.domain if routes.apps_domain is None else routes.apps_domain,
            addresses=self.addresses if routes.ingresses is None else tuple(routes.ingresses),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSetup:
    """Where names are answered. `forward`: the servers that are asked for all other names, or SYSTEM; none: such are refused."""

    address: str
    port: int = DEFAULT_PORT
    forward: tuple[str, ...] = ()


def forwards(setup: DnsSetup) -> bool:
    """Whether other names are forwarded: not on a public address, where anybody could send others a flood of answers."""
    return bool(setup.forward) and not ipaddress.ip_address(setup.address).is_global


def render_arguments(setup: DnsSetup, domain: str, hosts_file: str) -> tuple[str, ...]:
    """dnsmasq's arguments: no DHCP, no configuration but these."""
    words = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--log-facility=/dev/null",  # why it cannot start goes to stderr all the same
        "--pid-file=",
        f"--port={setup.port}",
        f"--listen-address={setup.address}",
        "--bind-interfaces",
        "--no-hosts",
        f"--addn-hosts={hosts_file}",
        f"--local=/{domain}/",  # what is not in the hosts file does not exist, and nobody else is asked
        f"--local-ttl={TTL_S}",
    ]
    if not forwards(setup):
        return (*words, "--no-resolv")
    words += ["--domain-needed", "--bogus-priv", "--cache-size=1000"]
    if SYSTEM not in setup.forward:
        words += ["--no-resolv", *(f"--server={address}" for address in setup.forward)]
    return tuple(words)


def render_hosts(names: Names) -> str:
    """The hosts file: a line for each name under the apps domain and each address.

    A domain of an app's own is answered by whoever owns it: one that is spelled like a foreign site must not lead here.
    """
    under = f".{names.domain}"
    found = sorted({host for hosts in names.hosts.values() for host in hosts if host.endswith(under)})
    lines = [f"{address} {host}\n" for host in found if is_host_name(host) for address in names.addresses]
    return "".join(lines)


def check_forward(given: Sequence[str]) -> tuple[str, ...]:
    """The servers to ask for other names. Raises ValueError naming the one that is no address."""
    for text in given:
        if text != SYSTEM:
            try:
                ipaddress.ip_address(text)
            except ValueError:
                raise ValueError(f"{text[:100]!r} is no IP address; give one, or {SYSTEM}") from None
    return tuple(given)
