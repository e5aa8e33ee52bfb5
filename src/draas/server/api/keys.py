"""Keys: make (the secret is shown once), list, revoke."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from draas.model.errors import Conflict, NotFound
from draas.server.access import make_key
from draas.server.api import render
from draas.server.api.bodies import parse, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import GuardedRoute, api_of, idempotency_of, json_response, respond
from draas.server.services.controller import Reply
from draas.store.store import Key, Write
from draas.wire.api import KeyBody
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
        await api.controller.write(Write(keys=(key,)))
        view: NewKeyView = {**render.render_key(key), "key": secret}
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
    key = next((key for key in present if key.id == id), None)
    if key is None:
        raise NotFound(f"there is no key {id!r}")
    if key.role == "node":
        raise Conflict(f"this is the identity of node {key.name}: remove the node instead (draas nodes rm {key.name})")
    if _is_lasting_admin(key) and sum(map(_is_lasting_admin, present)) == 1:
        raise Conflict("this is the last admin key that does not expire: make another one first")
    await controller.write(Write(gone_keys=(id,)))
    return Response(status_code=204)


def _is_lasting_admin(key: Key) -> bool:
    return key.role == "admin" and key.project is None and key.expires_at is None
