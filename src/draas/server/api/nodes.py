"""Nodes: list, show, label, drain, remove."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from draas.lib import clock
from draas.model.command import PatchNode, RemoveNode
from draas.server.api import render
from draas.server.api.bodies import parse, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import GuardedRoute, api_of, json_response, respond
from draas.server.api.metrics_query import MetricsQuery, since_of
from draas.server.api.render_samples import render_node_sample, render_samples
from draas.server.services.controller import Controller, Reply
from draas.wire.api import NodePatch
from draas.wire.views import NodeList, NodeView, SampleList

router = APIRouter(route_class=GuardedRoute, tags=["nodes"])
IdOrName = Annotated[str, Path(max_length=128, description="id or name")]


@router.get("/api/nodes", summary="All nodes, by name", responses=answers({200: NodeList}, 401, 403, 503))
async def list_nodes(request: Request) -> Response:
    controller, disk = api_of(request).controller, api_of(request).disk
    nodes = sorted(await controller.nodes(), key=lambda node: node.name)
    items = [render.render_node(node, controller.reserved(node)) for node in nodes]
    view: NodeList = {
        "items": items,
        "next": None,
        "total": len(items),
        "warnings": disk.warnings() if disk is not None else [],
    }
    return json_response(render.encode(view))


@router.get("/api/nodes/{id}", summary="Show a node", responses=answers({200: NodeView}, 400, 401, 403, 404, 503))
async def show(request: Request, id: IdOrName) -> Response:
    controller = api_of(request).controller
    node = await controller.node(id)
    return json_response(render.encode(render.render_node(node, controller.reserved(node))))


@router.get(
    "/api/nodes/{id}/metrics",
    summary="A node's load: every 10 s for an hour, every minute for a day, every 15 minutes for 5 weeks",
    responses=answers({200: SampleList}, 400, 401, 403, 404, 503),
)
async def metrics(request: Request, id: IdOrName, query: Annotated[MetricsQuery, Query()]) -> Response:
    controller = api_of(request).controller
    node = await controller.node(id)
    found = await controller.samples(node.id, since_of(query, clock.steady()), query.step)
    return json_response(render_samples(found, render_node_sample))


@router.patch(
    "/api/nodes/{id}",
    summary="Set labels, drain or take back",
    responses=answers({200: NodeView}, 400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=body(NodePatch, idempotent=False),
)
async def patch(request: Request, id: IdOrName) -> Response:
    controller = api_of(request).controller
    wanted = parse(NodePatch, await read_body(request))
    node = await controller.node(id)
    drain = None if wanted.state is None else wanted.state == "draining"
    return respond(
        await controller.command(PatchNode(id=node.id, labels=wanted.labels, drain=drain), _reply(controller))
    )


@router.delete(
    "/api/nodes/{id}",
    summary="Remove a node for good: its key is revoked, its work re-run elsewhere",
    status_code=204,
    responses=answers({204: None}, 400, 401, 403, 404, 409, 503),
)
async def remove(request: Request, id: IdOrName) -> Response:
    controller = api_of(request).controller
    node = await controller.node(id)
    return respond(await controller.command(RemoveNode(id=node.id), render.reply_gone))


def _reply(controller: Controller) -> render.Render:
    def reply(jobs: render.Jobs, nodes: render.Nodes) -> Reply:
        return Reply(200, render.encode(render.render_node(nodes[0], controller.reserved(nodes[0]))))

    return reply
