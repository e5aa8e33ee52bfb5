"""Trust: the first contact with a controller whose CA is known by its fingerprint alone, and what to say when it fails."""

import ssl
from dataclasses import dataclass

import aiohttp
import msgspec

from draas.client.errors import CannotReach, ClockOff, NotDraas, Untrusted
from draas.client.settings import check_url
from draas.lib import clock
from draas.wire.join import fingerprint as fingerprint_of

CONTACT = aiohttp.ClientTimeout(total=10, connect=5)
MAX_HEALTH_BYTES = 64 * 1024
MAX_SKEW_S = 300.0  # leases and log times stay meaningful well beyond it; certificates are made an hour in the past
# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED
_NOT_YET, _EXPIRED = 9, 10


class _Health(msgspec.Struct):
    service: str
    time: str
    ca: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How to talk to a controller from now on: with the CA in `ca_pem` ("" means the system's CAs, or no TLS)."""

    url: str
    ca_pem: str

    @property
    def context(self) -> ssl.SSLContext | None:
        """For every later connection; None without TLS."""
        if not self.url.startswith("https:"):
            return None
        return pinned_context(self.ca_pem) if self.ca_pem else ssl.create_default_context()


async def trust(url: str, fingerprint: str) -> Trust:
    """Contact `url` and check that its CA has `fingerprint` ("": the system's CAs decide).

    Raises Invalid (no URL), CannotReach, NotDraas, Untrusted, ClockOff: each one line that says what to do.
    """
    url = check_url(url, "URL")
    tls = url.startswith("https:")
    if fingerprint and not tls:
        raise Untrusted(f"the token names a CA, but {url} is not encrypted: write https:// instead")
    if not fingerprint:
        health = await _health(url, ssl.create_default_context() if tls else None)
        check_clock(health.time, clock.now())
        return Trust(url=url, ca_pem="")
    health = await _health(url, _blind_context())
    check_clock(health.time, clock.now())
    if _safe_fingerprint(health.ca) != fingerprint:
        raise Untrusted(
            f"{url} does not show the CA that the token names: the token is for another controller, or someone is in "
            "between; nothing was sent to it"
        )
    await _health(url, pinned_context(health.ca))
    return Trust(url=url, ca_pem=health.ca)


def pinned_context(ca_pem: str) -> ssl.SSLContext:
    """Trusts this CA and no other. Raises Untrusted where it is no certificate.

    The host name is not checked: the CA signs nothing but its controller, under whatever name that is reached.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    try:
        context.load_verify_locations(cadata=ca_pem)
    except ssl.SSLError as error:
        raise Untrusted(f"the controller's CA is no certificate: {error}") from None
    return context


def check_clock(theirs: str, now: float) -> None:
    """Raises ClockOff where this machine's clock is further from the controller's than MAX_SKEW_S."""
    try:
        behind_s = clock.parse_rfc3339(theirs) - now
    except ValueError:
        raise NotDraas(f"the controller's time {theirs[:40]!r} is none") from None
    if abs(behind_s) > MAX_SKEW_S:
        side = "behind" if behind_s > 0 else "ahead of"
        raise ClockOff(
            f"this machine's clock is {abs(behind_s):.0f} s {side} the controller's: set it (for example with NTP)"
        )


def explain_failure(url: str, error: Exception) -> CannotReach:
    """One line for what kept a request from `url`."""
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as cause):
            return _explain_certificate(url, cause)
        case aiohttp.ClientSSLError():
            return NotDraas(f"{url} does not speak TLS: if the controller listens on loopback only, write http://")
        case aiohttp.ClientConnectorDNSError():
            return CannotReach(f"the host of {url} is not known: check the URL")
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return CannotReach(f"nothing listens at {url}: check host and port, and that the controller runs")
        case aiohttp.ClientConnectorError():
            return CannotReach(f"{url} cannot be reached: {error.os_error.strerror or error.os_error}")
        case TimeoutError():
            return CannotReach(f"no answer from {url} in time: check host and port, and that no firewall is in between")
        case aiohttp.ClientResponseError():
            return NotDraas(f"what listens at {url} does not speak HTTP: check the port, and http:// or https://")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return CannotReach(f"{url} closed the connection: if the controller uses TLS, write https://")
        case _:
            return CannotReach(f"{url} cannot be reached: {error}")


def _explain_certificate(url: str, cause: ssl.SSLCertVerificationError) -> CannotReach:
    if cause.verify_code == _NOT_YET:
        return ClockOff(f"the certificate of {url} is not valid yet: this machine's clock is behind, set it")
    if cause.verify_code == _EXPIRED:
        return ClockOff(
            f"the certificate of {url} has expired: this machine's clock is ahead, or the controller must renew"
        )
    return Untrusted(
        f"the certificate of {url} is not trusted ({cause.verify_message}): give the controller's CA (ca or ca_fingerprint "
        "in config.toml), or join with a token"
    )


async def _health(url: str, context: ssl.SSLContext | None) -> _Health:
    try:
        async with (
            aiohttp.ClientSession(timeout=CONTACT) as session,
            session.get(f"{url}/healthz", ssl=context or True, allow_redirects=False) as response,
        ):
            content = await response.content.read(MAX_HEALTH_BYTES)
            health = msgspec.json.decode(content, type=_Health)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise NotDraas(f"{url} answers, but it is no DRaaS controller: check host and port") from None
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise explain_failure(url, error) from None
    if health.service != "draas":
        raise NotDraas(f"{url} answers, but it is no DRaaS controller: check host and port")
    return health


def _safe_fingerprint(pem: str) -> str:
    try:
        return fingerprint_of(pem)
    except ValueError:
        return ""


def _blind_context() -> ssl.SSLContext:
    """For the one question that carries no secret and whose answer is checked by fingerprint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
