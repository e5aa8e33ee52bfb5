"""Sealing: secrets encrypted at rest with AES-256-GCM under a key of the controller's own (NIST SP 800-38D)."""

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORM = b"\x01"  # of what is sealed: this byte, the nonce, the ciphertext with its tag
KEY_BYTES = 32
NONCE_BYTES = 12


class Unsealable(Exception):
    """What was sealed cannot be opened: another key, another purpose, or damage."""


class Sealer:
    """Seals with one key. `about` binds a secret to its place, so that one cannot be passed off as another."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, secret: bytes, about: str) -> bytes:
        """`secret`, to be kept anywhere."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return FORM + nonce + self._cipher.encrypt(nonce, secret, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """What was sealed. Raises Unsealable."""
        if sealed[:1] != FORM:
            raise Unsealable("sealed by a newer version, or damaged")
        nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, rest, about.encode())
        except (InvalidTag, ValueError):
            raise Unsealable("sealed with another key, or damaged") from None


def ensure_key(path: Path) -> bytes:
    """The key in `path`, made where there is none; readable by us alone. Raises OSError, or ValueError where it is no key."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return _make_key(path)
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path} is no key of {KEY_BYTES} bytes: restore it from a backup")
    return key


def _make_key(path: Path) -> bytes:
    key = secrets.token_bytes(KEY_BYTES)
    temporary = path.with_name(f"{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return key
