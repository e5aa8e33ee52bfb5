"""Joining: a short-lived token, good for one machine, is changed for an identity of the node's own."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from draas.lib import clock, ids
from draas.model.allocation import NodeId
from draas.model.errors import Conflict, Unauthenticated
from draas.model.node import NodeState
from draas.server.api import render
from draas.server.api.bodies import parse, parse_optional, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import GuardedRoute, api_of, idempotency_of, respond
from draas.server.services.controller import Controller, Reply
from draas.store.store import Key, Token, Write
from draas.wire.api import JoinBody, JoinTokenBody
from draas.wire.join import join_token, split_join_token
from draas.wire.views import JoinedView, JoinTokenView

router = APIRouter(route_class=GuardedRoute, tags=["nodes"])
_REMEDY = "make a new one with: draas nodes token"


@router.post(
    "/api/join-tokens",
    summary="Make a token with which one machine may join",
    status_code=201,
    responses=answers({201: JoinTokenView}, 400, 401, 403, 409, 413, 415, 503),
    openapi_extra=body(JoinTokenBody, required=False),
)
async def make_token(request: Request) -> Response:
    api, raw = api_of(request), await read_body(request)
    wanted = parse_optional(JoinTokenBody, raw)

    async def make() -> Reply:
        secret, expires_at = ids.secret("join"), clock.now() + wanted.ttl_s
        await api.controller.write(Write(tokens=(Token(digest=ids.digest(secret), expires_at=expires_at),)))
        token = join_token(secret, api.config.fingerprint)
        view: JoinTokenView = {
            "token": token,
            "expires_at": clock.rfc3339(expires_at),
            "command": f"draas join {api.config.url} {token}",
        }
        return Reply(201, render.encode(view))

    return respond(await api.once.answer(idempotency_of(request, raw), make))


@router.post(
    "/api/join",
    summary="Join with a token (it stands in the body; no key is needed)",
    status_code=201,
    responses=answers({201: JoinedView}, 400, 401, 409, 413, 415, 503),
    openapi_extra=body(JoinBody),
)
async def join(request: Request) -> Response:
    api, raw = api_of(request), await read_body(request)
    wanted = parse(JoinBody, raw)
    try:
        digest = ids.digest(split_join_token(wanted.token)[0])
    except ValueError as error:
        raise Unauthenticated(str(error)) from None

    async def make() -> Reply:
        check_token(api.controller, digest, clock.now())
        old = _known(api.controller, wanted.key)
        await check_name(api.controller, wanted.name, old)
        key, secret, write = _identity(api.controller, wanted, old, digest)
        await api.controller.write(write)
        view: JoinedView = {"node_id": key.node_id or "", "key": secret, "ca": api.config.ca_pem}
        return Reply(201, render.encode(view))

    return respond(await api.once.answer(idempotency_of(request, raw, owner=digest), make))


def check_token(controller: Controller, digest: str, now: float) -> None:
    """Raises Unauthenticated where the token is not good any more, or never was."""
    token = controller.token(digest)
    if token is None:
        raise Unauthenticated(f"the join token is wrong or was used already: {_REMEDY}")
    if token.expires_at <= now:
        raise Unauthenticated(f"the join token has expired at {clock.rfc3339(token.expires_at)}: {_REMEDY}")


def _known(controller: Controller, secret: str | None) -> Key | None:
    """The node's earlier identity, if it is still good."""
    key = controller.key(ids.digest(secret)) if secret else None
    return key if key is not None and key.role == "node" else None


async def check_name(controller: Controller, name: str, old: Key | None) -> None:
    """Raises Conflict where another node bears `name`."""
    mine = old.node_id if old is not None else None
    for node in await controller.nodes():
        if node.name == name and node.id != mine and node.state is not NodeState.LEFT:
            raise Conflict(f"there is a node {name!r} already: choose another --name, or first draas nodes rm {name}")


def _identity(controller: Controller, wanted: JoinBody, old: Key | None, token: str) -> tuple[Key, str, Write]:
    """The node's key, its secret, and what makes both durable and the token used up.

    Keys of machines of this name that joined and never came go with it; a known node keeps its id and its key.
    """
    if old is not None and wanted.key is not None:
        return old, wanted.key, Write(gone_tokens=(token,))
    secret = ids.secret("node")
    node_id = NodeId(ids.new("n"))
    key = Key(
        id=ids.new("k"),
        digest=ids.digest(secret),
        role="node",
        name=wanted.name,
        node_id=node_id,
        created_at=clock.now(),
    )
    present = controller.keys()
    gone = tuple(other.id for other in present if other.role == "node" and other.name == wanted.name)
    return key, secret, Write(keys=(key,), gone_keys=gone, gone_tokens=(token,))
