"""Document: what the OpenAPI description says of answers and of bodies that are validated from raw bytes."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from draas.server.api.problems import MEDIA_TYPE
from draas.wire.views import ProblemView

_PROBLEMS = {
    400: "Bad input; `errors` says where",
    401: "No key, or one that is wrong, expired or revoked",
    403: "The key's role does not allow it",
    404: "No such object",
    408: "The body did not arrive in time",
    409: "The object's state does not allow it",
    413: "The body is too large",
    415: "The body is not JSON",
    429: "Too many wrong keys from this address; Retry-After says when to try again",
    503: "The controller cannot do it now",
    507: "The controller's disk is too full for it",
}
IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repeated request with the same key is answered like the first and does nothing",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x20-\\x7e]+$"},
}
Answers = dict[int | str, dict[str, Any]]


def answers(good: dict[int, Any], *problems: int) -> Answers:
    """`responses` of a route: status > view (None: no body; a media type as text: not JSON), and its problems."""
    told: Answers = {}
    for status, view in good.items():
        if view is None:
            told[status] = {"description": "Done"}
        elif isinstance(view, str):
            told[status] = {"description": "Done", "content": {media: {} for media in view.split()}}
        else:
            told[status] = {"description": "Done", "model": view}
    implied = ({408} if 413 in problems else set()) | ({429} if 401 in problems else set())
    for status in sorted({*problems, *implied}):
        told[status] = {"description": _PROBLEMS[status], "content": {MEDIA_TYPE: {"schema": _ref(ProblemView)}}}
    return told


def body(
    model: type[BaseModel], *, required: bool = True, idempotent: bool = True, parameters: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """`openapi_extra` of a POST or PATCH whose body the route validates itself."""
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": _ref(model)}}},
        "parameters": [*parameters, *([IDEMPOTENCY] if idempotent else [])],
    }


def with_form(described: dict[str, Any]) -> dict[str, Any]:
    """`described`, whose JSON may come as the part `spec` of a form beside a file, the part `source`."""
    content = described["requestBody"]["content"]
    parts = {"spec": content["application/json"]["schema"], "source": {"type": "string", "format": "binary"}}
    content["multipart/form-data"] = {
        "schema": {
            "type": "object",
            "properties": parts,
            "required": ["spec", "source"],
            "additionalProperties": False,
        },
        "encoding": {
            "spec": {"contentType": "application/json"},
            "source": {"contentType": "application/octet-stream"},
        },
    }
    return described


def _ref(model: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
