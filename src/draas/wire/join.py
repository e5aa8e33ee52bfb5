"""The join token's text: a secret and, where the controller has its own CA, that CA's fingerprint.

The fingerprint makes the first contact verified: who joins knows beforehand which CA to expect.
"""

import base64
import binascii
import hashlib
import re

_HEX = re.compile(r"[0-9a-f]{64}")
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def join_token(secret: str, fingerprint: str) -> str:
    """`secret.fingerprint`, or the secret alone."""
    return f"{secret}.{fingerprint}" if fingerprint else secret


def split_join_token(token: str) -> tuple[str, str]:
    """Secret and fingerprint ("" where there is none). Raises ValueError where what follows the dot is no fingerprint."""
    secret, dot, fingerprint = token.strip().partition(".")
    if dot and not _HEX.fullmatch(fingerprint):
        raise ValueError("the join token is cut off or mistyped: copy it again, all of it")
    return secret, fingerprint


def fingerprint(pem: str) -> str:
    """SHA-256 of the first certificate in `pem`, in hex, as `openssl x509 -fingerprint -sha256` shows it without colons.

    Raises ValueError where there is none.
    """
    _, begin, rest = pem.partition(_BEGIN)
    body, end, _ = rest.partition(_END)
    if not begin or not end:
        raise ValueError("no certificate in PEM")
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"no certificate in PEM: {error}") from None
    return hashlib.sha256(der).hexdigest()
