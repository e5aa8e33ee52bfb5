"""Sessions: a browser's sign-in, and the one-time links that begin one. Each belongs to a key and ends with it.

What is kept of both is a Token whose digest says what it is good for, so that neither passes for the other or for a
permission to join. The text that the browser has names its key; the digest covers that name.
"""

from urllib.parse import urlsplit

from draas.lib import clock, ids
from draas.model.errors import Forbidden, Unauthenticated
from draas.server.services.controller import Controller
from draas.store.store import Key, Token, Write

SESSION_S = 12 * 3600.0  # without use; the dashboard asks for more while it is looked at
RENEW_S = 600.0  # of use before it is prolonged again: each prolonging is a commit
LINK_S = 600.0
MAX_TEXT = 256
REQUEST_HEADER = "x-draas-request"  # what no form and no foreign page can send without being asked first
_SESSION, _LINK = "session", "link"
_ENDED = "the session has ended: sign in again"
_LINK_USED = "the sign-in link is wrong, was used already or is older than 10 minutes: make another with draas dashboard, or use a key"


def _digest(kind: str, text: str) -> str:
    return f"{kind}:{ids.digest(text)}"


def _make(kind: str, key: Key, ttl_s: float) -> tuple[Token, str]:
    text, until = f"{key.id}.{ids.secret(kind)}", clock.now() + ttl_s
    return Token(digest=_digest(kind, text), expires_at=min(until, key.expires_at or until)), text


def make_session(key: Key) -> tuple[Token, str]:
    """A session of `key`, not stored yet, and what the browser's cookie holds."""
    return _make(_SESSION, key, SESSION_S)


def make_link(key: Key) -> tuple[Token, str]:
    """What a one-time link for `key` is remembered by, not stored yet, and the text in it."""
    return _make(_LINK, key, LINK_S)


def _key_of(controller: Controller, kind: str, text: str, now: float, told: str) -> tuple[Key, Token]:
    if len(text) > MAX_TEXT or not text.isascii():
        raise Unauthenticated(told)
    token = controller.token(_digest(kind, text))
    if token is None or token.expires_at <= now:
        raise Unauthenticated(told)
    key = controller.key_with_id(text.partition(".")[0])
    if key is None or (key.expires_at is not None and key.expires_at <= now):
        raise Unauthenticated(told)
    return key, token


def session_key(controller: Controller, text: str, now: float) -> tuple[Key, Token]:
    """Whose session the cookie `text` is, and what is kept of it. Raises Unauthenticated where it or its key has ended."""
    return _key_of(controller, _SESSION, text, now, _ENDED)


def link_key(controller: Controller, text: str, now: float) -> tuple[Key, Token]:
    """For whom the one-time link with `text` is, and what is kept of it. Raises Unauthenticated."""
    return _key_of(controller, _LINK, text, now, _LINK_USED)


def prolonged(token: Token, key: Key, now: float) -> Token | None:
    """The session `token` with its full time again; None where hardly any has passed."""
    until = min(now + SESSION_S, key.expires_at or now + SESSION_S)
    return Token(digest=token.digest, expires_at=until) if until - token.expires_at > RENEW_S else None


def cookie_name(host: str, *, secure: bool) -> str:
    """Browsers do not tell ports apart in cookies, so the name does: two controllers on one machine keep their sessions.

    Over TLS the prefix has the browser refuse one that another host of the same domain has set.
    """
    port = host.rpartition(":")[2]
    name = f"draas-{port}" if port.isascii() and port.isdigit() else "draas"
    return f"__Host-{name}" if secure else name


async def make_sign_in_link(controller: Controller, url: str) -> str | None:
    """The address with which whoever started the controller signs in once, as the oldest lasting admin key."""
    present = controller.keys()
    lasting = [key for key in present if key.role == "admin" and key.project is None and not key.expires_at]
    if not lasting:
        return None
    token, text = make_link(min(lasting, key=lambda key: (key.created_at, key.id)))
    await controller.write(Write(tokens=(token,)))
    return link_url(url, text)


def link_url(url: str, text: str) -> str:
    """The address of a one-time link. Its text stands behind the `#`, which no browser sends, so that it is in no log."""
    return f"{url}/sign-in#token={text}"


def check_own_page(
    method: str, host: str, origin: str | None, site: str | None, *, has_header: bool, is_sign_in: bool = False
) -> None:
    """Raises Forbidden unless a request that carries a cookie was made by our own page.

    A cookie is sent whoever makes the browser ask, also by pages of other ports of this host. `site` is Sec-Fetch-Site; older
    browsers have `origin` only. What changes something must have the header, too. A sign-in may come from no page at all.
    """
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        raise Forbidden("pages of other origins may not use this session")
    is_read = method in ("GET", "HEAD")
    if site is not None and site != "same-origin" and not (site == "none" and is_read):
        raise Forbidden("pages of other origins may not use this session")
    if is_read or is_sign_in:
        return
    if origin is None and site is None:
        raise Forbidden("a request with a session's cookie must say which page it comes from; programs use a key")
    if not has_header and method != "WS":  # a page cannot give a WebSocket headers
        raise Forbidden(f"a request with a session's cookie needs the header {REQUEST_HEADER}: 1; programs use a key")
