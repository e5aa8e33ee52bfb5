"""Keys: make and rotate (the secret is shown once), list, revoke."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from draas.lib import clock
from draas.model.errors import Conflict, NotFound
from draas.model.event import Event
from draas.model.plan import Plan
from draas.server.access import make_key
from draas.server.api import render
from draas.server.api.bodies import parse, parse_optional, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import GuardedRoute, api_of, idempotency_of, json_response, key_of, respond
from draas.server.services.controller import Reply
from draas.store.store import Key, Write
from draas.wire.api import KeyBody, RotateBody
from draas.wire.views import KeyList, NewKeyView

router = APIRouter(route_class=GuardedRoute, tags=["keys"])
KeyId = Annotated[str, Path(max_length=128)]


@router.get("/api/keys", summary="All keys, without their secrets", responses=answers({200: KeyList}, 401, 403, 503))
async def list_keys(request: Request) -> Response:
    present = sorted(api_of(request).controller.keys(), key=lambda key: key.created_at)
    return json_response(render.render_list([render.render_key(key) for key in present], len(present)))


@router.post(
    "/api/keys",
    summary="Make a key; its secret is shown this once",
    status_code=201,
    responses=answers({201: NewKeyView}, 400, 401, 403, 409, 413, 415, 503),
    openapi_extra=body(KeyBody),
)
async def create(request: Request) -> Response:
    api, raw = api_of(request), await read_body(request)
    wanted = parse(KeyBody, raw)

    async def make() -> Reply:
        key, secret = make_key(wanted.role, name=wanted.name, project=wanted.project, ttl_s=wanted.ttl_s)
        await api.controller.write(Write(keys=(key,), plan=_told("key.made", key, request)))
        view: NewKeyView = {**render.render_key(key), "key": secret}
        return Reply(201, render.encode(view))

    return respond(await api.once.answer(idempotency_of(request, raw), make))


@router.post(
    "/api/keys/{id}/rotate",
    summary="Another key in a key's place; the old one ends, at once or a while later",
    status_code=201,
    responses=answers({201: NewKeyView}, 400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=body(RotateBody, required=False),
)
async def rotate(request: Request, id: KeyId) -> Response:
    api, raw = api_of(request), await read_body(request)
    wanted = parse_optional(RotateBody, raw)

    async def make() -> Reply:
        old, now = _find(api.controller.keys(), id), clock.now()
        ttl_s = old.expires_at - old.created_at if old.expires_at is not None else None
        new, secret = make_key(old.role, name=old.name, project=old.project, ttl_s=ttl_s)
        kept = replace(old, expires_at=min(old.expires_at or math.inf, now + wanted.keep_s))
        await api.controller.write(
            Write(
                keys=(new, kept) if wanted.keep_s > 0 else (new,),
                gone_keys=() if wanted.keep_s > 0 else (old.id,),
                plan=_told("key.rotated", old, request),
            )
        )
        view: NewKeyView = {**render.render_key(new), "key": secret}
        return Reply(201, render.encode(view))

    return respond(await api.once.answer(idempotency_of(request, raw), make))


@router.delete(
    "/api/keys/{id}",
    summary="Revoke a key",
    status_code=204,
    responses=answers({204: None}, 400, 401, 403, 404, 409, 503),
)
async def revoke(request: Request, id: KeyId) -> Response:
    controller = api_of(request).controller
    present = controller.keys()
    key = _find(present, id)
    if _is_lasting_admin(key) and sum(map(_is_lasting_admin, present)) == 1:
        raise Conflict("this is the last admin key that does not expire: make another one first")
    await controller.write(Write(gone_keys=(id,), plan=_told("key.revoked", key, request)))
    return Response(status_code=204)


def _find(present: Sequence[Key], id: str) -> Key:
    """Raises NotFound, or Conflict where it is a machine's identity."""
    key = next((key for key in present if key.id == id), None)
    if key is None:
        raise NotFound(f"there is no key {id!r}")
    if key.role == "node":
        raise Conflict(f"this is the identity of node {key.name}: remove the node instead (draas nodes rm {key.name})")
    return key


def _told(kind: str, key: Key, request: Request) -> Plan:
    """An event for those who look after the whole cluster."""
    by = key_of(request)
    detail = {"name": key.name, "role": key.role, "for": key.project, "by": by.name or by.id}
    return Plan(events=(Event(at=clock.now(), kind=kind, subject=key.id, detail=detail),))


def _is_lasting_admin(key: Key) -> bool:
    return key.role == "admin" and key.project is None and key.expires_at is None
