"""The session of a browser: sign in with a key or a one-time link, who am I, sign out."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from draas.lib import clock
from draas.model.errors import Forbidden, Unauthenticated
from draas.server import sessions
from draas.server.access import MAX_KEY, Caller, authenticate, check_caller_page
from draas.server.api import render
from draas.server.api.bodies import parse, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import Api, GuardedRoute, api_of, caller_of, identify, json_response, session_cookie
from draas.server.services.controller import Reply
from draas.store.store import Key, Token, Write
from draas.wire.api import SessionBody
from draas.wire.views import SessionView

router = APIRouter(route_class=GuardedRoute, tags=["session"])


@router.get(
    "/api/session",
    summary="Who am I (also without a key); prolongs a browser's session",
    responses=answers({200: SessionView}, 403, 429, 503),
)
async def show(request: Request) -> Response:
    api, caller, now = api_of(request), caller_of(request), clock.now()
    try:
        key = identify(request, caller)
    except Unauthenticated:
        return json_response(render.encode(_view(api, None)))
    answer = json_response(render.encode(_view(api, None if key.role == "node" else key)))
    if caller.session is not None and caller.authorization is None and not api.config.is_open:
        _, token = sessions.session_key(api.controller, caller.session, now)
        if (longer := sessions.prolonged(token, key, now)) is not None:
            await api.controller.write(Write(tokens=(longer,)))
            _set_cookie(request, answer, caller.session, longer.expires_at - now)
    return answer


@router.post(
    "/api/session",
    summary="Sign in: a key or the token of a one-time link for a session cookie",
    responses=answers({200: SessionView}, 400, 401, 403, 413, 415, 429, 503),
    openapi_extra=body(SessionBody, idempotent=False),
)
async def sign_in(request: Request) -> Response:
    api, caller = api_of(request), caller_of(request)
    check_caller_page(caller, is_sign_in=True)
    wanted = parse(SessionBody, await read_body(request))
    made: list[str] = []

    async def make() -> Reply:
        key, used = _given(request, wanted, clock.now())
        if key.role == "node":
            raise Forbidden("this is a machine's key: sign in with an API key")
        token, text = sessions.make_session(key)
        await api.controller.write(Write(tokens=(token,), gone_tokens=used))
        made.append(text)
        return Reply(200, render.encode(_view(api, key)))

    reply = await api.once.answer(None, make)  # one at a time: a link is good once
    answer = json_response(reply.body)
    _set_cookie(request, answer, made[0], sessions.SESSION_S)
    return answer


def _given(request: Request, wanted: SessionBody, now: float) -> tuple[Key, tuple[str, ...]]:
    """The key that was given or that the link is for, and the digests of what is used up.

    Raises Unauthenticated, TooOften.
    """
    api, peer = api_of(request), caller_of(request).peer
    if wanted.token is not None:
        try:
            key, link = sessions.link_key(api.controller, wanted.token, now)
        except Unauthenticated as wrong:
            raise api.attempts.refuse(peer or "", wrong.detail, is_made=True) from None
        return key, (link.digest,)
    caller = Caller(authorization=f"Bearer {(wanted.key or '').strip()[: MAX_KEY + 1]}", peer=peer)
    return authenticate(api.controller, caller, now, attempts=api.attempts), ()


@router.delete(
    "/api/session",
    summary="Sign out",
    status_code=204,
    responses=answers({204: None}, 403, 503),
)
async def sign_out(request: Request) -> Response:
    controller, caller, now = api_of(request).controller, caller_of(request), clock.now()
    answer = Response(status_code=204)
    if caller.session is None:
        return answer
    check_caller_page(caller)
    try:
        _, token = sessions.session_key(controller, caller.session, now)
    except Unauthenticated:
        token = Token(digest="", expires_at=0.0)
    if token.digest:
        await controller.write(Write(gone_tokens=(token.digest,)))
    _set_cookie(request, answer, "", 0)
    return answer


def _set_cookie(request: Request, answer: Response, text: str, ttl_s: float) -> None:
    answer.set_cookie(
        session_cookie(request),
        text,
        max_age=max(0, int(ttl_s)),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _view(api: Api, key: Key | None) -> SessionView:
    return {
        "signed_in": key is not None,
        "role": key.role if key is not None else None,
        "project": key.project if key is not None else None,
        "key": key.name if key is not None else None,
        "key_id": key.id if key is not None else None,
        "is_open": api.config.is_open,
        "version": api.config.version,
        "url": api.config.url,
        "last_event": api.controller.last_event if key is not None else 0,
    }
