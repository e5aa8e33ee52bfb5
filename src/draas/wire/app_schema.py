"""The JSON Schema of draas.yaml, made from the body that the API checks, so that both say the same."""

from typing import Any

from draas.wire.app_body import AppBody

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def app_schema() -> dict[str, Any]:
    """Of one app in draas.yaml. It lets through what only several fields together make wrong."""
    return {"$schema": DIALECT, **AppBody.model_json_schema(), "title": "draas.yaml", "required": ["app", "image"]}
