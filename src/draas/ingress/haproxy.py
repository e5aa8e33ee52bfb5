"""From Serving to HAProxy 2.6's configuration: pure text.

What changes without a reload (servers in their slots, hosts, maintenance, redirects, challenges) is in maps and slots, which the
runtime API sets; `structure_of` is a digest of all else, and the running worker tells it as its description.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from draas.ingress.haproxy_slots import Slot, Slots, backend_name, last_name, slot_name
from draas.ingress.serving import (
    CHALLENGE_PATH,
    CONNECT_MS,
    DEFAULT_CERTIFICATE,
    HERE_SOCKET,
    IDLE,
    MAINTENANCE_PAGE,
    TUNNEL,
    UNACKNOWLEDGED_MS,
    UNKNOWN_PAGE,
    Listening,
    Serving,
    held_socket,
)
from draas.lib.ids import digest
from draas.model.route import AppRoute

CONFIG = "haproxy.cfg"
ROUTES, HTTPS, MAINTENANCE, CHALLENGES = "routes.map", "https.map", "maintenance.map", "challenges.map"
LEAVING = (
    "leaving.map"  # empty; set in a worker that was replaced and whose servers HAProxy does not let us change any more
)
CERTIFICATES = "certificates.list"
RUNTIME, MASTER = "run/haproxy.sock", "run/master.sock"
LAST_RETRIES = 10  # each with a replica too slow to take a connection costs CONNECT_MS: seconds of patience

Maps = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Files by name, and what of them the running worker must have been started with."""

    files: Mapping[str, str]
    structure: str


def render(serving: Serving, slots: Mapping[str, Slots]) -> Rendered:
    """All files of a configuration. `slots` has each app of `serving`."""
    certificates = _certificate_list(serving)
    structure = digest("".join((*_structure(serving, slots), certificates)))[:16]
    lines = [
        *_global(structure, serving.listening.user),
        *_defaults(),
        *_frontend(serving.listening),
        *_backends(serving, slots),
    ]
    maps = {
        name: "".join(f"{key} {value}\n" for key, value in found.items()) for name, found in maps_of(serving).items()
    }
    return Rendered(
        files={CONFIG: "\n".join(lines) + "\n", CERTIFICATES: certificates, LEAVING: "", **maps}, structure=structure
    )


def maps_of(serving: Serving) -> Maps:
    """The maps by file name."""
    routes = serving.routes.values()
    return {
        ROUTES: {key_of(at.host, at.path): backend_name(route.app) for route in routes for at in route.hosts},
        HTTPS: {backend_name(route.app): "1" for route in routes if route.https_only},
        MAINTENANCE: {backend_name(route.app): "1" for route in routes if route.maintenance},
        CHALLENGES: dict(serving.challenges),
    }


def key_of(host: str, path: str) -> str:
    """The prefix that a request's host, path and "/" are matched with: so that /api is for /api and /api/x, not for /apix."""
    return f"{host}{path}" if path.endswith("/") else f"{host}{path}/"


def plan_maps(before: Maps, after: Maps) -> Iterator[str]:
    """The runtime commands from `before` to `after`: what is new first, then what changed, then what goes."""
    for name, wanted in after.items():
        had = before[name]
        yield from (f"add map {name} {key} {value}" for key, value in wanted.items() if key not in had)
        yield from (f"set map {name} {key} {value}" for key, value in wanted.items() if had.get(key, value) != value)
        yield from (f"del map {name} {key}" for key in had if key not in wanted)


def _structure(serving: Serving, slots: Mapping[str, Slots]) -> Iterator[str]:
    yield from _global("", serving.listening.user)
    yield from _defaults()
    yield from _frontend(serving.listening)
    for app, route in serving.routes.items():
        yield from (*_backend_head(route), *_last_head(app, serving.listening.user), str(len(slots[app])))


def _certificate_list(serving: Serving) -> str:
    return "".join(f"{given.file} {' '.join(given.names)}\n" for given in serving.certificates)


def _global(structure: str, user: str) -> tuple[str, ...]:
    return (
        "global",
        f'  description "{structure}"',
        f"  stats socket unix@{RUNTIME} mode 600 level admin expose-fd listeners",
        "  fd-hard-limit 65536",
        "  hard-stop-after 24h",
        "  mworker-max-reloads 50",
        "  ssl-default-bind-options ssl-min-ver TLSv1.2",
        *((f"  user {user}", f"  group {user}") if user else ()),
        "",
    )


def _defaults() -> tuple[str, ...]:
    return (
        "defaults",
        "  mode http",
        f"  timeout connect {CONNECT_MS}ms",
        "  timeout http-request 30s",
        "  timeout http-keep-alive 75s",
        f"  timeout client {IDLE}",
        f"  timeout server {IDLE}",
        f"  timeout tunnel {TUNNEL}",
        "  timeout client-fin 30s",
        "  timeout check 2s",
        "  option idle-close-on-response",
        "  option abortonclose",
        "  option redispatch 1",
        "  retries 3",
        "  retry-on conn-failure empty-response",
        "  option clitcpka",
        "  option srvtcpka",
        "  srvtcpka-idle 5s",
        "  srvtcpka-intvl 1s",
        "  srvtcpka-cnt 3",
        "  default-server check inter 1s fastinter 500ms downinter 500ms fall 2 rise 1"
        f" observe layer4 error-limit 1 on-error mark-down tcp-ut {UNACKNOWLEDGED_MS}ms",
        "",
    )


def _frontend(listening: Listening) -> Iterator[str]:
    yield "frontend web"
    tls = f"ssl crt {DEFAULT_CERTIFICATE} crt-list {CERTIFICATES} alpn h2,http/1.1"
    for port, words in ((listening.http_port, ""), (listening.https_port, f" {tls}")):
        if port:
            yield f"  bind {listening.address or '*'}:{port}{words}"
        if port and listening.ipv6 and not listening.address:
            yield f"  bind [::]:{port} v6only{words}"
    at_port = "" if listening.https_port in (0, 443) else f":{listening.https_port}"
    yield from (
        f"  http-request return status 200 content-type text/plain lf-string %[path,field(4,/),map({CHALLENGES})]"
        f" if {{ path_beg {CHALLENGE_PATH} }} {{ path,field(4,/),map({CHALLENGES}) -m found }}",
        "  http-request set-var(txn.path) path",
        f"  http-request set-var(txn.app) req.hdr(host),field(1,:),lower,concat(,txn.path,/),map_beg({ROUTES})",
        f'  http-request return status 404 content-type text/html string "{UNKNOWN_PAGE}" unless {{ var(txn.app) -m found }}',
    )
    if listening.https_port:
        yield (
            f"  http-request redirect code 308 location https://%[req.hdr(host),field(1,:)]{at_port}%[pathq]"
            f" if !{{ ssl_fc }} {{ var(txn.app),map({HTTPS}) -m found }}"
        )
    yield from (
        f'  http-request return status 503 content-type text/html hdr Retry-After 60 string "{MAINTENANCE_PAGE}"'
        f" if {{ var(txn.app),map({MAINTENANCE}) -m found }}",
        "  http-request disable-l7-retry unless { method GET HEAD OPTIONS PUT DELETE TRACE }",
        "  http-request set-header X-Forwarded-For %[src]",
        "  http-request set-header X-Forwarded-Host %[req.hdr(host)]",
        "  http-request set-header X-Forwarded-Proto https if { ssl_fc }",
        "  http-request set-header X-Forwarded-Proto http unless { ssl_fc }",
        "  http-request set-header X-Forwarded-Port %[dst_port]",
        "  http-request set-header X-Real-IP %[src]",
        "  http-request del-header Forwarded",
        f"  use_backend %[var(txn.app),regsub(^app_,held_)] if {{ str(on),map({LEAVING}) -m found }}",
        "  use_backend %[var(txn.app)]",
        "",
    )


def _backends(serving: Serving, slots: Mapping[str, Slots]) -> Iterator[str]:
    for app, route in serving.routes.items():
        yield from _backend_head(route)
        yield from _servers(slots[app])
        # Never pooled: what it is connected to is one replica, and the next request may be for another.
        yield f"  server last unix@{last_socket(app)} backup no-check pool-max-conn 0"
        yield from _last_head(app, serving.listening.user)
        yield from _servers(slots[app], " backup no-check")
        yield f"backend held_{app}"
        yield f"  server activator unix@{held_socket(app)} no-check pool-max-conn 0"
        yield ""


def _last_head(app: str, user: str) -> tuple[str, ...]:
    """The way of requests whose replicas have all failed or were too slow: through the activator, which holds them until one answers.

    While the agent is away: to any replica, whatever its checks said, rather than to refuse them. That it is away shows by the
    first connection refused; that it is back, by a socket where asking starts nothing.
    """
    owner = f" user {user}" if user else ""
    return (
        f"listen {last_name(app)}",
        f"  bind unix@{last_socket(app)} mode 600{owner}",
        f"  retries {LAST_RETRIES}",
        "  retry-on conn-failure",
        "  option allbackups",
        f"  server activator unix@{held_socket(app)} addr unix@{HERE_SOCKET} inter 10s fall 1 pool-max-conn 0",
    )


def _servers(slots: Slots, words: str = "") -> Iterator[str]:
    for number, slot in enumerate(slots):
        yield f"  server {slot_name(number)} {_where(slot)}{words}"


def _where(slot: Slot) -> str:
    return f"{slot.address} weight {slot.weight}" if slot.address else "127.0.0.1:1 disabled"


def last_socket(app: str) -> str:
    """Where HAProxy listens for requests of its own for `app`, under its working folder."""
    return f"run/{last_name(app)}.sock"


def _backend_head(route: AppRoute) -> Iterator[str]:
    yield f"backend {backend_name(route.app)}"
    yield f"  balance {balance_of(route)}"
    if route.check_path is not None:
        host = route.hosts[0].host if route.hosts else route.app
        yield "  option httpchk"
        yield f"  http-check send meth GET uri {route.check_path} ver HTTP/1.1 hdr Host {host}"


def balance_of(route: AppRoute) -> str:
    """leastconn; where shares are asked for, roundrobin: leastconn keeps weights only under load."""
    weights = {endpoint.weight for endpoint in route.endpoints if not endpoint.draining}
    return "roundrobin" if len(weights) > 1 else "leastconn"
