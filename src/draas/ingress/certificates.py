"""Certificates: PEM files of chain and key, looked at before the proxy gets them, kept where only we (and it) can read them."""

import ssl
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from draas.ingress.checks import is_certificate_name
from draas.ingress.folder import write_file
from draas.ingress.serving import DEFAULT_CERTIFICATE, CertificateFile
from draas.lib import clock
from draas.lib.ids import digest

TLS_FOLDER = Path(DEFAULT_CERTIFICATE).parent.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The files that the proxy may use, and why others are left out, by file or host name."""

    files: tuple[CertificateFile, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)


def keep_certificates(folder: Path, given: Mapping[str, str], own: Path | None) -> Kept:
    """Write what is usable of `given` (PEM by host) and of the folder `own` under `folder`, and remove what nobody uses."""
    keep_default(folder)
    files: list[CertificateFile] = []
    faults: dict[str, str] = {}
    taken: set[str] = set()
    for source, host, pem in (*((host, host, pem) for host, pem in sorted(given.items())), *read_folder(own)):
        fault, names = look_at(pem)
        wanted = (host,) if host else names
        names = tuple(name for name in wanted if is_certificate_name(name) and name not in taken)
        if fault or not names:
            faults[source] = fault or "it is for no host name that is not served already"
            continue
        taken.update(names)
        file = f"{TLS_FOLDER}/{digest(pem)[:20]}.pem"
        write_file(folder / file, pem)
        files.append(CertificateFile(file=file, names=names))
    used = {file.file for file in files} | {DEFAULT_CERTIFICATE}
    for path in (folder / TLS_FOLDER).iterdir():
        if f"{TLS_FOLDER}/{path.name}" not in used:
            path.unlink()
    return Kept(files=tuple(files), faults=faults)


def read_folder(folder: Path | None) -> Iterator[tuple[str, str, str]]:
    """File name, "" and PEM of each NAME.pem (chain and key), and of each NAME.crt with NAME.key."""
    if folder is None or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        parts = (path,) if path.suffix == ".pem" else (path, path.with_suffix(".key")) if path.suffix == ".crt" else ()
        if parts:
            try:
                yield path.name, "", "\n".join(part.read_text() for part in parts)
            except (OSError, ValueError):
                yield path.name, "", ""


def stamps(folder: Path | None) -> tuple[tuple[str, int], ...]:
    """What changes when a file in `folder` does."""
    if folder is None or not folder.is_dir():
        return ()
    return tuple(sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()))


def look_at(pem: str) -> tuple[str, tuple[str, ...]]:
    """Why `pem` cannot be used ("" if it can), and the host names that it is for."""
    try:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(pem)
            file.flush()
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file.name, password="")
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except (ssl.SSLError, OSError, ValueError) as error:
        return f"not PEM of a certificate and its key: {getattr(error, 'reason', None) or 'unreadable'}", ()
    if certificate.not_valid_after_utc.timestamp() < clock.now():
        return f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}", ()
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return "", tuple(name.lower() for name in alternatives.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return "", tuple(str(name.value).lower() for name in common)


def keep_default(folder: Path) -> None:
    """Have the certificate for hosts without one of their own: signed by itself, so that browsers ask."""
    path = folder / DEFAULT_CERTIFICATE
    if not path.exists():
        write_file(path, self_signed("draas.invalid"))


def self_signed(name: str, days: int = 3650) -> str:
    """PEM of a certificate for `name` and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.fromtimestamp(clock.now(), UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode() + private.decode()
