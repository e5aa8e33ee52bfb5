"""GET /api/openapi.json and /docs: the API described by its own routes; the page needs no other host and no script."""

from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from draas.server.access import ROUTES, Need
from draas.server.api.document import answers
from draas.server.api.guard import GuardedRoute, json_response
from draas.server.api.render import encode
from draas.wire import api, app_body, build_body
from draas.wire.app_views import AppLogLineView
from draas.wire.views import EventView, LogLineView, ProblemView

router = APIRouter(route_class=GuardedRoute, tags=["description"])
_REF = "#/components/schemas/{model}"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#8881;padding:.8rem;overflow:auto}"
    "section{border-top:1px solid #8884;padding:.5rem 0}small{color:#777}"
)


@router.get(
    "/api/openapi.json",
    summary="This API as an OpenAPI document",
    responses=answers({200: "application/json"}, 401, 403),
)
async def openapi(request: Request) -> Response:
    return json_response(encode(describe(request.app)))


@router.get("/docs", summary="This API as a page", responses=answers({200: "text/html"}, 401, 403))
async def docs(request: Request) -> Response:
    return HTMLResponse(render_page(describe(request.app)))


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes, description=_ABOUT)
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(_own_schemas())
        components["schemas"].pop("HTTPValidationError", None)
        components["schemas"].pop("ValidationError", None)
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                operation["responses"].pop("422", None)
                public = ROUTES[method.upper(), path].need is Need.PUBLIC
                operation["security"] = [] if public else [{"key": []}]
        app.openapi_schema = document
    return app.openapi_schema


_ABOUT = (
    "Every route but health needs `Authorization: Bearer KEY`. Errors are RFC 9457 problem documents. "
    "Times are RFC 3339 in UTC. Every POST takes an Idempotency-Key."
)


def _own_schemas() -> dict[str, Any]:
    """Of the bodies that routes validate from raw bytes, of problem documents, and of what streams are made of."""
    models = [
        model
        for module in (api, app_body, build_body)
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ == module.__name__
    ]
    _, made = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    found = dict(made["$defs"])
    for view in (ProblemView, EventView, LogLineView, AppLogLineView):
        schema = TypeAdapter(view).json_schema(ref_template=_REF)
        found |= {**schema.pop("$defs", {}), view.__name__: schema}
    return found


def render_page(document: dict[str, Any]) -> str:
    """The document for people: each call with its parameters, body and answers."""
    calls = [
        _render_call(method, path, operation, document)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    title = f"{document['info']['title']} API {document['info']['version']}"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(title)}</h1><p>{escape(_ABOUT)}</p><p><a href=/api/openapi.json>OpenAPI document</a></p>"
        + "".join(calls)
    )


def _render_call(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    rule = ROUTES[method.upper(), path]
    lines = [
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>",
        f"<p>{escape(operation.get('summary', ''))} <small>role: {rule.need.name.lower()}</small></p>",
    ]
    if parameters := operation.get("parameters"):
        rows = (f"<li><code>{escape(p['name'])}</code> {escape(p.get('description', ''))}</li>" for p in parameters)
        lines.append(f"<ul>{''.join(rows)}</ul>")
    if given := operation.get("requestBody"):
        name = given["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        lines.append(_render_fields(document["components"]["schemas"][name]))
    told = ", ".join(f"{status} {answer['description']}" for status, answer in operation["responses"].items())
    return "".join([*lines, f"<p><small>{escape(told)}</small></p></section>"])


def _render_fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = (
        f"<li><code>{escape(name)}</code>{' (required)' if name in required else ''} {escape(field.get('description', ''))}"
        for name, field in schema.get("properties", {}).items()
    )
    return f"<p>{escape(schema.get('description', ''))}</p><ul>{''.join(rows)}</ul>"
