"""Images of the controller's registry: list, plan a collection, prune, remove."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from draas.lib.clock import rfc3339
from draas.model.errors import Forbidden, Invalid, NotFound
from draas.model.image_name import (
    CLUSTER_HOST,
    MAX_REPOSITORY,
    MAX_TAG,
    Digest,
    Repository,
    Tag,
    parse_cluster_image,
    parse_repository,
    project_of_repository,
)
from draas.model.node import Image, Node
from draas.model.stored_image import StoredImage
from draas.scheduler.collection import Kind, Removal
from draas.scheduler.image_use import Reference, User
from draas.server.api.bodies import parse_optional, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import GuardedRoute, api_of, idempotency_of, json_response, key_of, respond
from draas.server.api.render import encode, render_list
from draas.server.services.controller import Reply
from draas.wire.api import EmptyBody
from draas.wire.image_views import ImageList, RemovalList, RemovalView, StoredImageView

router = APIRouter(route_class=GuardedRoute, tags=["images"])
IN_TIME = "no kept release and no work needs it: the node removes it after 7 days, or when its disk is 80 % full"
Name = Annotated[
    str,
    Path(max_length=MAX_REPOSITORY + MAX_TAG + 1, description="PROJECT/NAME, PROJECT/NAME:TAG or PROJECT/NAME@DIGEST"),
]


class ImageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    repository: str | None = Field(None, max_length=MAX_REPOSITORY, description="PROJECT/NAME: this one's only")


@router.get(
    "/api/images",
    summary="Images of the registry, who uses them and which nodes have them",
    responses=answers({200: ImageList}, 400, 401, 403, 503),
)
async def list_images(request: Request, query: Annotated[ImageQuery, Query()]) -> Response:
    api, project = api_of(request), key_of(request).project
    repository = parse_repository(query.repository) if query.repository is not None else None
    if repository is not None:
        _check_project(request, repository)
    if api.images is None:
        return json_response(render_list([], 0))
    found = [one async for one in api.images.listed(repository)]
    if project is not None:
        found = [one for one in found if project_of_repository(one.repository) == project]
    holders = _holders(await api.controller.nodes())
    items = render_images(found, api.images.users(), holders, project)
    return json_response(render_list(items, len(items)))


@router.get(
    "/api/images/plan",
    summary="What a prune would delete now, and why",
    responses=answers({200: RemovalList}, 401, 403, 503),
)
async def plan(request: Request) -> Response:
    images = api_of(request).images
    if images is None:
        return json_response(encode(render_removals(())))
    return json_response(encode(render_removals(await images.plan(is_urgent=True), images.unkept())))


@router.post(
    "/api/images/prune",
    summary="Delete what nothing uses and no tag names, but for what is an hour old",
    responses=answers({200: RemovalList}, 400, 401, 403, 409, 413, 415, 503),
    openapi_extra=body(EmptyBody, required=False),
)
async def prune(request: Request) -> Response:
    api, raw = api_of(request), await read_body(request)
    parse_optional(EmptyBody, raw)

    async def make() -> Reply:
        done = (await api.images.collect(is_urgent=True)).removed if api.images is not None else ()
        return Reply(200, encode(render_removals(done)))

    return respond(await api.prunes.answer(idempotency_of(request, raw), make))


@router.delete(
    "/api/images/{name:path}",
    summary="Delete a tag, an image, or a whole repository that nothing uses",
    responses=answers({200: ImageList}, 400, 401, 403, 404, 409, 503),
)
async def remove(request: Request, name: Name) -> Response:
    repository, reference = _named(name)
    _check_project(request, repository)
    images = api_of(request).images
    if images is None:
        raise NotFound(f"there is no image {name!r}")
    items = render_images(await images.remove(repository, reference), {}, {}, None)
    return json_response(render_list(items, len(items)))


def render_images(
    found: Iterable[StoredImage],
    users: Mapping[Reference, Sequence[User]],
    holders: Mapping[Reference, Sequence[str]],
    project: str | None,
) -> list[StoredImageView]:
    """By repository, newest first; `project`: in its words only. What an index lists is part of it, and not told apart."""
    images = sorted(found, key=lambda one: (one.repository, -one.fresh_at, one.digest))
    by_key = {(one.repository, one.digest): one for one in images}
    listed = {(one.repository, digest) for one in images for digest in one.manifests}
    views: list[StoredImageView] = []
    for one in images:
        if (one.repository, one.digest) in listed and not one.tags:
            continue
        parts = [by_key[one.repository, digest] for digest in one.manifests if (one.repository, digest) in by_key]
        names: list[Tag | Digest] = [one.digest, *one.tags, *(part.digest for part in parts)]
        views.append(
            {
                "repository": one.repository,
                "digest": one.digest,
                "tags": sorted(one.tags),
                "size_bytes": sum(part.size_bytes + part.content_bytes for part in (one, *parts)),
                "platforms": len(one.manifests),
                "pushed_at": rfc3339(one.fresh_at),
                "used_by": _told(names, one.repository, users, project),
                "nodes": sorted({node for name in names for node in holders.get((one.repository, name), ())}),
            }
        )
    return views


def render_removals(removals: Sequence[Removal], unkept: Iterable[tuple[str, Image]] = ()) -> RemovalList:
    """Without the parts that are told with what they belong to; `unkept` are nodes' images, with the names of the nodes."""
    items: list[RemovalView] = [
        {
            "kind": one.kind.value if one.kind is not Kind.CONTENT else Kind.LINK.value,
            "node": None,
            "name": _name(one),
            "tags": sorted(one.tags),
            "reason": one.reason,
            "freed_bytes": one.freed_bytes,
        }
        for one in removals
        if one.part_of is None
    ]
    on_nodes: list[RemovalView] = [
        {
            "kind": Kind.MANIFEST.value,
            "node": node,
            "name": image.tags[0] if image.tags else image.id,
            "tags": list(image.tags[1:]),
            "reason": IN_TIME,
            "freed_bytes": image.size_bytes,
        }
        for node, image in unkept
    ]
    freed = sum(one.size_bytes for one in removals)
    return {"items": items, "next": None, "total": len(items), "freed_bytes": freed, "on_nodes": on_nodes}


def _name(one: Removal) -> str:
    if one.kind is Kind.UPLOAD:
        return f"{one.repository} {one.upload}"
    return f"{one.repository}@{one.digest}" if one.repository is not None else str(one.digest)


def _told(
    names: Sequence[Tag | Digest],
    repository: Repository,
    users: Mapping[Reference, Sequence[User]],
    project: str | None,
) -> list[str]:
    found = [user for name in names for user in users.get((repository, name), ())]
    return list(dict.fromkeys(user.told if project in (None, user.project) else "another project" for user in found))


def _holders(nodes: Iterable[Node]) -> dict[Reference, list[str]]:
    """The names of the nodes that have each image of the registry."""
    holders: dict[Reference, list[str]] = {}
    for node in nodes:
        for tag in (tag for image in node.facts.images for tag in image.tags):
            try:
                reference = parse_cluster_image(tag)
            except Invalid:
                continue
            if reference is not None:
                holders.setdefault(reference, []).append(node.name)
    return holders


def _named(name: str) -> tuple[Repository, Tag | Digest | None]:
    """Raises Invalid."""
    found = parse_cluster_image(f"{CLUSTER_HOST}/{name.removeprefix(f'{CLUSTER_HOST}/')}")
    if found is None:
        raise Invalid(f"{name!r} is no image: PROJECT/NAME, PROJECT/NAME:TAG or PROJECT/NAME@DIGEST")
    repository, reference = found
    return repository, reference if "@" in name or ":" in name.rsplit("/", 1)[-1] else None


def _check_project(request: Request, repository: Repository) -> None:
    """Raises Forbidden."""
    project = key_of(request).project
    if project is not None and project_of_repository(repository) != project:
        raise Forbidden(f"the key is for project {project} only: its repositories are {project}/NAME")
