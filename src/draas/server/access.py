"""Access: keys, roles and the one table of what each route needs. Default deny."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from draas.lib import clock, ids
from draas.lib.addresses import is_loopback
from draas.model.errors import Forbidden, Invalid, Unauthenticated
from draas.server.attempts import Attempts
from draas.server.services.controller import Controller
from draas.server.sessions import check_own_page, session_key
from draas.store.store import Key, Role, Write

OPEN_KEY = Key(id="open", digest="", role="admin", name="--open")
MIN_ADMIN_KEY = 8  # characters of a given DRAAS_ADMIN_KEY; made ones have 32 random ones
MAX_KEY = 512


class Need(IntEnum):
    """What a caller needs at least. PUBLIC: nothing (health, the dashboard's files), or the body says it (a join token, a key)."""

    PUBLIC = 0
    VIEWER = 1
    DEPLOYER = 2
    ADMIN = 3
    NODE = 9  # a node's identity and no other key


class Rule(NamedTuple):
    """`whole`: a key that is scoped to one project will not do, as the route concerns the whole cluster.

    `nodes`: a node's identity will do as well; the route itself looks at what that node needs.
    """

    need: Need
    whole: bool = False
    nodes: bool = False


_VIEW, _DEPLOY, _ADMIN = Rule(Need.VIEWER), Rule(Need.DEPLOYER), Rule(Need.ADMIN, whole=True)
_PULL, _PUSH = Rule(Need.VIEWER, nodes=True), Rule(Need.DEPLOYER, nodes=True)
ROUTES: Mapping[tuple[str, str], Rule] = {
    ("GET", "/healthz"): Rule(Need.PUBLIC),
    ("GET", "/readyz"): Rule(Need.PUBLIC),
    ("GET", "/metrics"): Rule(Need.VIEWER, whole=True),
    ("GET", "/docs"): _VIEW,
    ("GET", "/api/openapi.json"): _VIEW,
    ("GET", "/api/status"): _VIEW,
    ("POST", "/api/jobs"): _DEPLOY,
    ("POST", "/api/jobs/batch"): _DEPLOY,
    ("GET", "/api/jobs"): _VIEW,
    ("GET", "/api/jobs/{id}"): _VIEW,
    ("GET", "/api/jobs/{id}/logs"): _VIEW,
    ("GET", "/api/jobs/{id}/explain"): _VIEW,
    ("POST", "/api/jobs/{id}/cancel"): _DEPLOY,
    ("POST", "/api/jobs/{id}/retry"): _DEPLOY,
    ("DELETE", "/api/jobs/{id}"): _DEPLOY,
    ("POST", "/api/builds"): _DEPLOY,
    ("POST", "/api/builds/detect"): _VIEW,
    ("POST", "/api/builds/check"): _DEPLOY,
    ("POST", "/api/builds/{id}/same-secrets"): _DEPLOY,
    ("GET", "/api/builds"): _VIEW,
    ("GET", "/api/builds/{id}"): _VIEW,
    ("GET", "/api/builds/{id}/logs"): _VIEW,
    ("GET", "/api/builds/{id}/explain"): _VIEW,
    ("POST", "/api/builds/{id}/cancel"): _DEPLOY,
    ("POST", "/api/builds/{id}/retry"): _DEPLOY,
    ("DELETE", "/api/builds/{id}"): _DEPLOY,
    ("GET", "/api/apps"): _VIEW,
    ("POST", "/api/apps/rebalance"): _DEPLOY,
    ("PUT", "/api/apps/{name}"): _DEPLOY,
    ("GET", "/api/apps/{name}"): _VIEW,
    ("DELETE", "/api/apps/{name}"): _DEPLOY,
    ("POST", "/api/apps/{name}/plan"): _VIEW,
    ("GET", "/api/apps/{name}/watch"): _VIEW,
    ("GET", "/api/apps/{name}/releases"): _VIEW,
    ("GET", "/api/apps/{name}/replicas"): _VIEW,
    ("GET", "/api/apps/{name}/scalings"): _VIEW,
    ("GET", "/api/apps/{name}/logs"): _VIEW,
    ("GET", "/api/apps/{name}/metrics"): _VIEW,
    ("GET", "/api/apps/{name}/explain"): _VIEW,
    ("POST", "/api/apps/{name}/scale"): _DEPLOY,
    ("POST", "/api/apps/{name}/restart"): _DEPLOY,
    ("POST", "/api/apps/{name}/rollback"): _DEPLOY,
    ("POST", "/api/apps/{name}/canary"): _DEPLOY,
    ("GET", "/api/schemas/app.json"): _VIEW,
    ("GET", "/api/about"): _VIEW,
    ("GET", "/api/nodes"): _VIEW,
    ("GET", "/api/nodes/{id}"): _VIEW,
    ("GET", "/api/nodes/{id}/metrics"): _VIEW,
    ("PATCH", "/api/nodes/{id}"): _ADMIN,
    ("DELETE", "/api/nodes/{id}"): _ADMIN,
    ("POST", "/api/join-tokens"): _ADMIN,
    ("POST", "/api/join"): Rule(Need.PUBLIC),
    ("GET", "/api/events"): _VIEW,
    ("GET", "/api/keys"): _ADMIN,
    ("POST", "/api/keys"): _ADMIN,
    ("POST", "/api/keys/{id}/rotate"): _ADMIN,
    ("DELETE", "/api/keys/{id}"): _ADMIN,
    ("GET", "/api/certificates"): Rule(Need.VIEWER, whole=True),
    ("PUT", "/api/certificates/{host}"): Rule(Need.DEPLOYER, whole=True),  # a host may be any project's
    ("DELETE", "/api/certificates/{host}"): Rule(Need.DEPLOYER, whole=True),
    # Signing in takes no key, as it is how a browser comes to use one; both others say nothing to nobody.
    ("GET", "/api/session"): Rule(Need.PUBLIC),
    ("POST", "/api/session"): Rule(Need.PUBLIC),
    ("DELETE", "/api/session"): Rule(Need.PUBLIC),
    ("POST", "/api/sign-in-links"): _VIEW,  # opens what the caller's key opens
    # The dashboard's own files, the same for everybody; its data comes from the API (docs/adr/0009-public-dashboard-files.md).
    ("GET", "/"): Rule(Need.PUBLIC),
    ("HEAD", "/"): Rule(Need.PUBLIC),
    ("GET", "/sign-in"): Rule(Need.PUBLIC),
    ("HEAD", "/sign-in"): Rule(Need.PUBLIC),
    ("GET", "/dashboard"): Rule(Need.PUBLIC),
    ("HEAD", "/dashboard"): Rule(Need.PUBLIC),
    ("GET", "/dashboard/{path}"): Rule(Need.PUBLIC),
    ("HEAD", "/dashboard/{path}"): Rule(Need.PUBLIC),
    ("GET", "/api/registries"): _VIEW,
    ("PUT", "/api/registries/{host}"): _DEPLOY,
    ("DELETE", "/api/registries/{host}"): _DEPLOY,
    ("GET", "/api/images"): _VIEW,
    ("GET", "/api/images/plan"): Rule(Need.VIEWER, whole=True),
    ("POST", "/api/images/prune"): _ADMIN,
    ("DELETE", "/api/images/{name}"): Rule(Need.ADMIN),
    ("WS", "/api/link"): Rule(Need.NODE),
    # Images; which project's, the first part of {name} says, and which node may, what is placed on it (draas.server.registry.entry).
    ("GET", "/v2/"): _PULL,
    ("HEAD", "/v2/"): _PULL,
    ("GET", "/v2/{name}/manifests/{reference}"): _PULL,
    ("HEAD", "/v2/{name}/manifests/{reference}"): _PULL,
    ("PUT", "/v2/{name}/manifests/{reference}"): _PUSH,
    ("DELETE", "/v2/{name}/manifests/{reference}"): Rule(Need.ADMIN),
    ("GET", "/v2/{name}/blobs/{digest}"): _PULL,
    ("HEAD", "/v2/{name}/blobs/{digest}"): _PULL,
    ("DELETE", "/v2/{name}/blobs/{digest}"): Rule(Need.ADMIN),
    ("POST", "/v2/{name}/blobs/uploads/"): _PUSH,
    ("GET", "/v2/{name}/blobs/uploads/{session}"): _PUSH,
    ("HEAD", "/v2/{name}/blobs/uploads/{session}"): _PUSH,
    ("PATCH", "/v2/{name}/blobs/uploads/{session}"): _PUSH,
    ("PUT", "/v2/{name}/blobs/uploads/{session}"): _PUSH,
    ("DELETE", "/v2/{name}/blobs/uploads/{session}"): _PUSH,
    ("GET", "/v2/{name}/tags/list"): _PULL,
    ("HEAD", "/v2/{name}/tags/list"): _PULL,
}
_RANK: Mapping[Role, Need] = {"viewer": Need.VIEWER, "deployer": Need.DEPLOYER, "admin": Need.ADMIN, "node": Need.NODE}
_NO_KEY = "no key: send Authorization: Bearer KEY (the admin key was printed at the controller's first start)"
_BAD_KEY = "the key is wrong, expired or revoked: ask an admin for a new one (draas keys)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, as far as the transport knows: the peer's address and what the headers say."""

    authorization: str | None
    peer: str | None = None
    host: str = ""
    origin: str | None = None
    method: str = "GET"  # WS for a WebSocket
    session: str | None = None  # what the session's cookie holds
    is_forwarded: bool = False  # whether a proxy says for whom it asks
    site: str | None = None  # Sec-Fetch-Site
    has_header: bool = False  # whether it has the header that only our own page sends


def authenticate(
    controller: Controller, caller: Caller, now: float, *, is_open: bool = False, attempts: Attempts | None = None
) -> Key:
    """The caller's key; with `is_open` a local caller needs none. Raises Unauthenticated, or Forbidden for a foreign page.

    The key is looked up by the digest of its secret, so that no comparison's duration says anything about the secret. With
    `attempts`, wrong ones are counted, and raise TooOften where there were too many.
    """
    if is_open:
        check_local(caller)
    if caller.authorization is None:
        if is_open:
            return OPEN_KEY
        if caller.session is not None:
            check_caller_page(caller)
            return session_key(controller, caller.session, now)[0]
        raise Unauthenticated(_NO_KEY)
    scheme, _, given = caller.authorization.partition(" ")
    given = given.strip()
    if scheme.lower() != "bearer" or not given:
        raise Unauthenticated(_NO_KEY)
    key = controller.key(ids.digest(given)) if len(given) <= MAX_KEY else None
    is_good = key is not None and (key.expires_at is None or key.expires_at > now)
    is_made, address = ids.is_secret(given), caller.peer or ""
    if key is None or not is_good:
        raise Unauthenticated(_BAD_KEY) if attempts is None else attempts.refuse(address, _BAD_KEY, is_made=is_made)
    if attempts is not None and not is_made:
        attempts.check(address, is_made=False)
    return key


def check_caller_page(caller: Caller, *, is_sign_in: bool = False) -> None:
    """Raises Forbidden unless a request with a session's cookie comes from our own page; see check_own_page."""
    check_own_page(
        caller.method, caller.host, caller.origin, caller.site, has_header=caller.has_header, is_sign_in=is_sign_in
    )


def authenticate_node(controller: Controller, caller: Caller, attempts: Attempts | None = None) -> Key:
    """The node whose key the caller has. Raises Unauthenticated or TooOften, or Forbidden where the key is no node's."""
    bearer = replace(caller, session=None)
    key = authenticate(controller, bearer, clock.now(), attempts=attempts)
    authorize(key, ROUTES["WS", "/api/link"])
    return key


def authorize(key: Key, rule: Rule) -> None:
    """Raises Forbidden where `key` does not meet `rule`. A node's identity opens nothing but what needs a node."""
    rank = _RANK[key.role]
    if rank == Need.NODE or rule.need == Need.NODE:
        if rank == Need.NODE and rule.nodes:
            return
        if rank != rule.need:
            raise Forbidden(f"a key of role {key.role} cannot do this: it is for {rule.need.name.lower()} keys")
    elif rank < rule.need:
        raise Forbidden(f"the key's role is {key.role}: this needs {rule.need.name.lower()}")
    if rule.whole and key.project is not None:
        raise Forbidden(f"the key is for project {key.project} only: this concerns the whole cluster")


def check_local(caller: Caller) -> None:
    """Refuse, in open mode, whoever is not on this machine and any web page that is not our own.

    A page of another site reaches loopback through the user's browser: by a name that resolves there (DNS rebinding; the
    Host header tells) or straight (the Origin header tells). Raises Forbidden.
    """
    if caller.is_forwarded or (caller.peer is not None and not is_loopback(caller.peer)):
        raise Forbidden("without keys (--open) only this machine may call, and not through a proxy")
    if not is_loopback(_host_name(caller.host)):
        raise Forbidden("without keys (--open) the Host must be localhost, 127.0.0.1 or [::1]")
    if caller.origin is not None and urlsplit(caller.origin).netloc.lower() != caller.host.lower():
        raise Forbidden("without keys (--open) pages of other origins may not call")


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def check_open(is_open: bool, listen_host: str) -> None:
    """Raises Invalid where the API would be open to other machines."""
    if is_open and not is_loopback(listen_host):
        raise Invalid(f"--open gives everybody admin rights, so it is refused on {listen_host}: listen on 127.0.0.1")


def make_key(role: Role, *, name: str = "", project: str | None = None, ttl_s: float | None = None) -> tuple[Key, str]:
    """A fresh key and its secret, not stored yet."""
    secret, now = ids.secret("draas"), clock.now()
    expires_at = now + ttl_s if ttl_s is not None else None
    key = Key(
        id=ids.new("k"), digest=ids.digest(secret), role=role, name=name, project=project, created_at=now,
        expires_at=expires_at,
    )  # fmt: skip
    return key, secret


async def first_admin_key(controller: Controller, given: str | None) -> str | None:
    """Make the first admin key where there is none: `given`, or a random one, which is returned to be printed once.

    Raises Invalid where `given` is too short or not plain text.
    """
    present = controller.keys()
    if any(key.role == "admin" and key.project is None for key in present):
        return None
    key, secret = make_key("admin", name="first")
    if given is not None:
        if not MIN_ADMIN_KEY <= len(given) <= MAX_KEY or not given.isascii() or not given.isprintable() or " " in given:
            raise Invalid(f"DRAAS_ADMIN_KEY must be {MIN_ADMIN_KEY} to {MAX_KEY} plain characters without blanks")
        key = Key(id=key.id, digest=ids.digest(given), role="admin", name="DRAAS_ADMIN_KEY", created_at=key.created_at)
    await controller.write(Write(keys=(key,)))
    return None if given is not None else secret
