"""What the API needs to know besides the controller."""

from dataclasses import dataclass

from draas.model.policy import Policy
from draas.server.config import DockerHub


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """`url`: where other machines reach the controller. `ca_pem` and `fingerprint` are empty without TLS of our own.

    `is_open`: no key needed from this machine; see draas.server.access.check_open.
    """

    url: str = "http://127.0.0.1:8000"
    version: str = "0"
    is_open: bool = False
    ca_pem: str = ""
    fingerprint: str = ""
    apps_domain: str = Policy().apps_domain
    started_at: float = 0.0
    acme: str | None = None  # of which authority certificates are got
    docker_hub: DockerHub | None = None
    blobs: str = "files"  # or the bucket's URL
    data_dir: str = ""
    beat_s: float = 15.0  # silence of an event stream after which a comment keeps proxies from cutting it
