"""`draas server`: be the controller."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from draas.cli.options import default_data_dir, env, first, listen_address, read_file
from draas.cli.running import run_until_stopped

SWITCH = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def server_options(command: Any) -> Any:
    """The flags that `server` and `up` share."""
    for option in reversed(
        (
            click.option("--listen", help="HOST:PORT (DRAAS_LISTEN; default 127.0.0.1:8000)."),
            click.option("--data-dir", help="Where everything is kept (DRAAS_DATA_DIR)."),
            click.option("--config", help="A TOML file with the same names (default /etc/draas/controller.toml)."),
            click.option("--advertise", help="URL by which other machines reach this controller."),
            click.option("--default-image", help="Image of container jobs that name none (DRAAS_DEFAULT_IMAGE)."),
            click.option(
                "--apps-domain", help="Apps are reached as APP.DOMAIN (DRAAS_APPS_DOMAIN; default localhost)."
            ),
            click.option(
                "--acme-email",
                help="Get certificates for apps' domains; your address for the authority, whose terms you agree to "
                "(DRAAS_ACME_EMAIL).",
            ),
            click.option(
                "--acme-directory",
                metavar="URL",
                help="Of which authority (DRAAS_ACME_DIRECTORY; default Let's Encrypt).",
            ),
            click.option(
                "--trusted-proxies",
                metavar="ADDRESS,...",
                help="Proxies in front of this controller whose X-Forwarded-For and -Proto are believed "
                "(DRAAS_TRUSTED_PROXIES; default: none).",
            ),
            click.option("--tls-cert", help="Your own certificate (PEM); with --tls-key."),
            click.option("--tls-key", help="Its private key (PEM)."),
            click.option("--open", "is_open", is_flag=True, help="No key needed from this machine; loopback only."),
        )
    ):
        command = option(command)
    return command


@click.command()
@server_options
def server(**given: Any) -> None:
    """Run a controller: API, scheduler and the agents' link on one port."""
    run_until_stopped(serve(server_config(given)), "controller")


async def serve(config: Any) -> None:
    """A controller until cancelled; says where it is, and the admin key once."""
    from draas.cli.folder import ensure_folder
    from draas.server.main import running_controller

    await refuse_second(config)
    ensure_folder(config.data_dir)
    async with running_controller(config) as controller:
        announce(controller, config)
        if controller.admin_key is not None:
            click.echo(f"Dashboard: {controller.url}/dashboard, with the key; a link that signs in: draas dashboard")
        raise await asyncio.shield(controller.ended)


async def refuse_second(config: Any) -> None:
    """Raises Conflict where a controller answers already on the address that `config` names."""
    from draas.model.errors import Conflict

    if (url := await answering(config)) is not None:
        raise Conflict(f"a controller runs already at {url}: stop it, or choose another address with --listen")


async def answering(config: Any) -> str | None:
    """The URL of the controller that listens already where `config` says; None where there is none."""
    from draas.cli.probing import is_controller, listens

    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)
    if config.port == 0 or not await listens(
        host, config.port
    ):  # asking properly costs a controller megabytes for ever
        return None
    for scheme in ("http", "https"):
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{config.port}"
        if await is_controller(url):
            return url
    return None


def announce(controller: Any, config: Any) -> None:
    """What the person who started it needs to know."""
    click.echo(f"DRaaS controller at {controller.url}")
    if controller.admin_key is not None:
        click.echo(f"Admin key, shown this once: {controller.admin_key}")
    if config.is_open:
        click.echo("Open: no key is needed from this machine (--open).")
    if (hub := config.docker_hub) is not None:
        click.echo(f"Images that are built are pushed to {hub.registry} as {hub.username} too (DOCKER_HUB_PUSH).")
    if config.bucket is not None:
        click.echo(f"Blobs of images are kept in {config.bucket.url} (DRAAS_BLOBS).")
    if config.tls == "off" and config.host not in ("127.0.0.1", "::1", "localhost"):
        click.echo(
            "WARNING: DRAAS_TLS=off: everything, keys too, crosses the network unencrypted. For laboratories only."
        )


def server_config(given: dict[str, Any]) -> Any:
    """The ServerConfig that flags, environment and file make. Raises click.UsageError for a wrong value."""
    from dataclasses import replace

    from draas.cli.bucket import read_bucket
    from draas.cli.policy import read_policy
    from draas.server.config import ServerConfig

    file = read_file("controller", given.get("config"))
    host, port = listen_address(first(given.get("listen"), env("DRAAS_LISTEN"), file.get("listen"), "127.0.0.1:8000"))
    data_dir = first(given.get("data_dir"), env("DRAAS_DATA_DIR"), file.get("data_dir"))
    folder = Path(data_dir).expanduser() if data_dir else default_data_dir()
    tls = first(env("DRAAS_TLS"), file.get("tls"), "auto")
    if tls not in ("auto", "off", "on"):
        raise click.UsageError(f"DRAAS_TLS must be auto or off, not {tls!r}")
    certificate = first(given.get("tls_cert"), env("DRAAS_TLS_CERT"), file.get("tls_cert"))
    private_key = first(given.get("tls_key"), env("DRAAS_TLS_KEY"), file.get("tls_key"))
    if (certificate is None) != (private_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together: give both or neither")
    policy = read_policy(file.get("policy", {}))
    policy = replace(policy, apps_domain=_apps_domain(given, file) or policy.apps_domain)
    image = first(given.get("default_image"), env("DRAAS_DEFAULT_IMAGE"), file.get("default_image"))
    return ServerConfig(
        data_dir=folder / "controller",
        host=host,
        port=port,
        tls="off" if tls == "off" else "auto",
        certificate=Path(certificate) if certificate else None,
        private_key=Path(private_key) if private_key else None,
        advertise=first(given.get("advertise"), env("DRAAS_ADVERTISE_URL"), file.get("advertise")) or "",
        trusted_proxies=_trusted_proxies(given, file),
        is_open=bool(given.get("is_open") or file.get("open", False)),
        admin_key=env("DRAAS_ADMIN_KEY"),
        acme=_acme(given, file),
        docker_hub=_docker_hub(file),
        bucket=read_bucket(file, os.environ),
        policy=replace(policy, default_image=image) if image else policy,
    )


def _apps_domain(given: dict[str, Any], file: Mapping[str, Any]) -> str | None:
    """The domain under which apps have their names, where one is set. Raises click.UsageError."""
    from draas.model.errors import Invalid
    from draas.model.host_name import check_domain

    for where, value in (
        ("--apps-domain", given.get("apps_domain")),
        ("DRAAS_APPS_DOMAIN", env("DRAAS_APPS_DOMAIN")),
        ("apps_domain", file.get("apps_domain")),
    ):
        if value is not None:
            try:
                return check_domain(str(value), where)
            except Invalid as error:
                raise click.UsageError(error.detail) from None
    return None


def _trusted_proxies(given: dict[str, Any], file: Mapping[str, Any]) -> tuple[str, ...]:
    """Addresses and networks. Raises click.UsageError."""
    import ipaddress

    told = first(given.get("trusted_proxies"), env("DRAAS_TRUSTED_PROXIES"), file.get("trusted_proxies"), "")
    words = told if isinstance(told, list) else str(told).split(",")
    found = tuple(str(word).strip() for word in words if str(word).strip())
    for word in found:
        try:
            ipaddress.ip_network(word)
        except ValueError:
            told = "must be addresses or networks such as 10.0.0.5 or 10.0.0.0/24"
            raise click.UsageError(f"DRAAS_TRUSTED_PROXIES (--trusted-proxies) {told}, not {word!r}") from None
    return found


def _acme(given: dict[str, Any], file: Mapping[str, Any]) -> Any:
    """The AcmeConfig, where an address is given. Raises click.UsageError."""
    from urllib.parse import urlsplit

    from draas.server.config import LETS_ENCRYPT, AcmeConfig

    email = first(given.get("acme_email"), env("DRAAS_ACME_EMAIL"), file.get("acme_email"))
    directory = first(given.get("acme_directory"), env("DRAAS_ACME_DIRECTORY"), file.get("acme_directory"))
    if email is None:
        if directory is not None:
            raise click.UsageError("--acme-directory needs --acme-email: the address that the authority may write to")
        return None
    name, at, domain = str(email).strip().rpartition("@")
    if (
        not name
        or not at
        or "." not in domain
        or any(letter.isspace() or letter in "?,;:<>" for letter in email.strip())
    ):
        raise click.UsageError(f"--acme-email must be an address such as you@example.org, not {email!r}")
    url = urlsplit(str(directory or LETS_ENCRYPT))
    if url.scheme != "https" or not url.hostname:
        raise click.UsageError(f"--acme-directory must be an https:// URL, not {directory!r}")
    return AcmeConfig(email=str(email).strip(), directory=url.geturl())


def _docker_hub(file: Mapping[str, Any]) -> Any:
    """The DockerHub to which images are pushed, where that is on. Raises click.UsageError."""
    from draas.model.errors import Invalid
    from draas.model.image_name import parse_repository
    from draas.model.registry import DOCKER_HUB, parse_registry
    from draas.server.config import DockerHub

    wanted = str(first(env("DOCKER_HUB_PUSH"), file.get("docker_hub_push"), "false"))
    if wanted.lower() not in SWITCH:
        raise click.UsageError(f"DOCKER_HUB_PUSH must be {', '.join(SWITCH)}, not {wanted!r}")
    if not SWITCH[wanted.lower()]:
        return None
    username, password = first(env("DOCKER_USERNAME"), file.get("docker_username")), env("DOCKER_PASSWORD")
    missing = [name for name, value in (("DOCKER_USERNAME", username), ("DOCKER_PASSWORD", password)) if not value]
    if missing:
        raise click.UsageError(f"DOCKER_HUB_PUSH is on: set {' and '.join(missing)} as well, or DOCKER_HUB_PUSH=false")
    try:
        parse_repository(f"{str(username).lower()}/name")
    except Invalid:
        told = "must be the account's name, as it stands before the / of its images"
        raise click.UsageError(f"DOCKER_USERNAME {told}, not {username!r}") from None
    try:
        registry = parse_registry(str(first(env("DOCKER_HUB_REGISTRY"), file.get("docker_hub_registry"), DOCKER_HUB)))
    except Invalid as error:
        raise click.UsageError(f"DOCKER_HUB_REGISTRY: {error.detail}") from None
    return DockerHub(username=str(username), password=str(password), registry=registry)
