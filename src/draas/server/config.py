"""What a controller is told: by flag, environment or file (read in draas.cli), as one value."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from draas.model.bucket import Bucket
from draas.model.job import RuntimeName
from draas.model.policy import Policy
from draas.model.registry import DOCKER_HUB

DEFAULT_PORT = 8000
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcmeConfig:
    """Where certificates are got. To give an address is to agree to that authority's terms."""

    email: str
    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerHub:
    """Where every image that was built is pushed as well. `registry` is another one for a mirror or a test."""

    username: str
    password: str = field(repr=False)
    registry: str = DOCKER_HUB


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """`advertise` is the URL by which other machines reach it; empty: made from the listening address."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    tls: Literal["auto", "off"] = "auto"  # auto: on every address but loopback
    certificate: Path | None = None  # the owner's own, with `private_key`
    private_key: Path | None = None
    advertise: str = ""
    is_open: bool = False
    trusted_proxies: tuple[str, ...] = ()  # addresses or networks whose X-Forwarded-For and -Proto are believed
    admin_key: str | None = field(default=None, repr=False)
    runtime_without_nodes: RuntimeName = RuntimeName.DOCKER  # of jobs that ask for none, before any machine is there
    acme: AcmeConfig | None = None
    docker_hub: DockerHub | None = None
    bucket: Bucket | None = None  # where blobs are kept instead of in the data folder
    policy: Policy = Policy()
