"""What flags, environment and files say, by the precedence of docs/reference: flag, environment, file, default."""

import os
import socket
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

SYSTEM_FOLDER = Path("/etc/draas")


def default_data_dir() -> Path:
    """/var/lib/draas for root, the user's own data folder otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/draas")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "draas"


def read_file(name: str, given: str | None) -> Mapping[str, Any]:
    """The values of `given`, or of /etc/draas/NAME.toml where that is there. Raises click.UsageError on what is no TOML."""
    path = Path(given) if given else SYSTEM_FOLDER / f"{name}.toml"
    if not given and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}") from None


def first(*values: Any) -> Any:
    """The first that is not None."""
    return next((value for value in values if value is not None), None)


def env(*names: str) -> str | None:
    """The first of these variables that is set and not empty."""
    return next((value for name in names if (value := os.environ.get(name))), None)


def number(text: Any, name: str, low: float, high: float) -> float | None:
    """A number between `low` and `high`. Raises click.UsageError naming `name`."""
    if text is None:
        return None
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise click.UsageError(f"{name} must be a number, not {text!r}") from None
    if not low <= value <= high:
        raise click.UsageError(f"{name} must be between {low:g} and {high:g}, not {value:g}")
    return value


def pairs(items: tuple[str, ...], name: str) -> dict[str, str]:
    """`("a=b", …)` as a dictionary. Raises click.UsageError naming `name`."""
    found = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{name} must be KEY=VALUE, not {item!r}")
        found[key] = value
    return found


def listen_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[::1]:PORT` or `:PORT`. Raises click.UsageError."""
    host, colon, port = text.rpartition(":")
    host = host.strip("[]") or ("0.0.0.0" if colon else text)
    if not colon or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise click.UsageError(f"the address to listen on must be HOST:PORT, not {text!r}")
    return host, int(port)


def health_address(text: object) -> tuple[str, int] | None:
    """Where the agent serves health and metrics: `PORT` (on 127.0.0.1) or `HOST:PORT`. Raises click.UsageError."""
    if text in (None, ""):
        return None
    given = str(text)
    try:
        host, port = listen_address(given if ":" in given else f"127.0.0.1:{given}")
    except click.UsageError:
        port = 0
    if not port:
        raise click.UsageError(
            f"AGENT_PORT (--port) must be PORT or HOST:PORT, with a port of 1 to 65535, not {given!r}"
        )
    return host, port


def node_name(given: str | None) -> str:
    """A node's name: as given, or this machine's."""
    return first(given, env("DRAAS_NODE_NAME")) or socket.gethostname().split(".")[0]


def agent_options(command: F) -> F:
    """The flags that `agent`, `join` and `up` share."""
    for option in reversed(
        (
            click.option("--name", help="This node's name (DRAAS_NODE_NAME; default: the host's name)."),
            click.option(
                "--allow-host-jobs",
                is_flag=False,
                flag_value="sandboxed",
                default=None,
                type=click.Choice(["sandboxed", "plain"]),
                help="Let jobs run on this host without a container; plain: without a sandbox either.",
            ),
            click.option("--role", help="worker,builder,ingress,dns (default worker,builder; of up: and ingress)."),
            click.option("--dns-port", help="Where a DNS node answers (DRAAS_DNS_PORT; default 53)."),
            click.option(
                "--dns-forward",
                metavar="ADDRESS,...",
                help="Servers that a DNS node asks for other names, or system (DRAAS_DNS_FORWARD; default: refuse them).",
            ),
            click.option(
                "--ingress-http", metavar="PORT", help="Of the ingress role (default 80, or 8080 if 80 is taken)."
            ),
            click.option("--ingress-https", metavar="PORT", help="The same for HTTPS (default 443, or 8443)."),
            click.option(
                "--ingress-certificates",
                metavar="FOLDER",
                help="PEM files for domains of your own (default /etc/draas/certificates).",
            ),
            click.option(
                "--proxy",
                type=click.Choice(["haproxy", "nginx"]),
                help="Of the ingress role (default haproxy where it is installed, else nginx).",
            ),
            click.option("--label", multiple=True, metavar="K=V", help="A label of this node; may be repeated."),
            click.option("--cpus", help="Cores for jobs (DRAAS_NODE_CPUS; default: all)."),
            click.option("--memory-mb", help="Memory for jobs in MiB (DRAAS_NODE_MEMORY_MB; default: all)."),
            click.option(
                "--image-quota",
                metavar="SIZE",
                help="For images that the agent pulled: 50g (DRAAS_IMAGE_QUOTA; default: none).",
            ),
        )
    ):
        command = option(command)
    return command
