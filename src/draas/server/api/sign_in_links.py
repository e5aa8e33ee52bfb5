"""Sign-in links: whoever has a key makes a link with which a browser signs in once, with that key's rights."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from draas.lib.clock import rfc3339
from draas.server.access import OPEN_KEY
from draas.server.api.bodies import parse_optional, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import GuardedRoute, api_of, idempotency_of, key_of, respond
from draas.server.api.render import encode
from draas.server.services.controller import Reply
from draas.server.sessions import link_url, make_link
from draas.store.store import Write
from draas.wire.api import EmptyBody
from draas.wire.views import SignInLinkView

router = APIRouter(route_class=GuardedRoute, tags=["session"])


@router.post(
    "/api/sign-in-links",
    summary="Make a link that signs a browser in once, as the caller's key",
    status_code=201,
    responses=answers({201: SignInLinkView}, 400, 401, 403, 409, 413, 415, 503),
    openapi_extra=body(EmptyBody, required=False),
)
async def create(request: Request) -> Response:
    api, key, raw = api_of(request), key_of(request), await read_body(request)
    parse_optional(EmptyBody, raw)

    async def make() -> Reply:
        view: SignInLinkView = {"url": f"{api.config.url}/dashboard", "token": None, "expires_at": None}
        if key is not OPEN_KEY:
            token, text = make_link(key)
            await api.controller.write(Write(tokens=(token,)))
            view = {"url": link_url(api.config.url, text), "token": text, "expires_at": rfc3339(token.expires_at)}
        return Reply(201, encode(view))

    return respond(await api.once.answer(idempotency_of(request, raw), make))
