"""`draas agent` and `draas join`: be a machine of a cluster."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from draas.cli.options import (
    SYSTEM_FOLDER,
    agent_options,
    default_data_dir,
    env,
    first,
    health_address,
    node_name,
    number,
    pairs,
    read_file,
)
from draas.cli.parent import end_with_parent
from draas.cli.running import run_until_stopped
from draas.cli.units import memory_mb

ROLES = frozenset({"worker", "builder", "ingress", "dns"})
HOST_JOBS = ("off", "sandboxed", "plain")


health_option = click.option(
    "--port", metavar="[HOST:]PORT", help="Serve /healthz and /metrics there (AGENT_PORT; host default 127.0.0.1)."
)


@click.command()
@click.option("--url", help="The controller (DRAAS_URL, SCHEDULER_URL, MASTER_URL).")
@click.option("--token", help="A join token, needed once (DRAAS_JOIN_TOKEN).")
@click.option("--data-dir", help="Where this agent keeps who it is (DRAAS_DATA_DIR).")
@click.option("--config", help="A TOML file with the same names (default /etc/draas/agent.toml).")
@health_option
@agent_options
def agent(**given: Any) -> None:
    """Run this machine's agent. It dials out to the controller; nothing dials in."""
    start_agent(given)


@click.command()
@click.argument("url")
@click.argument("token")
@click.option("--data-dir", help="Where this agent keeps who it is (DRAAS_DATA_DIR).")
@click.option("--config", help="A TOML file with the same names (default /etc/draas/agent.toml).")
@health_option
@agent_options
def join(**given: Any) -> None:
    """Join the cluster of the controller at URL, then run the agent.

    TOKEN comes from `draas nodes token`; it holds the fingerprint of the controller's CA, so the first contact is verified.
    """
    start_agent(given)


def start_agent(given: dict[str, Any]) -> None:
    """Run an agent from flags, environment and file. Raises click.UsageError for a wrong or missing value."""
    beside = end_with_parent()
    run_until_stopped(_be_agent(agent_config(given)), "" if beside else "agent")


async def _be_agent(config: Any) -> None:
    from draas.agent.compose import run_agent
    from draas.cli.folder import held

    with held(config.data_dir, "agent"):
        await run_agent(config)


def checked_url(url: str) -> str:
    """`url` as it is used. Raises click.UsageError with one line."""
    from draas.client.settings import check_url
    from draas.model.errors import Invalid

    try:
        return check_url(url, "the controller's URL")
    except Invalid as error:
        raise click.UsageError(error.detail) from None


def agent_config(given: dict[str, Any]) -> Any:
    """The AgentConfig that flags, environment and file make."""
    from draas.agent.config import AgentConfig
    from draas.model.resources import MIB

    file = read_file("agent", given.get("config"))
    url = first(given.get("url"), env("DRAAS_URL", "SCHEDULER_URL", "MASTER_URL"), file.get("url"))
    data_dir = first(given.get("data_dir"), env("DRAAS_DATA_DIR"), file.get("data_dir"))
    folder = Path(data_dir).expanduser() if data_dir else default_data_dir()
    if url is not None:
        url = checked_url(url)
    if url is None and not (folder / "agent" / "identity.json").exists():
        raise click.UsageError("DRAAS_URL is not set: give the controller's address (--url, or DRAAS_URL)")
    roles = tuple(part.strip() for part in str(first(given.get("role"), file.get("role"), "worker,builder")).split(","))
    if wrong := [role for role in roles if role not in ROLES]:
        raise click.UsageError(f"--role {wrong[0]!r} is not known; known are {', '.join(sorted(ROLES))}")
    host_jobs = first(given.get("allow_host_jobs"), env("DRAAS_ALLOW_HOST_JOBS"), file.get("allow_host_jobs"), "off")
    if host_jobs not in HOST_JOBS:
        raise click.UsageError(f"DRAAS_ALLOW_HOST_JOBS must be {', '.join(HOST_JOBS)}, not {host_jobs!r}")
    address = env("DRAAS_ADVERTISE", "AGENT_IP") or ""
    cpus = number(first(given.get("cpus"), env("DRAAS_NODE_CPUS"), file.get("cpus")), "--cpus", 0.1, 4096)
    memory = number(
        first(given.get("memory_mb"), env("DRAAS_NODE_MEMORY_MB"), file.get("memory_mb")), "--memory-mb", 16, 2**26
    )
    quota = first(given.get("image_quota"), env("DRAAS_IMAGE_QUOTA"), file.get("image_quota"))
    return AgentConfig(
        url=url or "",
        data_dir=folder / "agent",
        name=node_name(first(given.get("name"), file.get("name"))),
        token=first(given.get("token"), env("DRAAS_JOIN_TOKEN"), file.get("token")),
        host_jobs=host_jobs,
        roles=roles,
        labels={**file.get("labels", {}), **pairs(given.get("label") or (), "--label")},
        cpus=cpus,
        memory_bytes=int(memory * MIB) if memory is not None else None,
        docker_host=env("DOCKER_HOST"),
        image_quota_bytes=int(memory_mb(str(quota), "--image-quota") * MIB) if quota else 0,
        health=health_address(first(given.get("port"), env("AGENT_PORT"), file.get("port"))),
        address=address,
        ingress=ingress_config(given, file, folder / "agent" / "ingress", address) if "ingress" in roles else None,
        dns_port=_dns_port(given, file),
        dns_forward=_dns_forward(
            first(given.get("dns_forward"), env("DRAAS_DNS_FORWARD"), file.get("dns_forward"), "")
        ),
    )


def ingress_config(given: Mapping[str, Any], file: Mapping[str, Any], folder: Path, address: str) -> Any:
    """The IngressConfig that flags and file make. Raises click.UsageError naming the flag."""
    from draas.ingress.config import IngressConfig

    http, https = (
        number(first(given.get(name), file.get(name)), f"--{name.replace('_', '-')}", 1, 65535)
        for name in ("ingress_http", "ingress_https")
    )
    proxy = first(given.get("proxy"), file.get("proxy"))
    if proxy not in (None, "haproxy", "nginx"):
        raise click.UsageError(f"--proxy {proxy!r} is not known; known are haproxy, nginx")
    certificates = first(given.get("ingress_certificates"), file.get("ingress_certificates"))
    if certificates is not None and not Path(certificates).expanduser().is_dir():
        raise click.UsageError(f"--ingress-certificates {certificates} is no folder")
    return IngressConfig(
        folder=folder,
        proxy=proxy,
        http_port=int(http) if http is not None else None,
        https_port=int(https) if https is not None else None,
        certificates=Path(certificates).expanduser() if certificates else SYSTEM_FOLDER / "certificates",
        advertise=address,
    )


def _dns_port(given: Mapping[str, Any], file: Mapping[str, Any]) -> int:
    port = number(first(given.get("dns_port"), env("DRAAS_DNS_PORT"), file.get("dns_port")), "--dns-port", 1, 65535)
    return int(port) if port is not None else 53


def _dns_forward(given: Any) -> tuple[str, ...]:
    """The servers to ask for other names. Raises click.UsageError."""
    from draas.ingress.dns import check_forward

    words = given if isinstance(given, list) else str(given).split(",")
    try:
        return check_forward([str(word).strip() for word in words if str(word).strip()])
    except ValueError as error:
        raise click.UsageError(f"--dns-forward: {error}") from None
