"""What the container of an app's replica has that a job's has not: pure. Source: Docker Engine API 1.41."""

from typing import Any

from draas.agent.runtimes.runtime import Door
from draas.wire.link import Service

APP = "draas.app"
PORT = "draas.port"
ANYWHERE = "0.0.0.0"
LOOPBACK = "127.0.0.1"
# A replica writes for months and its engine rotates: this many times the cap is the most it keeps on disk. Lines of 11 bytes on the average are
# enough for the whole cap to be read before the engine forgets any of it (its `local` driver writes some 32 bytes around a line).
LOG_ROOM = 4


def service_labels(service: Service) -> dict[str, str]:
    """What tells whose replica it is, to people and to a restarted agent."""
    return {
        APP: service.app,
        "draas.app_id": service.app_id,
        "draas.release": str(service.release),
        PORT: str(service.port or ""),
    }


def service_env(service: Service) -> dict[str, str]:
    """Ours, which win."""
    return {"DRAAS_APP": service.app, "DRAAS_RELEASE": str(service.release)}


def service_port_env(service: Service) -> dict[str, str]:
    """Many frameworks listen where PORT says; the app's own variable of this name wins."""
    return {"PORT": str(service.port)} if service.port is not None else {}


def service_ports(service: Service, host_ip: str) -> dict[str, Any]:
    """The part of HostConfig that publishes its port on one that the engine chooses, so that none ever clashes."""
    if service.port is None:
        return {}
    return {"PortBindings": {f"{service.port}/tcp": [{"HostIp": host_ip, "HostPort": ""}]}}


def exposed(service: Service) -> dict[str, Any]:
    """Ports that are published must be exposed."""
    return {f"{service.port}/tcp": {}} if service.port is not None else {}


def door_of(info: dict[str, Any], advertised: str, engine_host: str | None) -> Door:
    """Where a running replica can be reached, from the engine's word on its container.

    `advertised` is this node's address for other machines; `engine_host` that of an engine on another machine, None for a local one.
    """
    port = info["Config"]["Labels"].get(PORT, "")
    if not port:
        return Door()
    network = info["NetworkSettings"]
    bindings = (network.get("Ports") or {}).get(f"{port}/tcp") or ()
    joined: dict[str, Any] = next((one for one in (network.get("Networks") or {}).values() if one.get("IPAddress")), {})
    inside = joined.get("IPAddress", "")
    subnet = f"{inside}/{joined['IPPrefixLen']}" if joined else ""
    if not bindings:
        return Door(host=inside, port=int(port), subnet=subnet) if engine_host is None else Door()
    host_ip, host_port = bindings[0]["HostIp"], int(bindings[0]["HostPort"])
    endpoint = f"{_bracketed(advertised)}:{host_port}"
    if engine_host is not None:
        return Door(endpoint=endpoint, host=engine_host, port=host_port, proxied=True)
    published = (LOOPBACK if host_ip in (ANYWHERE, "") else host_ip, host_port)
    return Door(endpoint=endpoint, host=inside, port=int(port), published=published, subnet=subnet)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
