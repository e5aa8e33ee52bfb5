"""Kept certificates: what is done with one that was judged before. Apart from the judging, whose X.509 costs 7 MB."""

from draas.lib.clock import rfc3339
from draas.lib.sealing import Sealer
from draas.model.certificate import Certificate
from draas.model.errors import Fault, Invalid
from draas.model.event import Event
from draas.model.host_name import WILDCARD, is_host_name


def check_host(host: str) -> str:
    """`host` (or *.DOMAIN) in lower case. Raises Invalid."""
    name = host.lower().removesuffix(".")
    if not is_host_name(name.removeprefix(WILDCARD)):
        told = "must be a host name such as shop.example.org, or *.example.org"
        raise Invalid("the certificate is not valid", (Fault("host", told),))
    return name


def pem_of(certificate: Certificate, sealer: Sealer) -> str:
    """Chain and key in one, as proxies want them. Raises Unsealable."""
    return certificate.chain + sealer.open(certificate.sealed_key, about(certificate.host)).decode()


def certificate_event(kind: str, certificate: Certificate, now: float) -> Event:
    """What people are told of it."""
    detail = {
        "issuer": certificate.issuer,
        "expires_at": rfc3339(certificate.expires_at),
        "source": certificate.source.value,
    }
    return Event(at=now, kind=kind, subject=certificate.host, detail=detail)


def about(host: str) -> str:
    """To what a sealed key is bound."""
    return f"certificate {host}"
