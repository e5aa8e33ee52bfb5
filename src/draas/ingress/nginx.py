"""From Serving to nginx's configuration: pure text. Every change is a reload; endpoints that drain are left out."""

from collections.abc import Iterator

from draas.ingress.serving import (
    CHALLENGE_PATH,
    CONNECT_MS,
    DEFAULT_CERTIFICATE,
    IDLE,
    MAINTENANCE_PAGE,
    UNKNOWN_PAGE,
    Listening,
    Serving,
    held_socket,
)
from draas.model.route import AppRoute

CONFIG = "nginx.conf"
PID_FILE = "nginx.pid"
ACCESS_LOG = "access.log"


def render(serving: Serving, config: str = CONFIG) -> dict[str, str]:
    """The files of a configuration. `config` names the main one."""
    lines = [*_main(serving.listening), *_http()]
    for route in serving.routes.values():
        lines += _upstream(route)
    lines += _servers(serving)
    return {config: "\n".join([*lines, "}"]) + "\n"}


def _main(listening: Listening) -> Iterator[str]:
    if listening.user:
        yield f"user {listening.user};"
    yield from (
        "worker_processes auto;",
        f"pid {PID_FILE};",
        "error_log error.log error;",
        "worker_rlimit_nofile 65536;",
        "events { worker_connections 8192; }",
        "http {",
    )


def _http() -> tuple[str, ...]:
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return (
        *(f"  {kind}_temp_path temporary/{kind};" for kind in temporary),
        "  server_names_hash_max_size 65536;",
        "  server_names_hash_bucket_size 512;",
        "  map_hash_max_size 65536;",
        "  map_hash_bucket_size 2048;",
        "  map $http_upgrade $draas_connection { default upgrade; '' ''; }",
        "  log_format draas '$draas_app $status $upstream_header_time';",
        f"  access_log {ACCESS_LOG} draas buffer=32k flush=200ms if=$draas_app;",
        "  server_tokens off;",
        "  keepalive_timeout 75s;",
        "  keepalive_requests 1000000;",
        "  client_header_timeout 30s;",
        "  client_max_body_size 0;",
        "  proxy_http_version 1.1;",
        "  proxy_request_buffering off;",
        "  proxy_buffering off;",
        f"  proxy_connect_timeout {CONNECT_MS}ms;",
        f"  proxy_read_timeout {IDLE};",
        f"  proxy_send_timeout {IDLE};",
        "  proxy_socket_keepalive on;",
        "  proxy_next_upstream error timeout;",
        "  proxy_next_upstream_tries 3;",
        "  proxy_set_header Host $http_host;",
        "  proxy_set_header Upgrade $http_upgrade;",
        "  proxy_set_header Connection $draas_connection;",
        "  proxy_set_header X-Forwarded-For $remote_addr;",
        "  proxy_set_header X-Forwarded-Host $http_host;",
        "  proxy_set_header X-Forwarded-Proto $scheme;",
        "  proxy_set_header X-Forwarded-Port $server_port;",
        "  proxy_set_header X-Real-IP $remote_addr;",
        "  proxy_set_header Forwarded '';",
        "  default_type text/html;",
    )


def upstream_name(app: str) -> str:
    return f"app_{app}"


def _upstream(route: AppRoute) -> Iterator[str]:
    yield f"  upstream {upstream_name(route.app)} {{"
    yield f"    zone {upstream_name(route.app)} 64k;"
    yield "    least_conn;"
    serving = [endpoint for endpoint in route.endpoints if not endpoint.draining and endpoint.weight]
    for endpoint in serving:
        yield f"    server {endpoint.address} weight={endpoint.weight} max_fails=1 fail_timeout=1s;"
    # nginx has no `backup` without a server that it stands in for.
    yield f"    server unix:{held_socket(route.app)}{' backup' if serving else ''};"
    yield "  }"


def _servers(serving: Serving) -> Iterator[str]:
    by_host: dict[str, list[tuple[str, AppRoute]]] = {}
    for route in serving.routes.values():
        for at in route.hosts:
            by_host.setdefault(at.host, []).append((at.path, route))
    yield from _server(serving, "_", [], " default_server")
    for host, paths in sorted(by_host.items()):
        yield from _server(serving, host, paths, "")


def _server(serving: Serving, host: str, paths: list[tuple[str, AppRoute]], default: str) -> Iterator[str]:
    yield "  server {"
    yield from _listen(serving.listening, default)
    yield f"    server_name {host};"
    if serving.listening.https_port:
        certificate = certificate_for(serving, host)
        yield f"    ssl_certificate {certificate};"
        yield f"    ssl_certificate_key {certificate};"
    yield "    set $draas_app '';"
    for token, answer in serving.challenges.items():
        yield f"    location = {CHALLENGE_PATH}{token} {{ default_type text/plain; return 200 '{answer}'; }}"
    for path, route in paths:
        bare = path.rstrip("/")
        yield from _location(serving.listening, f"{bare}/", route)
        if bare:
            yield from _location(serving.listening, f"= {bare}", route)
    if all(path.rstrip("/") for path, _ in paths):
        yield f"    location / {{ return 404 '{UNKNOWN_PAGE}'; }}"
    yield "  }"


def _listen(listening: Listening, default: str) -> Iterator[str]:
    for port, tls in ((listening.http_port, ""), (listening.https_port, " ssl http2")):
        if port:
            yield f"    listen {listening.address or '*'}:{port}{tls}{default};"
        if port and listening.ipv6 and not listening.address:
            yield f"    listen [::]:{port}{tls}{default}{' ipv6only=on' if default else ''};"


def _location(listening: Listening, match: str, route: AppRoute) -> Iterator[str]:
    yield f"    location {match} {{"
    if route.https_only and listening.https_port:
        port = "" if listening.https_port == 443 else f":{listening.https_port}"
        yield f"      if ($scheme = http) {{ return 308 https://$host{port}$request_uri; }}"
    if route.maintenance:
        yield f"      add_header Retry-After 60 always; return 503 '{MAINTENANCE_PAGE}';"
    yield f"      set $draas_app {route.app};"
    yield f"      proxy_pass http://{upstream_name(route.app)};"
    yield "    }"


def certificate_for(serving: Serving, host: str) -> str:
    """The file of the certificate for `host`: one of its own name, else a wildcard's, else the default one."""
    wildcard = f"*.{host.partition('.')[2]}"
    for name in (host, wildcard):
        for given in serving.certificates:
            if name in given.names:
                return given.file
    return DEFAULT_CERTIFICATE
