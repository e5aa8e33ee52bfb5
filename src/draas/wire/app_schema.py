"""The JSON Schema of draas.yaml, made from the body that the API checks, so that both say the same."""

from typing import Any

from draas.wire.app_body import AppBody, AppBuildBody

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def app_schema() -> dict[str, Any]:
    """Of one app in draas.yaml. It lets through what only several fields together make wrong."""
    schema = AppBody.model_json_schema()
    name = AppBuildBody.__name__
    schema["$defs"][name] = AppBuildBody.model_json_schema()
    schema["properties"]["build"]["anyOf"].insert(1, {"$ref": f"#/$defs/{name}"})
    either = [{"required": [one], "properties": {one: {"not": {"type": "null"}}}} for one in ("image", "build")]
    return {"$schema": DIALECT, **schema, "title": "draas.yaml", "required": ["app"], "oneOf": either}
