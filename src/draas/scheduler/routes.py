"""Routes: what every ingress is told of an app, and the names under which people reach it. Pure."""

from collections.abc import Iterable, Iterator
from ipaddress import AddressValueError, IPv4Address, ip_address

from draas.model.app import App
from draas.model.app_spec import AppSpec
from draas.model.host_name import is_address
from draas.model.node import Node, NodeState
from draas.model.probe import Health, ProbeKind
from draas.model.release import CanaryPhase, Release
from draas.model.replica import Replica
from draas.model.route import MAX_WEIGHT, AppRoute, Endpoint, HostPath, Ingress

LOOPBACK_DOMAIN = "localhost"
WEIGHT = 100  # of an endpoint where all are alike
_HERE = frozenset({NodeState.READY, NodeState.DRAINING, NodeState.DISCONNECTED})


def ingresses(nodes: Iterable[Node]) -> Iterator[Ingress]:
    """The proxies that serve, by their nodes' names."""
    for node in sorted(nodes, key=lambda node: node.name):
        if node.facts.ingress is not None and node.facts.ingress.http_port and node.state in _HERE:
            yield node.facts.ingress


def ingress_address(node: Node) -> str:
    """Where the node's proxy is reached; "" where it has none."""
    return node.facts.ingress.address if node.facts.ingress is not None and node.facts.ingress.http_port else ""


def ingress_addresses(nodes: Iterable[Node]) -> tuple[str, ...]:
    """The addresses to which the apps' names lead. Loopback ones only where there are no others."""
    found = sorted({ingress.address for ingress in ingresses(nodes) if is_address(ingress.address)})
    return tuple(address for address in found if not ip_address(address).is_loopback) or tuple(found)


def host_paths(name: str, spec: AppSpec, nodes: Iterable[Node], apps_domain: str) -> tuple[HostPath, ...]:
    """Every host (and path) that leads to the app: its own domains, its name under the apps domain, names that need no DNS."""
    own = [_host_path(domain) for domain in spec.domains]
    derived = [HostPath(host=f"{name}.{domain}") for domain in dict.fromkeys((apps_domain, LOOPBACK_DOMAIN))]
    # Of all ingresses, also those that are away: a name that comes and goes with its machine is one more thing to change.
    addresses = sorted(address for node in nodes if (address := ingress_address(node)))
    by_address = [HostPath(host=f"{name}.{dashed}.sslip.io") for dashed in map(_dashed, addresses) if dashed]
    return tuple(dict.fromkeys((*own, *derived, *by_address)))


def urls_of(app: App, nodes: Iterable[Node], apps_domain: str) -> tuple[str, ...]:
    """Where people open the app, the best first. Without an ingress: each replica's own address."""
    nodes = list(nodes)
    if app.spec.port is None:
        return ()
    serving = next(ingresses(nodes), None)
    if serving is None:
        return tuple(f"http://{replica.served.endpoint}/" for replica in app.replicas if replica.healthy)
    return tuple(_url(at, app.spec, serving) for at in host_paths(app.name, app.spec, nodes, apps_domain))


def route_of(app: App, nodes: Iterable[Node], apps_domain: str) -> AppRoute | None:
    """What the ingresses are told of `app`; None where it serves nothing (any more)."""
    if app.spec.port is None or app.removing:
        return None
    shown = app.release(app.live) or app.newest
    spec = shown.spec if shown is not None else app.spec
    check = spec.health.path if spec.health.kind is ProbeKind.HTTP else None
    return AppRoute(
        app=app.name,
        hosts=host_paths(app.name, spec, nodes, apps_domain),
        endpoints=_endpoints(app),
        check_path=check,
        https_only=spec.https_only,
        maintenance=spec.maintenance,
    )


def _endpoints(app: App) -> tuple[Endpoint, ...]:
    serving = [replica for replica in app.replicas if _serves(replica)]
    weights = _weights(app.rolling, serving)
    return tuple(
        Endpoint(
            id=replica.id,
            address=replica.served.endpoint,
            weight=weights.get(replica.release, WEIGHT),
            draining=replica.leaving_at is not None,
        )
        for replica in serving
    )


def _serves(replica: Replica) -> bool:
    """Whether it can be sent requests, or may have some under way. One that ended, or failed its probe, cannot."""
    return not replica.ended and not replica.stopping and bool(replica.served.endpoint) and _answers(replica)


def _answers(replica: Replica) -> bool:
    return replica.leaving_at is not None or replica.served.health is Health.HEALTHY


def _weights(rolling: Release | None, serving: list[Replica]) -> dict[int, int]:
    """Weights by release, where a canary is given a share of the traffic: its endpoints and the others' add up to it."""
    canary = rolling.spec.deploy.canary if rolling is not None else None
    if rolling is None or canary is None or rolling.canary is CanaryPhase.PROMOTED or not canary.share_percent:
        return {}
    new = sum(replica.release == rolling.number and replica.leaving_at is None for replica in serving)
    old = sum(replica.release != rolling.number and replica.leaving_at is None for replica in serving)
    if not new or not old:
        return {}
    share = canary.share_percent / 100
    one_new, one_old = share / new, (1 - share) / old
    largest = max(one_new, one_old)
    weights = {replica.release: max(1, round(one_old / largest * MAX_WEIGHT)) for replica in serving}
    return {**weights, rolling.number: max(1, round(one_new / largest * MAX_WEIGHT))}


def _host_path(domain: str) -> HostPath:
    host, _, path = domain.partition("/")
    return HostPath(host=host, path=f"/{path}")


def _dashed(address: str) -> str:
    try:
        parsed = IPv4Address(address)
    except AddressValueError:
        return ""
    return "" if parsed.is_loopback or parsed.is_unspecified else address.replace(".", "-")


def _url(at: HostPath, spec: AppSpec, ingress: Ingress) -> str:
    secure = spec.https_only and ingress.https_port
    scheme, port, usual = ("https", ingress.https_port, 443) if secure else ("http", ingress.http_port, 80)
    return f"{scheme}://{at.host}{'' if port == usual else f':{port}'}{at.path}"
