"""Certificate: what an ingress shows for a host, with its private key sealed."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from draas.model.host_name import covers


class Source(StrEnum):
    FILE = "file"  # given by a user
    ACME = "acme"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """`host` may be *.DOMAIN. `chain` is PEM, the host's own certificate first; times are Unix seconds."""

    host: str
    chain: str
    sealed_key: bytes
    names: tuple[str, ...]  # for which it is good
    issuer: str
    not_before: float
    expires_at: float
    source: Source = Source.FILE


def certificate_for(host: str, certificates: Iterable[Certificate]) -> Certificate | None:
    """The one that is shown for `host`: of its own name, else a wildcard's."""
    fitting = [one for one in certificates if covers(one.host, host)]
    return min(fitting, key=lambda one: (one.host != host, one.host), default=None)
