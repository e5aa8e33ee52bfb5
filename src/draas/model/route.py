"""Route: how requests get to an app: what every ingress is told. Data for the proxy, derived from apps by draas.scheduler.routes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from draas.model.allocation import AllocationId

MAX_WEIGHT = 256  # HAProxy's


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One replica that can be sent requests. `draining`: it finishes what it has and gets nothing new."""

    id: AllocationId
    address: str  # host:port
    weight: int = 100  # 0 to MAX_WEIGHT, relative to the app's other endpoints
    draining: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPath:
    """Requests for `host` whose path begins with `path`. The longest path wins. `host` is lower case and has no port."""

    host: str
    path: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRoute:
    """All that a proxy must know of one app. No endpoint that serves: requests are held until one comes, or `hold_s` is over."""

    app: str
    hosts: tuple[HostPath, ...]
    endpoints: tuple[Endpoint, ...] = ()
    check_path: str | None = None  # of the proxy's own health check; None: a connection is enough
    https_only: bool = False
    maintenance: bool = False
    hold_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What a proxy has counted for one app since it started: totals, and how many requests are under way."""

    requests: int = 0
    errors: int = 0  # answered 5xx, or not at all
    open: int = 0
    waiting: int = 0  # held until an endpoint comes
    answer_s: float = 0.0  # that all requests together have waited for the beginning of their answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingress:
    """What an agent with the ingress role says of its proxy. `missing`: why there is none, and how to get one."""

    proxy: str = ""  # "haproxy 2.6.12"
    http_port: int = 0
    https_port: int = 0
    address: str = ""
    missing: str = ""
    dns: str = ""  # where a DNS role answers, "" if it does not
    faults: Mapping[str, str] = field(default_factory=dict)  # apps whose routes the proxy does not take, and why
