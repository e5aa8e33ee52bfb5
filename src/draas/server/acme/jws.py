"""JWS: an account's key, and requests signed with it (RFC 7515, 7517, 7638; ES256 of RFC 7518)."""

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

SIZE_BYTES = 32  # of a coordinate, and of each half of a signature, on P-256


class AccountKey:
    """An account's key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        point = key.public_key().public_numbers()
        # In this order, which is that of the thumbprint.
        self.jwk = {"crv": "P-256", "kty": "EC", "x": _number(point.x), "y": _number(point.y)}

    @property
    def thumbprint(self) -> str:
        """RFC 7638: what a challenge's answer ends with."""
        return b64(hashlib.sha256(msgspec.json.encode(self.jwk)).digest())

    def sign(self, protected: Mapping[str, Any], payload: Any) -> bytes:
        """A request's body. `payload` None: a POST-as-GET, whose payload is empty."""
        head = b64(msgspec.json.encode({"alg": "ES256", **protected}))
        body = "" if payload is None else b64(msgspec.json.encode(payload))
        first, second = decode_dss_signature(self._key.sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256())))
        signature = b64(first.to_bytes(SIZE_BYTES, "big") + second.to_bytes(SIZE_BYTES, "big"))
        return msgspec.json.encode({"protected": head, "payload": body, "signature": signature})


def ensure_account_key(path: Path) -> AccountKey:
    """The key in `path`, made where there is none; readable by us alone. Raises OSError, or ValueError where it is none."""
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        found = ec.generate_private_key(ec.SECP256R1())
        _save(path, found)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is no key of ours: restore it, or remove it to get a new account")
    return AccountKey(found)


def _save(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def b64(content: bytes) -> str:
    """Base64 as the web wants it: URL-safe, without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _number(value: int) -> str:
    return b64(value.to_bytes(SIZE_BYTES, "big"))
