"""Identifiers and secrets: the only place that reads randomness."""

import hashlib
import re
import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
RANDOM_BITS = 50  # 2**25 ids in one millisecond before a clash is likely


_SECRET = re.compile(f"[a-z]+_[{ALPHABET}]{{32}}")
_PAIRS = [high + low for high in ALPHABET for low in ALPHABET]


def _base32(value: int, width: int) -> str:
    """`width` is even."""
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(5 * (width - 2), -1, -10)])


def new(prefix: str) -> str:
    """A new id such as `j-01m8x5k2z07h3q9c4vrt`: milliseconds first, so that ids sort by age."""
    return f"{prefix}-{_base32(time.time_ns() // 1_000_000, 10)}{_base32(secrets.randbits(RANDOM_BITS), 10)}"


def secret(prefix: str) -> str:
    """A new key or token of 160 random bits, recognisable by its prefix."""
    return f"{prefix}_{_base32(secrets.randbits(160), 32)}"


def is_secret(text: str) -> bool:
    """Whether `text` has the form of what `secret` makes."""
    return _SECRET.fullmatch(text) is not None


def digest(key: str) -> str:
    """What is stored of a secret. A plain SHA-256 suffices: the secret has 160 random bits, so no guessing helps."""
    return hashlib.sha256(key.encode()).hexdigest()


def digest_bytes(content: bytes) -> str:
    """SHA-256 of any content, for telling whether two are the same."""
    return hashlib.sha256(content).hexdigest()


def seed() -> int:
    """A fresh seed for a random.Random that pure code is handed."""
    return secrets.randbits(64)
