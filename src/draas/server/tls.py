"""TLS: the controller's own CA and certificate, made at the first start in the data folder and renewed in time."""

import ipaddress
import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from draas.wire.join import fingerprint

CA_DAYS = (
    20 * 365
)  # its fingerprint is in join tokens and in every agent's configuration: it should outlive the machine
SERVER_DAYS = 397  # the most that browsers accept
RENEW_DAYS = 30
EARLIER = timedelta(hours=1)  # valid from before now, for machines whose clock is a little behind
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Where the files are, and what others need to know of the CA."""

    certificate_path: Path
    key_path: Path
    ca_pem: str
    fingerprint: str


def ensure_certificates(folder: Path, names: Sequence[str], now: float) -> Certificates:
    """The CA and a certificate good for `names` (host names and addresses) in `folder`, made or renewed where needed.

    Call it at every start, and daily to renew. Raises OSError where the folder cannot be written, ValueError where a file
    in it is no certificate or key.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    at = datetime.fromtimestamp(now, UTC)
    ca_path, ca_key_path = folder / "ca.pem", folder / "ca-key.pem"
    certificate_path, key_path = folder / "server.pem", folder / "server-key.pem"
    if not _belong(ca_path, ca_key_path):
        _write_pair(ca_path, ca_key_path, *make_ca(at))
    ca = x509.load_pem_x509_certificate(ca_path.read_bytes())
    wanted = sorted({*names, *LOCAL_NAMES})
    if not _belong(certificate_path, key_path) or is_due(certificate_path.read_bytes(), ca, wanted, at):
        ca_key = serialization.load_pem_private_key(ca_key_path.read_bytes(), None)
        if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
            raise ValueError(
                f"{ca_key_path} is not a key of ours: restore it, or remove the folder to start with a new CA"
            )
        _write_pair(certificate_path, key_path, *make_certificate(ca, ca_key, wanted, at))
    ca_pem = ca_path.read_text()
    return Certificates(
        certificate_path=certificate_path, key_path=key_path, ca_pem=ca_pem, fingerprint=fingerprint(ca_pem)
    )


def _belong(path: Path, key_path: Path) -> bool:
    """Whether both files are there and belong together: a crash may have come between writing the two."""
    if not (path.exists() and key_path.exists()):
        return False
    key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    return x509.load_pem_x509_certificate(path.read_bytes()).public_key() == key.public_key()


def is_due(certificate_pem: bytes, ca: x509.Certificate, names: Sequence[str], at: datetime) -> bool:
    """Whether a new server certificate is needed: it runs out soon, lacks a name, or is of another CA."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    try:
        certificate.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        return True
    present = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    soon = certificate.not_valid_after_utc - at < timedelta(days=RENEW_DAYS)
    return soon or certificate.not_valid_before_utc > at or any(_name(name) not in present for name in names)


def make_ca(at: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A new CA that may sign servers and nothing below them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"DRaaS CA {x509.random_serial_number():x}"[:64])])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        _builder(subject, subject, key.public_key(), at, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def make_certificate(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, names: Sequence[str], at: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A server certificate for `names`, signed by `ca`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "DRaaS controller")])
    builder = (
        _builder(subject, ca.subject, key.public_key(), at, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    return builder.sign(ca_key, hashes.SHA256()), key


def server_context(certificates: Certificates) -> ssl.SSLContext:
    """What the listening socket needs; `load_cert_chain` on it again takes over a renewed certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificates.certificate_path, certificates.key_path)
    return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, at: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - EARLIER)
        .not_valid_after(at + timedelta(days=days))
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode() if not name.isascii() else name)


def _write_pair(path: Path, key_path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key_path, private)
    _write(path, certificate.public_bytes(serialization.Encoding.PEM))


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by us alone (mkstemp makes files 0600)."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
