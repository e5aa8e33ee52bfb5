"""What an agent is told: by flag, environment or file (read in draas.cli), as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from draas.ingress.config import IngressConfig

HostJobs = Literal["off", "sandboxed", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """`url` is the controller's; `token` a join token, needed once. Capacity None: what the machine has."""

    url: str
    data_dir: Path
    name: str
    token: str | None = None
    host_jobs: HostJobs = "off"
    roles: tuple[str, ...] = ("worker", "builder")
    labels: Mapping[str, str] = field(default_factory=dict)
    cpus: float | None = None
    memory_bytes: int | None = None
    docker_host: str | None = None
    default_image: str | None = None
    address: str = ""
    dns_address: str = ""  # this machine's own one where names are answered; empty: loopback
    dns_port: int = 53
    dns_forward: tuple[str, ...] = ()  # whom a DNS node asks for other names than the apps'; none: such are refused
    health: tuple[str, int] | None = None  # where health and metrics are served; nowhere
    ingress: IngressConfig | None = None  # of an agent with that role
    image_quota_bytes: int = 0  # for images that the agent pulled; 0: none
    isolated: bool = False  # laboratory only: report no load (many agents on one machine see one another's)
