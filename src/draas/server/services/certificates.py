"""Certificates: a chain and a key judged before they are kept."""

from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

from draas.lib.sealing import Sealer
from draas.model.certificate import Certificate, Source
from draas.model.errors import Fault, Invalid
from draas.model.host_name import MAX_HOST, covers
from draas.server.services.kept_certificates import about, check_host

MAX_CHAIN = 10
_AUTHORITY_FIRST = "must begin with the certificate of the host itself, then its issuer's, and so on"


def check_certificate(
    host: str, chain: str, key: str, now: float, sealer: Sealer, source: Source = Source.FILE
) -> Certificate:
    """What is kept of them. Raises Invalid saying of `chain` or `key` what is wrong; neither is ever repeated."""
    host, faults = check_host(host), list[Fault]()
    certificates = _load_chain(chain, faults)
    private = _load_key(key, faults)
    if certificates and private is not None and certificates[0].public_key() != private.public_key():
        faults.append(Fault("key", _whose(certificates, private)))
    names = _names_of(certificates[0]) if certificates else ()
    if certificates:
        faults += _faults_of_chain(host, certificates, names, now)
    if faults or private is None:
        raise Invalid("the certificate is not valid", tuple(faults))
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    leaf = certificates[0]
    return Certificate(
        host=host,
        chain="".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates),
        sealed_key=sealer.seal(pem, about(host)),
        names=names,
        issuer=_name(leaf.issuer),
        not_before=leaf.not_valid_before_utc.timestamp(),
        expires_at=leaf.not_valid_after_utc.timestamp(),
        source=source,
    )


def _load_chain(chain: str, faults: list[Fault]) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(chain.encode())
    except ValueError:
        faults.append(Fault("chain", "must be PEM: -----BEGIN CERTIFICATE----- and so on"))
        return []
    if len(found) > MAX_CHAIN:
        faults.append(
            Fault("chain", f"has {len(found)} certificates: give the host's and its issuers', {MAX_CHAIN} at most")
        )
        return []
    return found


def _load_key(key: str, faults: list[Fault]) -> PrivateKeyTypes | None:
    try:
        return serialization.load_pem_private_key(key.encode(), None)
    except TypeError:
        faults.append(Fault("key", "is encrypted: take its passphrase off (openssl pkey -in KEY -out PLAIN)"))
    except ValueError:
        faults.append(Fault("key", "must be a private key in PEM: -----BEGIN PRIVATE KEY----- and so on"))
    return None


def _whose(certificates: list[x509.Certificate], private: PrivateKeyTypes) -> str:
    """What to say of a key that is not the first certificate's."""
    if any(one.public_key() == private.public_key() for one in certificates[1:]):
        return f"fits another certificate of the chain than the first: the chain {_AUTHORITY_FIRST}"
    return "does not fit the certificate: it belongs to another one"


def _faults_of_chain(host: str, chain: list[x509.Certificate], names: tuple[str, ...], now: float) -> list[Fault]:
    leaf, at = chain[0], datetime.fromtimestamp(now, UTC)
    faults = []
    if leaf.not_valid_after_utc <= at:
        faults.append(Fault("chain", f"expired on {leaf.not_valid_after_utc:%Y-%m-%d}: give a newer one"))
    if leaf.not_valid_before_utc > at:
        faults.append(Fault("chain", f"is good only from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on"))
    if not any(covers(name, host) for name in names):
        told = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        faults.append(Fault("chain", f"is not for {host}: it is for {told or 'no host name'}"))
    for number, (below, above) in enumerate(pairwise(chain)):
        try:
            below.verify_directly_issued_by(above)
        except (InvalidSignature, ValueError, TypeError):
            faults.append(
                Fault(
                    "chain",
                    f"is in no order: certificate {number + 1} is not issued by the next; it {_AUTHORITY_FIRST}",
                )
            )
            break
    return faults


def _names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Its DNS names. A common name alone is not enough for any browser."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(name.lower() for name in alternatives.get_values_for_type(x509.DNSName) if len(name) <= MAX_HOST + 2)


def _name(name: x509.Name) -> str:
    """An issuer in words."""
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(kind):
            return str(attribute.value)[:200]
    return name.rfc4514_string()[:200]
