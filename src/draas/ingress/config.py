"""IngressConfig: what an ingress is told by flag or file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ProxyName = Literal["haproxy", "nginx"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressConfig:
    """`proxy` None: HAProxy if it is there, else nginx. Ports None: the usual ones, or spare ones. `certificates`: a folder of PEM files."""

    folder: Path
    proxy: ProxyName | None = None
    http_port: int | None = None
    https_port: int | None = None
    certificates: Path | None = None
    address: str = ""  # to listen on; "": all
    advertise: str = ""  # this machine's address, as others know it
