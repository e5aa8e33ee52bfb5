"""An ACME client: account, order, HTTP-01 challenge, certificate (RFC 8555)."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from draas.lib import clock
from draas.server.acme.jws import AccountKey, b64

REQUEST_TIMEOUT_S = 30.0
ORDER_TIMEOUT_S = 180.0  # authorities look from several places, and try again
ANSWER_BYTES = 1024 * 1024
POLL_S = 1.0
MAX_POLL_S = 15.0
NONCE_TRIES = 5
MAX_COMMON_NAME = 64  # X.520; a longer name stands among the alternatives alone
_PROBLEM = "urn:ietf:params:acme:error:"

# Has the ingresses answer these: token to key authorization. Returns once they do.
Show = Callable[[Mapping[str, str]], Awaitable[None]]


class AcmeTrouble(Exception):
    """No certificate now; the message says why, in the authority's own words. `retry_after_s`: it asked to wait for so long."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Where an authority answers what."""

    new_nonce: str
    new_account: str
    new_order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer: its JSON (empty where it has none), text and headers."""

    body: dict[str, Any]
    text: str
    headers: Mapping[str, str]


class AcmeClient:
    """Gets certificates from the authority with the directory at `url`. `email` is told where something goes wrong there."""

    def __init__(
        self, url: str, email: str, key: AccountKey, *, version: str = "0", tls: ssl.SSLContext | None = None
    ) -> None:
        self._url = url
        self._email = email
        self._key = key
        self._agent = f"draas/{version}"
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._directory: Directory | None = None
        self._account = ""
        self._nonces: list[str] = []

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def obtain(self, host: str, show: Show) -> tuple[str, str]:
        """A new certificate for `host`: chain and key in PEM. Raises AcmeTrouble."""
        try:
            async with asyncio.timeout(ORDER_TIMEOUT_S):
                return await self._obtain(host, show)
        except TimeoutError:
            raise AcmeTrouble(f"the authority at {self._url} did not finish within {ORDER_TIMEOUT_S:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise AcmeTrouble(f"{self._url} cannot be reached: {str(error) or type(error).__name__}") from None
        except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
            raise AcmeTrouble(f"{self._url} answers what is no ACME: {error!r}"[:300]) from None

    async def _obtain(self, host: str, show: Show) -> tuple[str, str]:
        if self._directory is None:
            self._directory = await self._find()
        if not self._account:
            self._account = await self._register(self._directory)
        wanted = {"identifiers": [{"type": "dns", "value": host}]}
        answer = await self._post(self._directory.new_order, wanted)
        at, order = answer.headers["Location"], answer.body
        for authorization in order["authorizations"]:
            await self._authorize(authorization, show)
        key = ec.generate_private_key(ec.SECP256R1())
        order = await self._poll(at, ("pending", "processing"), "order")
        if order["status"] == "ready":
            await self._post(order["finalize"], {"csr": b64(make_request(host, key))})
            order = await self._poll(at, ("ready", "processing"), "order")
        chain = (await self._post(order["certificate"], None)).text
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return chain, private.decode()

    async def _authorize(self, url: str, show: Show) -> None:
        authorization = (await self._post(url, None)).body
        if authorization["status"] != "pending":  # proved not long ago
            return
        challenge = next((one for one in authorization["challenges"] if one["type"] == "http-01"), None)
        if challenge is None:
            raise AcmeTrouble("the authority offers no HTTP-01 challenge for this name")
        token = challenge["token"]
        await show({token: f"{token}.{self._key.thumbprint}"})
        await self._post(challenge["url"], {})
        await self._poll(url, ("pending", "processing"), "authorization")

    async def _poll(self, url: str, waiting: tuple[str, ...], what: str) -> dict[str, Any]:
        """The object once it is not `waiting` any more. Raises AcmeTrouble where it has become invalid."""
        while True:
            answer = await self._post(url, None)
            status = answer.body["status"]
            if status in ("invalid", "deactivated", "expired", "revoked"):
                raise AcmeTrouble(_why(answer.body) or f"the {what} is {status}")
            if status not in waiting:
                return answer.body
            await asyncio.sleep(min(max(retry_after_s(answer.headers, clock.now()), POLL_S), MAX_POLL_S))

    # --- the account ---

    async def _find(self) -> Directory:
        async with self._connect().get(self._url) as response:
            answer = await self._read(response)
        told = answer.body
        return Directory(new_nonce=told["newNonce"], new_account=told["newAccount"], new_order=told["newOrder"])

    async def _register(self, directory: Directory) -> str:
        """The account's URL; it is made where there is none with this key."""
        wanted = {"termsOfServiceAgreed": True, "contact": [f"mailto:{self._email}"]}
        return (await self._post(directory.new_account, wanted, register=True)).headers["Location"]

    # --- requests ---

    def _connect(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True)
            timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
            headers = {"User-Agent": self._agent}
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers)
        return self._session

    async def _nonce(self) -> str:
        if self._nonces:
            return self._nonces.pop()
        assert self._directory is not None
        async with self._connect().head(self._directory.new_nonce) as response:
            return response.headers["Replay-Nonce"]

    async def _post(self, url: str, payload: Any, *, register: bool = False) -> Answer:
        """One signed request; again where the nonce is refused, as it may be at any time (section 6.5)."""
        for tries_left in reversed(range(NONCE_TRIES)):
            who = {"jwk": self._key.jwk} if register else {"kid": self._account}
            content = self._key.sign({**who, "nonce": await self._nonce(), "url": url}, payload)
            headers = {"Content-Type": "application/jose+json"}
            async with self._connect().post(url, data=content, headers=headers) as response:
                try:
                    return await self._read(response)
                except _BadNonce:
                    if not tries_left:
                        raise AcmeTrouble(f"{self._url} refuses every nonce that it gives") from None
        raise AssertionError("unreachable")

    async def _read(self, response: aiohttp.ClientResponse) -> Answer:
        """The answer. Raises AcmeTrouble for a problem document."""
        if nonce := response.headers.get("Replay-Nonce"):
            self._nonces = [*self._nonces[-4:], nonce]
        content = await response.content.read(ANSWER_BYTES)
        is_json = "json" in response.content_type
        body = msgspec.json.decode(content, type=dict[str, Any]) if is_json and content else {}
        if response.status < HTTPStatus.BAD_REQUEST:
            return Answer(body=body, text=content.decode(errors="replace"), headers=response.headers)
        kind = str(body.get("type", "")).removeprefix(_PROBLEM)
        if kind == "badNonce":
            raise _BadNonce
        if kind == "accountDoesNotExist":
            self._account = ""  # the authority has forgotten it: the next try registers again
        told = _detail(body) or f"it answers {response.status}"
        raise AcmeTrouble(told, retry_after_s(response.headers, clock.now()))


class _BadNonce(Exception):
    """The nonce was refused; the answer has brought another one."""


def make_request(host: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A certificate signing request for `host`, in DER."""
    named = [x509.NameAttribute(NameOID.COMMON_NAME, host)] if len(host) <= MAX_COMMON_NAME else []
    alternatives = x509.SubjectAlternativeName([x509.DNSName(host)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(named))
    request = builder.add_extension(alternatives, critical=False).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def retry_after_s(headers: Mapping[str, str], now: float) -> float:
    """What Retry-After says, in seconds or as a date; 0 where it says nothing (RFC 9110, 10.2.3)."""
    given = headers.get("Retry-After", "").strip()
    if given.isdigit():
        return float(given)
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - now) if given else 0.0
    except ValueError:
        return 0.0


def _why(body: Mapping[str, Any]) -> str:
    """What an invalid order or authorization says of itself."""
    errors = [one.get("error") for one in (body, *body.get("challenges", ())) if isinstance(one, dict)]
    return next((told for error in errors if error and (told := _detail(error))), "")


def _detail(problem: Mapping[str, Any]) -> str:
    kind = str(problem.get("type", "")).removeprefix(_PROBLEM)
    detail = " ".join(str(problem.get("detail", "")).split())[:500]
    return f"{detail} ({kind})" if detail and kind else detail or kind
