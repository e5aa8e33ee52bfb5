"""Registries that are not the controller's own: their hosts, which of them an image name means, and a project's login to one. Pure."""

import re
from dataclasses import dataclass, field

from draas.model.errors import Invalid
from draas.model.host_name import is_address, is_host_name
from draas.model.image_name import CLUSTER_HOST
from draas.model.job import ProjectName

DOCKER_HUB = "docker.io"
_HUB_NAMES = frozenset(
    {DOCKER_HUB, "index.docker.io", "registry-1.docker.io"}
)  # which Docker takes for one, and calls so
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\[\]:/@\s]+)(?::(?P<port>[0-9]{1,5}))?")
_SHOWN = 80  # characters of a wrong name in its error


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLogin:
    """With what a project's images are pulled from `host`. `created_at` in Unix seconds."""

    project: ProjectName
    host: str
    username: str
    sealed_password: bytes = field(repr=False)
    created_at: float


def parse_registry(text: str) -> str:
    """The host (with its port, if any) as image names have it: lower case, Docker Hub always docker.io. Raises Invalid."""
    host = text.lower()
    found = _HOST.fullmatch(host)
    name, port = found.group("name", "port") if found else ("", None)
    if not (is_host_name(name) or is_address(name.strip("[]"))) or (port is not None and not 0 < int(port) < 65536):
        raise Invalid(
            f"{text[:_SHOWN]!r} is no registry: give its HOST or HOST:PORT as image names have it, "
            "for example ghcr.io, without https:// and path"
        )
    if host == CLUSTER_HOST:
        raise Invalid(f"{CLUSTER_HOST} is the cluster's own registry: it needs no login")
    if not _names_registry(host):
        raise Invalid(f"{host!r} names no registry in an image's name: give its port as well, for example {host}:5000")
    return DOCKER_HUB if host in _HUB_NAMES else host


def registry_of(image: str) -> str:
    """The registry that `image` is in, as parse_registry gives it; Docker Hub where none is named. Source: Docker's distribution reference."""
    first, slash, _ = image.partition("/")
    host = first.lower()
    if not slash or host in _HUB_NAMES or not (_names_registry(host) or host != first):
        return DOCKER_HUB
    return host


def _names_registry(host: str) -> bool:
    return "." in host or ":" in host or host == "localhost"
