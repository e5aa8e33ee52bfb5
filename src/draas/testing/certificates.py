"""Certificates for tests: an authority of its own, and what it signs. EC keys: made in a millisecond."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def pem_of_key(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> str:
    """PKCS8, as most tools write it."""
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()


def pem_of_certificate(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class TestAuthority:
    """Signs what it is asked to."""

    __test__ = False

    def __init__(self, name: str = "Test CA") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self.name, self.key.public_key(), 0.0, 3650.0)
        basic = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = builder.add_extension(basic, critical=True).sign(self.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return pem_of_certificate(self.certificate)

    def sign(
        self,
        *names: str,
        days: float = 90.0,
        begins_in_days: float = -0.01,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> tuple[str, str]:
        """PEM of a certificate for `names`, and of its key."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "nobody")])
        builder = self._builder(subject, own.public_key(), begins_in_days, days)
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        return pem_of_certificate(builder.sign(self.key, hashes.SHA256())), pem_of_key(own)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, begins_in_days: float, days: float
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        begin, end = now + timedelta(days=begins_in_days), now + timedelta(days=days)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(begin, end - timedelta(seconds=1)))
            .not_valid_after(end)
        )
